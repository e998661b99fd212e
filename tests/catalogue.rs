//! The catalogue through the public API: types, statuses, calendars, users and departments.

use std::sync::Arc;

use andon::grpc::proto::{
    Date,
    v1::{
        self, calendar_service_client::CalendarServiceClient, order_service_client::OrderServiceClient,
        order_type_service_client::OrderTypeServiceClient, people_service_client::PeopleServiceClient,
    },
};
use prost_types::FieldMask;
use tokio::sync::Barrier;
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use crate::support::{Daemon, Database, Options};

/// A running daemon on a database of its own.
struct Running {
    _daemon: Daemon,
    database: Database,
}

/// A daemon's services over a database of their own.
async fn plant() -> (Channel, Running) {
    let database = Database::create();
    let daemon = Daemon::start(&database, Options::new()).await;
    (daemon.channel(), Running { _daemon: daemon, database })
}

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn reason(status: &tonic::Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn metadata(status: &tonic::Status, key: &str) -> String {
    status.get_details_error_info().and_then(|info| info.metadata.get(key).cloned()).unwrap_or_default()
}

fn wrong_fields(status: &tonic::Status) -> Vec<String> {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "INVALID_REQUEST"), "{status}");
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

fn user(id: &str) -> v1::User {
    let email = format!("{id}@plant.example");
    v1::User { id: id.into(), display_name: "Name".into(), email, ..v1::User::default() }
}

fn new_user(user: v1::User) -> v1::CreateUserRequest {
    v1::CreateUserRequest { user: Some(user), ..v1::CreateUserRequest::default() }
}

fn new_department(department: v1::Department) -> v1::CreateDepartmentRequest {
    v1::CreateDepartmentRequest { department: Some(department), ..v1::CreateDepartmentRequest::default() }
}

fn calendar(id: &str) -> v1::Calendar {
    let day = |open| v1::DayHours { open, intervals: Vec::new() };
    v1::Calendar {
        id: id.into(),
        name: "Plant".into(),
        zone: "Europe/Vienna".into(),
        week: (0..7).map(|weekday| day(weekday < 5)).collect(),
        ..v1::Calendar::default()
    }
}

fn status(id: &str, kind: v1::StatusKind) -> v1::Status {
    v1::Status { id: id.into(), name: id.to_uppercase(), kind: kind.into(), ..v1::Status::default() }
}

fn order_type(id: &str) -> v1::OrderType {
    v1::OrderType {
        id: id.into(),
        name: "Machining".into(),
        calendar: "plant".into(),
        statuses: vec![
            status("open", v1::StatusKind::Initial),
            status("milling", v1::StatusKind::Standard),
            status("done", v1::StatusKind::Final),
            v1::Status { clock: v1::StatusClock::Pauses.into(), ..status("hold", v1::StatusKind::NonStandard) },
        ],
        ..v1::OrderType::default()
    }
}

fn new_type(order_type: v1::OrderType) -> v1::CreateOrderTypeRequest {
    v1::CreateOrderTypeRequest { order_type: Some(order_type), ..v1::CreateOrderTypeRequest::default() }
}

fn new_status(status: v1::Status) -> v1::CreateStatusRequest {
    let order_type = "machining".to_owned();
    v1::CreateStatusRequest { order_type, status: Some(status), ..v1::CreateStatusRequest::default() }
}

fn change(status: v1::Status, paths: &[&str]) -> v1::UpdateStatusRequest {
    v1::UpdateStatusRequest {
        order_type: "machining".into(),
        status: Some(status),
        update_mask: mask(paths),
        ..v1::UpdateStatusRequest::default()
    }
}

fn removal(status: &str) -> v1::DeleteStatusRequest {
    let order_type = "machining".to_owned();
    v1::DeleteStatusRequest { order_type, status: status.into(), ..v1::DeleteStatusRequest::default() }
}

fn ids(order_type: Option<&v1::OrderType>) -> Vec<&str> {
    order_type.map(|found| found.statuses.iter().map(|status| status.id.as_str()).collect()).unwrap_or_default()
}

async fn get_type(types: &mut OrderTypeServiceClient<Channel>) -> v1::OrderType {
    let request = v1::GetOrderTypeRequest { id: "machining".into() };
    types.get_order_type(request).await.expect("found").into_inner().order_type.expect("a type")
}

/// A plant with the calendar `plant` and the type `machining`.
async fn machining() -> (OrderTypeServiceClient<Channel>, Channel, Running) {
    let (channel, running) = plant().await;
    let request = v1::CreateCalendarRequest { calendar: Some(calendar("plant")), ..Default::default() };
    CalendarServiceClient::new(channel.clone()).create_calendar(request).await.expect("created");
    let mut types = OrderTypeServiceClient::new(channel.clone());
    types.create_order_type(new_type(order_type("machining"))).await.expect("created");
    (types, channel, running)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_created_listed_got_and_changed_field_by_field() {
    let (channel, _running) = plant().await;
    let mut people = PeopleServiceClient::new(channel);
    let given = v1::User { roles: vec![v1::Role::Manager.into(), v1::Role::Planner.into()], ..user("anna") };
    let created =
        people.create_user(new_user(given.clone())).await.expect("created").into_inner().user.expect("a user");
    assert_eq!((created.etag.as_str(), &created.roles, created.create_time), ("1", &given.roles, created.update_time));
    people.create_user(new_user(v1::User { inactive: true, ..user("ben") })).await.expect("created");
    let got = people.get_user(v1::GetUserRequest { id: "anna".into() }).await.expect("found").into_inner();
    assert_eq!(got.user, Some(created.clone()));

    let update = v1::UpdateUserRequest {
        user: Some(v1::User {
            email: String::new(),
            display_name: "not named".into(),
            etag: "1".into(),
            ..user("anna")
        }),
        update_mask: mask(&["email"]),
        ..v1::UpdateUserRequest::default()
    };
    let after = people.update_user(update.clone()).await.expect("changed").into_inner().user.expect("a user");
    let expected =
        v1::User { email: String::new(), etag: "2".into(), update_time: after.update_time, ..created.clone() };
    assert_eq!(after, expected);
    let stale = people.update_user(update).await.expect_err("stale");
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    assert_eq!(metadata(&stale, "current_etag"), "2");

    let listed = |include_inactive| {
        let mut people = people.clone();
        async move {
            let users = people.list_users(v1::ListUsersRequest { include_inactive }).await.expect("listed");
            users.into_inner().users.into_iter().map(|user| user.id).collect::<Vec<_>>()
        }
    };
    assert_eq!(listed(false).await, ["anna"]);
    assert_eq!(listed(true).await, ["anna", "ben"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_department_keeps_its_managers_in_order_and_only_takes_active_ones() {
    let (channel, _running) = plant().await;
    let mut people = PeopleServiceClient::new(channel);
    for id in ["anna", "ben"] {
        people.create_user(new_user(user(id))).await.expect("created");
    }
    people.create_user(new_user(v1::User { inactive: true, ..user("carl") })).await.expect("created");
    let department = |managers: &[&str]| v1::Department {
        id: "milling".into(),
        name: "Milling".into(),
        managers: managers.iter().map(|id| (*id).to_owned()).collect(),
        ..v1::Department::default()
    };
    let inactive = people.create_department(new_department(department(&["carl"]))).await.expect_err("inactive");
    assert_eq!((reason(&inactive).as_str(), metadata(&inactive, "id").as_str()), ("INACTIVE", "carl"));
    let missing = people.create_department(new_department(department(&["dora"]))).await.expect_err("missing");
    assert_eq!((reason(&missing).as_str(), metadata(&missing, "kind").as_str()), ("NOT_FOUND", "user"));
    people.create_department(new_department(department(&["anna", "ben"]))).await.expect("created");
    let update = v1::UpdateDepartmentRequest {
        department: Some(department(&["ben", "anna"])),
        update_mask: mask(&["managers"]),
        ..v1::UpdateDepartmentRequest::default()
    };
    people.update_department(update).await.expect("changed");
    let got = people.get_department(v1::GetDepartmentRequest { id: "milling".into() }).await.expect("found");
    let got = got.into_inner().department.expect("a department");
    assert_eq!((got.managers, got.etag.as_str()), (vec!["ben".to_owned(), "anna".to_owned()], "2"));
    let listed = people.list_departments(v1::ListDepartmentsRequest::default()).await.expect("listed");
    assert_eq!(listed.into_inner().departments.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_comes_back_as_it_was_written_and_explains_its_due_dates() {
    let (channel, _running) = plant().await;
    let mut calendars = CalendarServiceClient::new(channel);
    let day = |month, day| Some(v1::MonthDay { month, day });
    let date = |year, month, day| Some(Date { year, month, day });
    let interval = |from_minute, to_minute| v1::WorkingInterval { from_minute, to_minute };
    let mut given = calendar("plant");
    given.week[0].intervals = vec![interval(480, 720), interval(780, 1440)];
    given.maintained_until_date = date(2027, 12, 31);
    given.exceptions = vec![
        v1::CalendarException {
            name: "works holiday".into(),
            from_yearly: day(12, 24),
            to_yearly: day(1, 6),
            hours: Some(v1::DayHours::default()),
            ..v1::CalendarException::default()
        },
        v1::CalendarException {
            name: "stocktaking".into(),
            from_date: date(2026, 12, 29),
            to_date: date(2026, 12, 29),
            hours: Some(v1::DayHours { open: true, intervals: Vec::new() }),
            ..v1::CalendarException::default()
        },
    ];
    let request = v1::CreateCalendarRequest { calendar: Some(given.clone()), ..Default::default() };
    let created = calendars.create_calendar(request).await.expect("created").into_inner().calendar.expect("a calendar");
    given.etag = "1".into();
    (given.create_time, given.update_time) = (created.create_time, created.update_time);
    assert_eq!(created, given);
    let got = calendars.get_calendar(v1::GetCalendarRequest { id: "plant".into() }).await.expect("found");
    let got = got.into_inner().calendar.expect("a calendar");
    // A reading tells beside it how the holidays are looked after.
    assert_ne!(got.holiday_upkeep(), v1::HolidayUpkeep::Unspecified);
    assert_eq!(v1::Calendar { holiday_upkeep: 0, ..got }, given);

    let explain =
        v1::ExplainDueDateRequest { calendar: "plant".into(), start_date: date(2026, 12, 23), business_days: 1 };
    let explained = calendars.explain_due_date(explain.clone()).await.expect("explained").into_inner();
    assert_eq!(explained.due_date, date(2026, 12, 29));
    assert_eq!(explained.due_time.map(|instant| instant.seconds), Some(1_798_585_200));
    let closed: Vec<_> = explained.days.iter().map(|day| day.closed_because.is_empty()).collect();
    assert_eq!(closed, [true, false, false, false, false, false, true]);

    let update = v1::UpdateCalendarRequest {
        calendar: Some(v1::Calendar { id: "plant".into(), zone: "Asia/Tokyo".into(), ..v1::Calendar::default() }),
        update_mask: mask(&["zone", "exceptions"]),
        ..v1::UpdateCalendarRequest::default()
    };
    let after = calendars.update_calendar(update).await.expect("changed").into_inner().calendar.expect("a calendar");
    assert_eq!((after.zone.as_str(), after.exceptions.len(), after.week.len()), ("Asia/Tokyo", 0, 7));
    let explained = calendars.explain_due_date(explain.clone()).await.expect("explained").into_inner();
    assert_eq!(explained.due_date, date(2026, 12, 24));
    let wrong = v1::ExplainDueDateRequest { calendar: "Plant".into(), start_date: None, business_days: 3651 };
    let wrong = calendars.explain_due_date(wrong).await.expect_err("wrong");
    assert_eq!(wrong_fields(&wrong), ["calendar", "start_date", "business_days"]);
    let far = v1::ExplainDueDateRequest { start_date: date(2199, 12, 31), business_days: 5, ..explain };
    assert_eq!(reason(&calendars.explain_due_date(far).await.expect_err("too far")), "BEYOND_HORIZON");
    let listed = calendars.list_calendars(v1::ListCalendarsRequest {}).await.expect("listed").into_inner();
    let upkeeps: Vec<_> = listed.calendars.iter().map(|it| it.holiday_upkeep).collect();
    assert_eq!(listed.calendars, [v1::Calendar { holiday_upkeep: upkeeps[0], ..after }]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_wrong_fields_are_named_at_once() {
    let (channel, _running) = plant().await;
    let mut wrong_type = order_type("Machining");
    wrong_type.name = String::new();
    wrong_type.default_status = "nowhere".into();
    wrong_type.statuses[1].id = "open".into();
    wrong_type.statuses[2].colour = "red".into();
    wrong_type.statuses[2].duration_business_days = Some(-1);
    wrong_type.statuses[3].kind = 0;
    let request = v1::CreateOrderTypeRequest { request_id: "x".repeat(65), ..new_type(wrong_type) };
    let mut types = OrderTypeServiceClient::new(channel.clone());
    let status = types.create_order_type(request).await.expect_err("wrong");
    let mut fields = wrong_fields(&status);
    fields.sort();
    assert_eq!(
        fields,
        [
            "order_type.default_status",
            "order_type.id",
            "order_type.name",
            "order_type.statuses[1].id",
            "order_type.statuses[2].colour",
            "order_type.statuses[2].duration_business_days",
            "order_type.statuses[3].kind",
            "request_id",
        ]
    );

    let mut wrong_calendar = calendar("plant");
    wrong_calendar.zone = "Mars/Olympus".into();
    wrong_calendar.week.pop();
    wrong_calendar.exceptions = vec![v1::CalendarException::default()];
    let request = v1::CreateCalendarRequest { calendar: Some(wrong_calendar), ..Default::default() };
    let mut calendars = CalendarServiceClient::new(channel.clone());
    let status = calendars.create_calendar(request).await.expect_err("wrong");
    let expected = [
        "calendar.zone",
        "calendar.week",
        "calendar.exceptions[0].from_date",
        "calendar.exceptions[0].hours",
        "calendar.exceptions[0].name",
    ];
    assert_eq!(wrong_fields(&status), expected);

    let mut people = PeopleServiceClient::new(channel);
    let update = v1::UpdateUserRequest {
        user: Some(v1::User { email: "no address".into(), roles: vec![0], ..user("anna") }),
        update_mask: mask(&["email", "roles", "etag"]),
        ..v1::UpdateUserRequest::default()
    };
    let status = people.update_user(update).await.expect_err("wrong");
    assert_eq!(wrong_fields(&status), ["update_mask", "user.email", "user.roles[0]"]);
    assert_eq!(wrong_fields(&people.create_user(v1::CreateUserRequest::default()).await.expect_err("wrong")), ["user"]);
    assert_eq!(wrong_fields(&people.get_user(v1::GetUserRequest::default()).await.expect_err("wrong")), ["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_id_gives_the_first_answer_and_another_request_is_refused() {
    let (channel, _running) = plant().await;
    let mut people = PeopleServiceClient::new(channel);
    let request = v1::CreateUserRequest { request_id: "r-1".into(), ..new_user(user("anna")) };
    let first = people.create_user(request.clone()).await.expect("created").into_inner();
    let update =
        v1::UpdateUserRequest { user: Some(v1::User { inactive: true, ..user("anna") }), ..Default::default() };
    people.update_user(update).await.expect("changed");
    let again = people.create_user(request.clone()).await.expect("the stored answer").into_inner();
    assert_eq!(again, first);
    let check = v1::CreateUserRequest { validate_only: true, ..request.clone() };
    assert_eq!(people.create_user(check).await.expect("the stored answer").into_inner(), first);
    let other = v1::CreateUserRequest { user: Some(user("ben")), ..request };
    let refused = people.create_user(other).await.expect_err("reused");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "REQUEST_ID_REUSED"));
    let department = v1::Department { id: "milling".into(), name: "Milling".into(), ..v1::Department::default() };
    let other = v1::CreateDepartmentRequest { request_id: "r-1".into(), ..new_department(department) };
    assert_eq!(reason(&people.create_department(other).await.expect_err("reused")), "REQUEST_ID_REUSED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn validate_only_answers_the_same_and_writes_nothing() {
    let (channel, running) = plant().await;
    let mut people = PeopleServiceClient::new(channel);
    let request = v1::CreateUserRequest { request_id: "r-1".into(), ..new_user(user("anna")) };
    let check = v1::CreateUserRequest { validate_only: true, ..request.clone() };
    let checked = people.create_user(check.clone()).await.expect("allowed").into_inner().user.expect("a user");
    let database = sqlx::PgPool::connect(&running.database.url()).await.expect("a database");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) + (SELECT count(*) FROM requests) FROM users")
        .fetch_one(&database)
        .await
        .expect("counted");
    assert_eq!(rows, 0);
    let created = people.create_user(request).await.expect("created").into_inner().user.expect("a user");
    let times = (created.create_time, created.update_time);
    assert_eq!(v1::User { create_time: times.0, update_time: times.1, ..checked }, created);
    let refused = people.create_user(v1::CreateUserRequest { request_id: String::new(), ..check }).await;
    assert_eq!(reason(&refused.expect_err("taken")), "ALREADY_EXISTS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_callers_that_create_or_change_the_same_at_once_one_wins() {
    let (channel, _running) = plant().await;
    let race = async |update: bool| {
        let barrier = Arc::new(Barrier::new(8));
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let (mut people, barrier) = (PeopleServiceClient::new(channel.clone()), Arc::clone(&barrier));
                tokio::spawn(async move {
                    barrier.wait().await;
                    let user = Some(v1::User { etag: "1".into(), ..user("anna") });
                    if update {
                        let request = v1::UpdateUserRequest { user, ..v1::UpdateUserRequest::default() };
                        people.update_user(request).await.map(drop)
                    } else {
                        let request = v1::CreateUserRequest { user, ..v1::CreateUserRequest::default() };
                        people.create_user(request).await.map(drop)
                    }
                })
            })
            .collect();
        let mut refusals = Vec::new();
        for call in calls {
            refusals.extend(call.await.expect("no panic").err().map(|status| reason(&status)));
        }
        refusals
    };
    assert_eq!(race(false).await, ["ALREADY_EXISTS"; 7]);
    assert_eq!(race(true).await, ["ETAG_MISMATCH"; 7]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_sent_twice_at_once_is_carried_out_once() {
    let (channel, _running) = plant().await;
    let request = v1::CreateUserRequest { request_id: "r-1".into(), ..new_user(user("anna")) };
    let call = |request: v1::CreateUserRequest| {
        let mut people = PeopleServiceClient::new(channel.clone());
        tokio::spawn(async move { people.create_user(request).await })
    };
    let (one, two) = (call(request.clone()), call(request));
    let one = one.await.expect("no panic").expect("answered").into_inner();
    let two = two.await.expect("no panic").expect("answered").into_inner();
    assert_eq!(one, two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_is_created_with_its_cycle_and_changed() {
    let (mut types, _, _running) = machining().await;
    let created = get_type(&mut types).await;
    assert_eq!(ids(Some(&created)), ["open", "milling", "done", "hold"]);
    assert_eq!(created.statuses[1].colour, "#808080");
    assert_eq!(created.statuses.iter().map(|status| status.position).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(created.statuses[3].clock, i32::from(v1::StatusClock::Pauses));
    let update = |order_type: v1::OrderType, paths: &[&str]| v1::UpdateOrderTypeRequest {
        order_type: Some(order_type),
        update_mask: mask(paths),
        ..v1::UpdateOrderTypeRequest::default()
    };
    let given = v1::OrderType {
        id: "machining".into(),
        description: "Cut".into(),
        default_status: "milling".into(),
        ..v1::OrderType::default()
    };
    let after = types.update_order_type(update(given, &["description", "default_status"])).await.expect("changed");
    let after = after.into_inner().order_type.expect("a type");
    assert_eq!((after.name.as_str(), after.description.as_str(), after.etag.as_str()), ("Machining", "Cut", "2"));
    assert_eq!(after.default_status, "milling");
    for (given, expected) in [
        (v1::OrderType { calendar: "moon".into(), ..order_type("machining") }, ("NOT_FOUND", "calendar")),
        (v1::OrderType { default_status: "moon".into(), ..order_type("machining") }, ("NOT_FOUND", "status")),
        (order_type("turning"), ("NOT_FOUND", "order type")),
    ] {
        let refused = types.update_order_type(update(given, &[])).await.expect_err("missing");
        assert_eq!((reason(&refused).as_str(), metadata(&refused, "kind").as_str()), expected);
    }
    let taken = types.create_order_type(new_type(order_type("machining"))).await.expect_err("taken");
    assert_eq!((taken.code(), reason(&taken).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let inactive = v1::OrderType { id: "machining".into(), inactive: true, ..v1::OrderType::default() };
    types.update_order_type(update(inactive, &["inactive"])).await.expect("changed");
    let listed = types.list_order_types(v1::ListOrderTypesRequest::default()).await.expect("listed").into_inner();
    assert!(listed.order_types.is_empty());
}

type Spoil = fn(&mut Vec<v1::Status>);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_without_one_initial_first_and_one_final_last_is_refused() {
    let (mut types, _, _running) = machining().await;
    let spoilers: [Spoil; 5] = [
        |statuses| statuses[0].kind = v1::StatusKind::Standard.into(),
        |statuses| statuses[1].kind = v1::StatusKind::Final.into(),
        |statuses| statuses[2].inactive = true,
        |statuses| statuses.swap(0, 1),
        |statuses| statuses.swap(1, 2),
    ];
    for spoil in spoilers {
        let mut spoiled = order_type("turning");
        spoil(&mut spoiled.statuses);
        let refused = types.create_order_type(new_type(spoiled)).await.expect_err("broken");
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "CYCLE_BROKEN"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_inserted_before_the_final_one_or_where_it_is_put() {
    let (mut types, _, _running) = machining().await;
    let standard = |id| status(id, v1::StatusKind::Standard);
    let after = types.create_status(new_status(standard("checking"))).await.expect("inserted").into_inner();
    assert_eq!(ids(after.order_type.as_ref()), ["open", "milling", "checking", "done", "hold"]);
    let beside = status("rework", v1::StatusKind::NonStandard);
    types.create_status(new_status(beside)).await.expect("inserted");
    let placed = v1::CreateStatusRequest { position: Some(1), ..new_status(standard("sawing")) };
    let after = types.create_status(placed).await.expect("inserted").into_inner().order_type;
    assert_eq!(ids(after.as_ref()), ["open", "sawing", "milling", "checking", "done", "hold", "rework"]);
    assert_eq!(after, Some(get_type(&mut types).await));
    for (position, expected) in [(0, "CYCLE_BROKEN"), (5, "CYCLE_BROKEN"), (8, "INVALID_REQUEST")] {
        let placed = v1::CreateStatusRequest { position: Some(position), ..new_status(standard("turning")) };
        assert_eq!(reason(&types.create_status(placed).await.expect_err("refused")), expected, "{position}");
    }
    let refused = types.create_status(new_status(standard("milling"))).await.expect_err("taken");
    assert_eq!((reason(&refused).as_str(), metadata(&refused, "kind").as_str()), ("ALREADY_EXISTS", "status"));
    let second = types.create_status(new_status(status("shipped", v1::StatusKind::Final))).await.expect_err("two");
    assert_eq!(reason(&second), "CYCLE_BROKEN");
    let named = v1::Status { default_user: "nobody".into(), ..standard("turning") };
    assert_eq!(reason(&types.create_status(new_status(named)).await.expect_err("missing")), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_is_renamed_moved_and_set_inactive() {
    let (mut types, _, _running) = machining().await;
    let standard = |id| status(id, v1::StatusKind::Standard);
    types.create_status(new_status(standard("checking"))).await.expect("inserted");
    let renamed = v1::Status { name: "Inspection".into(), colour: "#1E90FF".into(), ..standard("checking") };
    let after = types.update_status(change(renamed, &["name", "colour"])).await.expect("changed").into_inner();
    let after = after.order_type.expect("a type");
    assert_eq!((after.statuses[2].name.as_str(), after.statuses[2].colour.as_str()), ("Inspection", "#1e90ff"));
    let moved = v1::Status { position: 1, ..standard("checking") };
    let after = types.update_status(change(moved.clone(), &["position"])).await.expect("moved").into_inner();
    assert_eq!(ids(after.order_type.as_ref()), ["open", "checking", "milling", "done", "hold"]);
    for (position, expected) in [(0, "CYCLE_BROKEN"), (3, "CYCLE_BROKEN"), (5, "INVALID_REQUEST")] {
        let moved = v1::Status { position, ..moved.clone() };
        let refused = types.update_status(change(moved, &["position"])).await.expect_err("refused");
        assert_eq!(reason(&refused), expected, "{position}");
    }
    let stale = v1::UpdateStatusRequest { etag: "1".into(), ..change(standard("milling"), &["name"]) };
    assert_eq!(reason(&types.update_status(stale).await.expect_err("stale")), "ETAG_MISMATCH");
    let inactive = |id, kind| change(v1::Status { inactive: true, ..status(id, kind) }, &["inactive"]);
    types.update_status(inactive("milling", v1::StatusKind::Standard)).await.expect("changed");
    let refused = types.update_status(inactive("done", v1::StatusKind::Final)).await.expect_err("the only final");
    assert_eq!(reason(&refused), "CYCLE_BROKEN");
    let clock = v1::Status { clock: v1::StatusClock::Stops.into(), ..standard("milling") };
    let after = types.update_status(change(clock, &["clock"])).await.expect("ignored").into_inner();
    assert_eq!(after.order_type.map(|found| found.statuses[2].clock), Some(v1::StatusClock::Runs.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_that_orders_are_in_or_wait_for_is_not_deleted_and_the_id_of_one_they_were_in_is_not_used_again() {
    let (mut types, channel, _running) = machining().await;
    types.create_status(new_status(status("checking", v1::StatusKind::Standard))).await.expect("inserted");
    types.create_status(new_status(status("packing", v1::StatusKind::Standard))).await.expect("inserted");
    let after = types.delete_status(removal("packing")).await.expect("deleted").into_inner().order_type;
    assert_eq!(ids(after.as_ref()), ["open", "milling", "checking", "done", "hold"]);
    assert_eq!(reason(&types.delete_status(removal("packing")).await.expect_err("gone")), "NOT_FOUND");
    assert_eq!(reason(&types.delete_status(removal("done")).await.expect_err("final")), "CYCLE_BROKEN");

    let mut orders = OrderServiceClient::new(channel);
    let order = v1::NewOrder { number: "A-1".into(), order_type: "machining".into(), ..v1::NewOrder::default() };
    let request = v1::CreateOrderRequest { order: Some(order), ..v1::CreateOrderRequest::default() };
    orders.create_order(request).await.expect("created");
    // From the first over `milling` to `checking`: one was left, one skipped, one is current.
    let advance = v1::AdvanceOrderRequest {
        order: Some(v1::OrderRef { r#ref: Some(v1::order_ref::Ref::Number("A-1".into())) }),
        advance: Some(v1::Advance { target_status: "checking".into(), ..v1::Advance::default() }),
        ..v1::AdvanceOrderRequest::default()
    };
    orders.advance_order(advance.clone()).await.expect("advanced");
    assert_eq!(reason(&types.delete_status(removal("open")).await.expect_err("initial")), "CYCLE_BROKEN");
    let in_use = |refused: tonic::Status| {
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "IN_USE"), "{refused}");
        assert_eq!(metadata(&refused, "count"), "1");
    };
    in_use(types.delete_status(removal("checking")).await.expect_err("the order is in it"));
    let hold = v1::Advance { target_status: "hold".into(), not_complete: true, ..v1::Advance::default() };
    orders.advance_order(v1::AdvanceOrderRequest { advance: Some(hold), ..advance }).await.expect("advanced");
    in_use(types.delete_status(removal("checking")).await.expect_err("the order comes back to it"));
    in_use(types.delete_status(removal("hold")).await.expect_err("the order is in it"));
    // `milling` was skipped: history keeps that, and its id is gone for good.
    types.delete_status(removal("milling")).await.expect("nobody is in it");
    let again = types.create_status(new_status(status("milling", v1::StatusKind::Standard))).await;
    assert_eq!(reason(&again.expect_err("retired")), "CYCLE_BROKEN");
    types.create_status(new_status(status("packing", v1::StatusKind::Standard))).await.expect("never used");
    let renamed =
        change(v1::Status { name: "Inspection".into(), ..status("checking", v1::StatusKind::Standard) }, &["name"]);
    assert_eq!(types.update_status(renamed).await.expect("changed").into_inner().open_orders, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_of_new_orders_is_neither_deleted_nor_set_inactive() {
    let (mut types, _, _running) = machining().await;
    let default = v1::OrderType { default_status: "milling".into(), ..order_type("machining") };
    let update = v1::UpdateOrderTypeRequest { order_type: Some(default), ..v1::UpdateOrderTypeRequest::default() };
    types.update_order_type(update).await.expect("changed");
    assert_eq!(reason(&types.delete_status(removal("milling")).await.expect_err("default")), "CYCLE_BROKEN");
    let inactive = v1::Status { inactive: true, ..status("milling", v1::StatusKind::Standard) };
    let refused = types.update_status(change(inactive, &["inactive"])).await.expect_err("default");
    assert_eq!(reason(&refused), "CYCLE_BROKEN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_itself_refuses_a_broken_cycle() {
    let (mut types, _, running) = machining().await;
    let database = sqlx::PgPool::connect(&running.database.url()).await.expect("a database");
    for (statement, constraint) in [
        ("DELETE FROM statuses WHERE id = 'done'", "statuses_cycle_whole"),
        ("UPDATE statuses SET inactive = true WHERE kind = 'INITIAL'", "statuses_cycle_whole"),
        ("UPDATE statuses SET position = 9 WHERE id = 'milling'", "statuses_cycle_whole"),
        ("UPDATE statuses SET kind = 'FINAL' WHERE id = 'milling'", "statuses_one_final"),
        ("UPDATE statuses SET kind = 'INITIAL' WHERE id = 'milling'", "statuses_one_initial"),
        ("UPDATE statuses SET position = 0 WHERE id = 'hold'", "statuses_position_unique"),
    ] {
        let error = sqlx::query(statement).execute(&database).await.expect_err(statement);
        let found = error.as_database_error().and_then(|error| error.constraint()).map(str::to_owned);
        assert_eq!(found.as_deref(), Some(constraint), "{statement}");
    }
    assert_eq!(ids(Some(&get_type(&mut types).await)), ["open", "milling", "done", "hold"]);
}
