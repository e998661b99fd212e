//! A small machine shop in Vienna, made through the API.

use andon::grpc::proto::v1;

use super::{Api, Daemon, Database, Expect as _, Options, TestClock, api::date, clock::at, eventually};

/// Id of the calendar: Europe/Vienna, Monday to Friday; closed on 2026-04-06 (Easter Monday).
pub const CALENDAR: &str = "vienna";
/// Id of the order type: planned (1 day), milling (2), checking (1), shipped; beside them on-hold (pauses), waiting (runs)
/// and cancelled (stops).
pub const JOB: &str = "job";
/// Manages the workshop.
pub const ERIKA: &str = "erika@plant.example";
/// Works there.
pub const ANNA: &str = "anna@plant.example";
/// Where messages go that nobody else can get.
pub const FALLBACK: &str = "shift@plant.example";

/// Makes the plant.
pub async fn seed(api: &Api) {
    seed_calendar(api).await;
    seed_people(api).await;
    seed_type(api, JOB).await;
}

async fn seed_calendar(api: &Api) {
    let calendar = v1::Calendar {
        id: CALENDAR.into(),
        name: "Vienna".into(),
        zone: "Europe/Vienna".into(),
        week: (0..7).map(|day| v1::DayHours { open: day < 5, intervals: Vec::new() }).collect(),
        exceptions: vec![v1::CalendarException {
            name: "Easter Monday".into(),
            from_date: date("2026-04-06"),
            hours: Some(v1::DayHours::default()),
            ..v1::CalendarException::default()
        }],
        ..v1::Calendar::default()
    };
    let request = v1::CreateCalendarRequest { calendar: Some(calendar), ..v1::CreateCalendarRequest::default() };
    api.calendars().create_calendar(request).await.done();
}

async fn seed_people(api: &Api) {
    for (id, name, email) in
        [("erika", "Erika Manager", ERIKA), ("anna", "Anna Miller", ANNA), ("nomail", "Nora Nomail", "")]
    {
        let user = v1::User { id: id.into(), display_name: name.into(), email: email.into(), ..v1::User::default() };
        let request = v1::CreateUserRequest { user: Some(user), ..v1::CreateUserRequest::default() };
        api.people().create_user(request).await.done();
    }
    for (id, name, managers) in
        [("workshop", "Workshop", vec!["erika"]), ("quality", "Quality", vec![]), ("store", "Store", vec!["nomail"])]
    {
        let managers = managers.into_iter().map(str::to_owned).collect();
        let department = v1::Department { id: id.into(), name: name.into(), managers, ..v1::Department::default() };
        let request =
            v1::CreateDepartmentRequest { department: Some(department), ..v1::CreateDepartmentRequest::default() };
        api.people().create_department(request).await.done();
    }
}

/// One more type with the statuses of [`JOB`].
pub async fn seed_type(api: &Api, id: &str) {
    let request = v1::CreateOrderTypeRequest { order_type: Some(job(id)), ..v1::CreateOrderTypeRequest::default() };
    api.types().create_order_type(request).await.done();
}

fn job(id: &str) -> v1::OrderType {
    use v1::{StatusClock as Clock, StatusKind as Kind};
    let status = |id: &str, name: &str, kind: Kind, days: Option<i32>| v1::Status {
        id: id.into(),
        name: name.into(),
        kind: kind.into(),
        duration_business_days: days,
        ..v1::Status::default()
    };
    let beside = |id: &str, name: &str, clock: Clock, days: Option<i32>| v1::Status {
        clock: clock.into(),
        ..status(id, name, Kind::NonStandard, days)
    };
    v1::OrderType {
        id: id.into(),
        name: "Machining job".into(),
        calendar: CALENDAR.into(),
        statuses: vec![
            status("planned", "Planned", Kind::Initial, Some(1)),
            v1::Status {
                default_department: "workshop".into(),
                ..status("milling", "Milling", Kind::Standard, Some(2))
            },
            status("checking", "Checking", Kind::Standard, Some(1)),
            status("shipped", "Shipped", Kind::Final, None),
            beside("on-hold", "On hold", Clock::Pauses, None),
            beside("waiting", "Waiting for material", Clock::Runs, Some(1)),
            beside("cancelled", "Cancelled", Clock::Stops, None),
        ],
        ..v1::OrderType::default()
    }
}

/// An order of the shop, given to the workshop and to Anna.
pub fn order(number: &str) -> v1::NewOrder {
    v1::NewOrder {
        number: number.into(),
        order_type: JOB.into(),
        title: "Flange".into(),
        assigned_department: "workshop".into(),
        assigned_user: "anna".into(),
        ..v1::NewOrder::default()
    }
}

/// A daemon with the plant seeded, on a database of its own, at an instant that stands still.
#[derive(Debug)]
pub struct Shop {
    pub api: Api,
    pub daemon: Daemon,
    pub clock: TestClock,
    pub database: Database,
}

impl Shop {
    /// Without a mail relay.
    pub async fn open(instant: &str) -> Self {
        Self::open_with(instant, |options| options).await
    }

    /// With further settings.
    pub async fn open_with(instant: &str, set: impl FnOnce(Options) -> Options) -> Self {
        let database = Database::create();
        let clock = TestClock::standing_at(instant);
        let daemon = Daemon::start(&database, set(Options::new().clock(&clock))).await;
        let api = daemon.api();
        seed(&api).await;
        Self { api, daemon, clock, database }
    }

    /// Waits until a sweep has passed that began after this call: an order that is late from the start is told of by it.
    pub async fn a_sweep_passes(&self) {
        for _ in 0..2 {
            let number = format!("canary-{:08x}", fastrand::u32(..));
            let late = v1::NewOrder {
                order_date: date("2025-01-02"),
                assigned_user: String::new(),
                assigned_department: String::new(),
                ..order(&number)
            };
            self.api.create(late).await;
            let told = |it: v1::Delivery| it.order_number == number && it.trigger == "overdue";
            eventually("the canary is told of", async || self.api.messages().await.into_iter().any(told).then_some(()))
                .await;
        }
    }

    /// Sets the clock.
    pub fn set(&self, instant: &str) {
        self.clock.set(at(instant));
    }
}
