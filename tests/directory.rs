//! Users and departments: language and zone, members, own calendars, and what happens when somebody leaves.

use std::process::{Command, Stdio};

use andon::grpc::proto::v1;
use prost_types::FieldMask;
use tonic::Code;

use crate::support::{
    Expect as _,
    api::{advance, day},
    plant::{JOB, Shop, order},
};

/// A Monday, 09:00 in Vienna.
const MONDAY: &str = "2026-03-02T08:00:00Z";

#[expect(clippy::unnecessary_wraps, reason = "as requests want it")]
fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn set_user(user: v1::User, paths: &[&str]) -> v1::UpdateUserRequest {
    v1::UpdateUserRequest { user: Some(user), update_mask: mask(paths), ..v1::UpdateUserRequest::default() }
}

fn set_department(department: v1::Department, paths: &[&str]) -> v1::UpdateDepartmentRequest {
    let department = Some(department);
    v1::UpdateDepartmentRequest { department, update_mask: mask(paths), ..v1::UpdateDepartmentRequest::default() }
}

fn user(id: &str) -> v1::User {
    v1::User { id: id.into(), ..v1::User::default() }
}

fn department(id: &str) -> v1::Department {
    v1::Department { id: id.into(), ..v1::Department::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_has_a_language_and_a_zone_and_a_department_has_members() {
    let shop = Shop::open(MONDAY).await;
    let given = v1::User { language: "de-AT".into(), zone: "Europe/Vienna".into(), ..user("anna") };
    let after = shop.api.people().update_user(set_user(given, &["language", "zone"])).await.done().user;
    let after = after.expect("a user");
    assert_eq!((after.language.as_str(), after.zone.as_str()), ("de-AT", "Europe/Vienna"));
    let got = shop.api.people().get_user(v1::GetUserRequest { id: "anna".into() }).await.done().user;
    assert_eq!(got, Some(after));
    let wrong = v1::User { language: "german!".into(), zone: "Europe/Atlantis".into(), ..user("anna") };
    let refused = shop.api.people().update_user(set_user(wrong, &["language", "zone"])).await.refused();
    assert_eq!(refused.fields, ["user.language", "user.zone"]);

    let members = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let given = v1::Department { members: members(&["nomail", "anna"]), ..department("workshop") };
    let after = shop.api.people().update_department(set_department(given, &["members"])).await.done().department;
    assert_eq!(after.map(|it| (it.members, it.managers)), Some((members(&["nomail", "anna"]), members(&["erika"]))));
    for (ids, expected) in [(members(&["nobody"]), "NOT_FOUND"), (members(&["anna", "anna"]), "INVALID_REQUEST")] {
        let given = v1::Department { members: ids, ..department("workshop") };
        let refused = shop.api.people().update_department(set_department(given, &["members"])).await.refused();
        assert_eq!(refused.reason, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_counts_in_the_calendar_of_its_department() {
    let shop = Shop::open(MONDAY).await;
    let day_of = |open| v1::DayHours { open, intervals: Vec::new() };
    // The workshop works on Tuesdays and Thursdays, far away.
    let calendar = v1::Calendar {
        id: "workshop".into(),
        name: "Workshop".into(),
        zone: "Pacific/Auckland".into(),
        week: (0..7).map(|weekday| day_of(weekday == 1 || weekday == 3)).collect(),
        ..v1::Calendar::default()
    };
    let request = v1::CreateCalendarRequest { calendar: Some(calendar), ..v1::CreateCalendarRequest::default() };
    shop.api.calendars().create_calendar(request).await.done();
    let given = v1::Department { calendar: "workshop".into(), ..department("workshop") };
    shop.api.people().update_department(set_department(given, &["calendar"])).await.done();
    shop.api.create(order("A-1")).await;
    let (after, _) = shop.api.advance(advance("A-1")).await;
    let visit = after.visit.expect("a visit");
    // `planned` ends on Tuesday; `milling`, 2 days from there: Thursday and the next Tuesday, till midnight in Auckland.
    assert_eq!(day(visit.due_date), "2026-03-10");
    assert_eq!(visit.due_time.map(|it| it.seconds), Some(1_773_140_400));
    let (after, _) = shop.api.advance(advance("A-1")).await;
    assert_eq!(day(after.visit.expect("a visit").due_date), "2026-03-11", "checking counts in the plant's own again");
    let given = v1::Department { calendar: "moon".into(), ..department("workshop") };
    let refused = shop.api.people().update_department(set_department(given, &["calendar"])).await.refused();
    assert_eq!((refused.why(), refused.metadata["kind"].as_str()), ((Code::NotFound, "NOT_FOUND"), "calendar"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_when_somebody_leaves_is_shown_before_it_is_done() {
    let shop = Shop::open(MONDAY).await;
    for number in ["A-1", "A-2", "A-3"] {
        shop.api.create(v1::NewOrder { assigned_user: "erika".into(), ..order(number) }).await;
    }
    let cancel = crate::support::api::advance_to("A-3", "cancelled");
    shop.api.advance(cancel).await;
    let status = v1::Status { id: "checking".into(), default_user: "erika".into(), ..v1::Status::default() };
    let request = v1::UpdateStatusRequest {
        order_type: JOB.into(),
        status: Some(status),
        update_mask: mask(&["default_user"]),
        ..v1::UpdateStatusRequest::default()
    };
    shop.api.types().update_status(request).await.done();
    let given = v1::Department { members: vec!["erika".into()], ..department("quality") };
    shop.api.people().update_department(set_department(given, &["members"])).await.done();

    let leaves = set_user(v1::User { inactive: true, ..user("erika") }, &["inactive"]);
    let preview = v1::UpdateUserRequest { validate_only: true, ..leaves.clone() };
    let shown = shop.api.people().update_user(preview).await.done();
    let responsible = shown.responsibilities.expect("the user would be inactive");
    assert_eq!(responsible.open_orders, 2);
    assert_eq!(responsible.default_user_of, ["job/checking"]);
    assert_eq!(
        (responsible.manages.as_slice(), responsible.manages_alone.as_slice()),
        (&["workshop".to_owned()][..], &["workshop".to_owned()][..])
    );
    assert_eq!(responsible.member_of, ["quality"]);
    assert_eq!(shown.plan.map(|it| it.reassigned_orders), Some(0));

    let hand_over = v1::UpdateUserRequest { reassign_to: "anna".into(), ..leaves.clone() };
    let preview = v1::UpdateUserRequest { validate_only: true, ..hand_over.clone() };
    let shown = shop.api.people().update_user(preview).await.done();
    let plan = shown.plan.clone().expect("a plan");
    assert_eq!((plan.reassigned_orders, plan.examples.len()), (2, 2));
    assert_eq!((plan.examples[0].user_before.as_str(), plan.examples[0].user_after.as_str()), ("erika", "anna"));
    let got = shop.api.people().get_user(v1::GetUserRequest { id: "erika".into() }).await.done().user;
    assert!(!got.expect("a user").inactive, "nothing was done yet");
    for (to, reason) in [("erika", "INVALID_REQUEST"), ("nobody", "NOT_FOUND")] {
        let request = v1::UpdateUserRequest { reassign_to: to.into(), ..leaves.clone() };
        assert_eq!(shop.api.people().update_user(request).await.refused().reason, reason);
    }
    let stays = v1::UpdateUserRequest {
        reassign_to: "anna".into(),
        ..set_user(v1::User { display_name: "Erika".into(), ..user("erika") }, &["display_name"])
    };
    assert_eq!(shop.api.people().update_user(stays).await.refused().fields, ["reassign_to"]);

    let done = v1::UpdateUserRequest { expected_plan: plan.fingerprint, request_id: "leave".into(), ..hand_over };
    let done = shop.api.people().update_user(done).await.done();
    assert_eq!((done.plan, done.responsibilities), (shown.plan, shown.responsibilities));
    for (number, has) in [("A-1", "anna"), ("A-2", "anna"), ("A-3", "erika")] {
        assert_eq!(shop.api.get(number).await.assigned_user, has, "{number}");
    }
    let last = shop.api.history("A-1").await.pop().expect("history");
    assert_eq!((last.kind(), last.reason.as_str()), (v1::HistoryKind::Updated, "'erika' is inactive"));
    let request = v1::GetOrderTypeRequest { id: JOB.into() };
    let statuses = shop.api.types().get_order_type(request).await.done().order_type.expect("a type").statuses;
    assert_eq!(statuses[2].default_user, "anna");
    let request = v1::GetDepartmentRequest { id: "workshop".into() };
    assert_eq!(shop.api.people().get_department(request).await.done().department.expect("it").managers, ["anna"]);
    let order = v1::NewOrder { assigned_user: "erika".into(), ..order("A-9") };
    let request = v1::CreateOrderRequest { order: Some(order), ..v1::CreateOrderRequest::default() };
    let refused = shop.api.orders().create_order(request).await.refused();
    assert_eq!(refused.why(), (Code::FailedPrecondition, "INACTIVE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_sets_nobody_inactive_whom_it_could_not_ask_about() {
    let shop = Shop::open(MONDAY).await;
    let leave = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_andon"));
        command.args(["--server", &shop.daemon.address, "people", "leave", "anna"]).args(more).stdin(Stdio::null());
        let output = command.output().expect("andon runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let inactive = || async {
        let request = v1::GetUserRequest { id: "anna".into() };
        shop.api.people().get_user(request).await.done().user.expect("a user").inactive
    };
    let (code, _, error) = leave(&[]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("nothing was changed"), "{error}");
    let (code, shown, error) = leave(&["--preview"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(!inactive().await);
    let (_, fingerprint) = shown.trim().rsplit_once(' ').expect("it ends with the fingerprint");
    assert_eq!(leave(&["--expected-plan", "another"]).0, Some(1));
    assert!(!inactive().await);
    let (code, _, error) = leave(&["--expected-plan", fingerprint]);
    assert_eq!(code, Some(0), "{error}");
    assert!(inactive().await);
    assert_eq!(leave(&["--yes"]).0, Some(0));
}
