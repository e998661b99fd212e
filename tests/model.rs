//! Random callers against a model: every answer, every refusal and every plan is what the manual says, step by step.
//!
//! The steps come from a seed. `ANDON_TEST_SEED` repeats a run, `ANDON_TEST_STEPS` makes it longer or shorter; a run that fails
//! prints both and its last steps.

mod calls;
mod edits;
mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use andon::grpc::proto::v1::{self, StatusClock as Clock, StatusKind as Kind};
use chrono::TimeDelta;
use edits::Looked;
use fastrand::Rng;
use tonic::Code;
use world::{DEPARTMENTS, Order, Reason, Type, USERS, World, date, day};

use crate::support::{
    Api, Daemon, Database, Expect as _, Options, TestClock,
    api::{Refused, instant, number},
    clock::at,
};

/// A Monday.
const BEGIN: &str = "2026-03-02T08:00:00Z";
const STEPS: usize = 3_000;
const ORDERS: usize = 20;
/// Steps after which everything about every order is compared.
const DEEP: usize = 100;

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// A run: what is called, what the model has, and what came of it.
struct Run {
    rng: Rng,
    api: Api,
    clock: TestClock,
    world: World,
    made: usize,
    looked: Option<Looked>,
    trace: Trace,
    counts: BTreeMap<String, usize>,
}

/// The last steps; printed when the test fails.
struct Trace {
    seed: u64,
    step: usize,
    last: VecDeque<String>,
}

impl Trace {
    fn add(&mut self, text: String) {
        if self.last.len() == 25 {
            self.last.pop_front();
        }
        self.last.push_back(text);
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("model: ANDON_TEST_SEED={} ANDON_TEST_STEPS={}; the last steps:", self.seed, self.step + 1);
            self.last.iter().for_each(|text| eprintln!("  {text}"));
        }
    }
}

fn status(id: &str, kind: Kind, days: Option<i32>) -> v1::Status {
    v1::Status {
        id: id.into(),
        name: id.to_uppercase(),
        colour: "#808080".into(),
        kind: kind.into(),
        clock: Clock::Runs.into(),
        duration_business_days: days,
        ..v1::Status::default()
    }
}

fn beside(id: &str, clock: Clock, days: Option<i32>) -> v1::Status {
    v1::Status { clock: clock.into(), ..status(id, Kind::NonStandard, days) }
}

fn types() -> [(&'static str, Vec<v1::Status>); 2] {
    let by = |user: &str, department: &str, status: v1::Status| v1::Status {
        default_user: user.into(),
        default_department: department.into(),
        ..status
    };
    [
        (
            "part",
            vec![
                status("new", Kind::Initial, Some(1)),
                by("", "workshop", status("saw", Kind::Standard, Some(2))),
                by("vera", "", status("mill", Kind::Standard, Some(1))),
                status("check", Kind::Standard, None),
                status("done", Kind::Final, None),
                beside("hold", Clock::Pauses, None),
                beside("wait", Clock::Runs, Some(1)),
                beside("scrap", Clock::Stops, None),
            ],
        ),
        (
            "repair",
            vec![
                status("in", Kind::Initial, Some(0)),
                by("mara", "quality", status("fix", Kind::Standard, Some(3))),
                status("check", Kind::Standard, Some(1)),
                status("done", Kind::Final, None),
                beside("hold", Clock::Pauses, Some(2)),
                beside("scrap", Clock::Stops, None),
            ],
        ),
    ]
}

async fn seed(api: &Api) -> World {
    let calendar = v1::Calendar {
        id: "plain".into(),
        name: "Monday to Friday".into(),
        zone: "UTC".into(),
        week: (0..7).map(|day| v1::DayHours { open: day < 5, intervals: Vec::new() }).collect(),
        ..v1::Calendar::default()
    };
    let request = v1::CreateCalendarRequest { calendar: Some(calendar), ..v1::CreateCalendarRequest::default() };
    api.calendars().create_calendar(request).await.done();
    for (id, roles, inactive) in USERS {
        let roles = roles.iter().map(|role| i32::from(*role)).collect();
        let email = format!("{id}@plant.example");
        let user = v1::User { id: id.into(), display_name: id.into(), email, roles, inactive, ..v1::User::default() };
        let request = v1::CreateUserRequest { user: Some(user), ..v1::CreateUserRequest::default() };
        api.people().create_user(request).await.done();
    }
    for (id, inactive) in DEPARTMENTS {
        let department = v1::Department { id: id.into(), name: id.into(), inactive, ..v1::Department::default() };
        let request =
            v1::CreateDepartmentRequest { department: Some(department), ..v1::CreateDepartmentRequest::default() };
        api.people().create_department(request).await.done();
    }
    let mut world = World { now: at(BEGIN), types: BTreeMap::new(), orders: Vec::new() };
    for (id, statuses) in types() {
        let order_type = v1::OrderType {
            id: id.into(),
            name: id.into(),
            calendar: "plain".into(),
            statuses: statuses.clone(),
            ..v1::OrderType::default()
        };
        let request =
            v1::CreateOrderTypeRequest { order_type: Some(order_type), ..v1::CreateOrderTypeRequest::default() };
        api.types().create_order_type(request).await.done();
        let kind = Type {
            id: id.into(),
            default_status: String::new(),
            statuses,
            moves: Vec::new(),
            used: BTreeSet::new(),
            retired: BTreeMap::new(),
            version: 1,
        };
        world.types.insert(id.into(), kind);
    }
    world
}

/// The order as the model has it, and as andon tells it.
#[track_caller]
fn same(model: &mut Order, real: &v1::Order, world: &World) {
    let visit = real.visit.as_ref().expect("an order has a visit");
    let expected = model.visit();
    let what = format!("\nmodel: {model:?}\nreal: {real:?}");
    assert_eq!((&real.number, &real.order_type, &real.title), (&model.number, &model.kind, &model.title), "{what}");
    assert_eq!((&visit.status, &visit.status_name), (&expected.status, &expected.name), "{what}");
    same_visit(expected, visit, model.visits.len(), &what);
    assert_eq!((real.closed, real.close_time.is_some()), (model.closed, model.closed), "closed: {what}");
    assert_eq!(real.overdue, model.overdue(world.now), "overdue: {what}");
    let assigned = (&real.assigned_department, &real.assigned_user);
    assert_eq!(assigned, (&model.department, &model.user), "assigned: {what}");
    let waits = model.interrupted.as_ref().map_or("", |it| it.status.as_str());
    assert_eq!(real.interrupted_status, waits, "interrupted: {what}");
    assert_eq!(usize::try_from(real.open_questions), Ok(model.open_questions.len()), "questions: {what}");
    assert_eq!(real.order_date, Some(date(model.ordered)), "order date: {what}");
    assert_eq!(real.etag != model.etag, model.changed, "etag: {what}");
    model.etag.clone_from(&real.etag);
    model.changed = false;
}

#[track_caller]
fn same_visit(expected: &world::Visit, visit: &v1::Visit, sequence: usize, what: &str) {
    assert_eq!(usize::try_from(visit.sequence), Ok(sequence), "sequence: {what}");
    assert_eq!((&visit.status, &visit.status_name), (&expected.status, &expected.name), "status: {what}");
    assert_eq!(visit.entered_date, Some(date(expected.entered)), "entered: {what}");
    let due = visit.due_date.as_ref().map(|date| (day(date), visit.due_source()));
    assert_eq!(due, expected.due, "due: {what}");
    let flags = (visit.rework, visit.resumed, visit.skipped, visit.completed, visit.leave_time.is_some());
    let wanted = (expected.rework, expected.resumed, expected.skipped, expected.completed, expected.left);
    assert_eq!(flags, wanted, "rework, resumed, skipped, completed, left: {what}");
    assert_eq!(visit.on_behalf_of, expected.behalf, "behalf: {what}");
}

impl Run {
    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.rng.usize(..of.len())]
    }

    fn chance(&mut self, of_100: u32) -> bool {
        self.rng.u32(..100) < of_100
    }

    fn mostly_nobody(&mut self) -> String {
        let among = ["", "", "", "", "mara", "paul", "vera", "ina", "nobody"];
        (*self.pick(&among)).to_owned()
    }

    fn any_order(&mut self) -> Option<v1::OrderRef> {
        if self.chance(1) {
            return number("missing");
        }
        let place = self.rng.usize(..self.world.orders.len());
        number(&self.world.orders[place].number)
    }

    fn any_etag(&mut self, order: Option<&v1::OrderRef>) -> String {
        match self.rng.u32(..10) {
            0 => "0".into(),
            1..5 => self.world.place(order).map_or(String::new(), |place| self.world.orders[place].etag.clone()),
            _ => String::new(),
        }
    }

    fn any_status(&mut self, kind: &str) -> String {
        if self.chance(2) {
            return "nowhere".into();
        }
        let statuses = self.world.types[kind].statuses.clone();
        self.pick(&statuses).id.clone()
    }

    fn any_kind(&mut self) -> String {
        if self.chance(65) { "part".into() } else { "repair".into() }
    }

    fn count(&mut self, what: &str, outcome: Result<(), &str>) {
        *self.counts.entry(format!("{what} {}", outcome.err().unwrap_or("done"))).or_default() += 1;
    }

    /// The real answer is refused for the reason that the model gives.
    #[track_caller]
    fn refused(&mut self, what: &str, expected: Reason, refused: &Refused) {
        assert_eq!(refused.reason, expected, "{refused:?}");
        assert_ne!(refused.code, Code::Internal);
        self.count(what, Err(expected));
    }

    async fn step(&mut self) {
        let hours = [0, 0, 0, 1, 3, 5, 8, 14, 26][self.rng.usize(..9)];
        self.world.now += TimeDelta::hours(hours);
        self.clock.set(self.world.now);
        if self.world.orders.len() < 3 {
            return self.create().await;
        }
        match self.rng.u32(..100) {
            0..6 => self.create().await,
            6..46 => self.advance().await,
            46..54 => self.advance_many().await,
            54..64 => self.note().await,
            64..70 => self.set_due().await,
            70..76 => self.update().await,
            76..80 => self.change_type().await,
            80..84 => self.edit_as_looked_at().await,
            _ => self.edit().await,
        }
    }

    async fn all(&self) -> Vec<v1::Order> {
        let request = v1::ListOrdersRequest {
            filter: Some(v1::OrderFilter { state: v1::OrderState::Any.into(), ..v1::OrderFilter::default() }),
            order_by: v1::OrderBy::CreateTime.into(),
            page_size: 500,
            ..v1::ListOrdersRequest::default()
        };
        self.api.orders().list_orders(request).await.done().orders
    }

    fn compare(&mut self, real: &[v1::Order]) {
        assert_eq!(real.len(), self.world.orders.len());
        let mut orders = std::mem::take(&mut self.world.orders);
        for (model, real) in orders.iter_mut().zip(real) {
            same(model, real, &self.world);
        }
        self.world.orders = orders;
    }

    /// Visits, history and open questions of every order.
    async fn compare_deep(&self) {
        for order in &self.world.orders {
            let visits = self.api.visits(&order.number).await;
            assert_eq!(visits.len(), order.visits.len(), "{visits:?}\n{order:?}");
            for (place, (expected, visit)) in order.visits.iter().zip(&visits).enumerate() {
                same_visit(expected, visit, place + 1, &format!("{order:?}"));
            }
            let history = self.api.history(&order.number).await;
            assert!(history.iter().zip(1..).all(|(entry, place)| entry.sequence == place), "{history:?}");
            // An alarm is told with the time at which it was looked for: the clock may have been set since.
            let calls: Vec<_> = history.iter().filter(|entry| entry.kind() != v1::HistoryKind::Overdue).collect();
            assert!(calls.is_sorted_by_key(|entry| instant(entry.time)), "{history:?}");
            let told = calls.iter().map(|entry| entry.kind());
            assert_eq!(told.collect::<Vec<_>>(), order.entries, "{}", order.number);
            let notes = async |open_questions| {
                let request = v1::ListNotesRequest {
                    order: number(&order.number),
                    open_questions,
                    page_size: 500,
                    ..v1::ListNotesRequest::default()
                };
                self.api.orders().list_notes(request).await.done().notes
            };
            let open: Vec<_> = notes(true).await.into_iter().map(|note| note.id).collect();
            assert_eq!(open, order.open_questions.iter().cloned().collect::<Vec<_>>(), "{}", order.number);
            assert_eq!(notes(false).await.len(), order.notes, "{}", order.number);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_asked_in_whatever_order_is_answered_as_the_manual_says() {
    let seed_value = env("ANDON_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    let steps = env("ANDON_TEST_STEPS").map_or(STEPS, |steps| usize::try_from(steps).expect("a number of steps"));
    let clock = TestClock::standing_at(BEGIN);
    let database = Database::create();
    let daemon = Daemon::start(&database, Options::new().clock(&clock)).await;
    let api = daemon.api();
    let world = seed(&api).await;
    let trace = Trace { seed: seed_value, step: 0, last: VecDeque::new() };
    let rng = Rng::with_seed(seed_value);
    let mut run = Run { rng, api, clock, world, made: 0, looked: None, trace, counts: BTreeMap::new() };
    for step in 0..steps {
        run.trace.step = step;
        run.step().await;
        run.world.note_used();
        if step % 5 == 4 {
            let real = run.all().await;
            run.compare(&real);
        }
        if step % DEEP == DEEP - 1 || step + 1 == steps {
            run.compare_deep().await;
        }
    }
    eprintln!("model: ANDON_TEST_SEED={seed_value}, {steps} steps: {:?}", run.counts);
}
