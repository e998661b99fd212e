//! Random callers against a model: every answer, every refusal and every plan is what the manual says, step by step.
//!
//! The steps come from a seed. `ANDON_TEST_SEED` repeats a run, `ANDON_TEST_STEPS` makes it longer or shorter; a run that fails
//! prints both and its last steps.

mod world;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use andon::grpc::proto::v1::{self, NoteKind, StatusClock as Clock, StatusKind as Kind};
use chrono::{Days, TimeDelta};
use fastrand::Rng;
use prost_types::FieldMask;
use tonic::Code;
use world::{DEPARTMENTS, Order, Reason, Touched, Type, USERS, World, date, day, first_of};

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

/// An edit of a cycle, as it is asked for.
#[derive(Debug, Clone)]
enum Edit {
    Create(v1::CreateStatusRequest),
    Update(v1::UpdateStatusRequest),
    Delete(v1::DeleteStatusRequest),
    Type(v1::UpdateOrderTypeRequest),
}

impl Edit {
    fn check(&mut self, validate_only: bool) {
        match self {
            Self::Create(it) => it.validate_only = validate_only,
            Self::Update(it) => it.validate_only = validate_only,
            Self::Delete(it) => it.validate_only = validate_only,
            Self::Type(it) => it.validate_only = validate_only,
        }
    }

    fn expect(&mut self, plan: &str) {
        match self {
            Self::Create(it) => plan.clone_into(&mut it.expected_plan),
            Self::Update(it) => plan.clone_into(&mut it.expected_plan),
            Self::Delete(it) => plan.clone_into(&mut it.expected_plan),
            Self::Type(it) => plan.clone_into(&mut it.expected_plan),
        }
    }

    async fn send(&self, api: &Api) -> Result<(v1::OrderType, v1::EditPlan), Refused> {
        let mut types = api.types();
        let (order_type, plan) = match self.clone() {
            Self::Create(it) => {
                let answer = types.create_status(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
            Self::Update(it) => {
                let answer = types.update_status(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
            Self::Delete(it) => {
                let answer = types.delete_status(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
            Self::Type(it) => {
                let answer = types.update_order_type(it).await?.into_inner();
                (answer.order_type, answer.plan)
            }
        };
        Ok((order_type.expect("a type"), plan.expect("a plan")))
    }
}

/// An edit that was looked at and not made: what it would have done then.
#[derive(Debug, Clone)]
struct Looked {
    edit: Edit,
    fingerprint: String,
    version: i64,
    touched: Vec<Seen>,
}

/// What a plan tells of one order: place, status, due date and overdue before and after, where it waits.
type Seen = (usize, String, String, world::Due, world::Due, bool, bool, String, Option<String>);

/// What becomes of an order of a bulk call: its place in the call, its place in the model and how it is then.
type Decided = (usize, Result<(usize, Order), Reason>);

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
            retired: BTreeSet::new(),
            version: 1,
        };
        world.types.insert(id.into(), kind);
    }
    world
}

/// A preview as the call itself would answer: without ids that the server makes.
fn bare_effects(effects: Option<v1::Effects>) -> Option<v1::Effects> {
    effects.map(|mut effects| {
        effects.messages.iter_mut().for_each(|message| message.delivery.clear());
        effects
    })
}

fn bare_order(order: Option<v1::Order>) -> Option<v1::Order> {
    order.map(|mut order| {
        for id in order.last_note.iter_mut().map(|note| &mut note.id).chain([&mut order.id]) {
            id.clear();
        }
        order
    })
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
    let waits = model.interrupted.as_ref().map_or("", |(id, _)| id.as_str());
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

    async fn create(&mut self) {
        let kind = self.any_kind();
        let new = self.world.orders.len() < ORDERS && !self.chance(10);
        let taken = self.world.orders.first().map_or("A-0".into(), |order| order.number.clone());
        if !new && self.world.orders.is_empty() {
            return;
        }
        let order = v1::NewOrder {
            number: if new { format!("A-{}", self.made) } else { taken },
            order_type: kind.clone(),
            status: if self.chance(25) { self.any_status(&kind) } else { String::new() },
            assigned_user: if self.chance(20) { self.mostly_nobody() } else { String::new() },
            order_date: self.chance(40).then(|| date(self.world.today() - Days::new(self.rng.u64(..10)))),
            ..v1::NewOrder::default()
        };
        let request = v1::CreateOrderRequest { order: Some(order), validate_only: true, ..Default::default() };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.create(&request);
        let preview = self.api.orders().create_order(request.clone()).await;
        let real = self.api.orders().create_order(v1::CreateOrderRequest { validate_only: false, ..request }).await;
        match expected {
            Ok(mut order) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
                assert_eq!(bare_effects(preview.effects), bare_effects(real.effects));
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders.push(order);
                self.made += 1;
                self.count("create", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("create", reason, &real.refused());
            }
        }
    }

    fn any_advance(&mut self, place: Option<usize>) -> v1::Advance {
        let (kind, closed, entered) = place.map_or((self.any_kind(), false, self.world.today()), |place| {
            let order = &self.world.orders[place];
            (order.kind.clone(), order.closed, order.visit().entered)
        });
        let completed = match self.rng.u32(..20) {
            0 => Some(self.world.today() + Days::new(1)),
            1 => Some(entered - Days::new(1)),
            2..5 => Some(entered),
            5..7 => Some(self.world.today()),
            _ => None,
        };
        let users =
            if self.chance(15) { vec![(*self.pick(&["mara", "vera", "ina", "nobody"])).to_owned()] } else { vec![] };
        v1::Advance {
            target_status: if self.chance(45) { String::new() } else { self.any_status(&kind) },
            completed_date: completed.map(date),
            not_complete: self.chance(35),
            due_date: self.chance(10).then(|| date(self.world.today() + Days::new(self.rng.u64(..9)))),
            on_behalf_of: self.mostly_nobody(),
            assign_department: if self.chance(10) {
                (*self.pick(&["quality", "attic", "nowhere"])).into()
            } else {
                String::new()
            },
            assign_user: if self.chance(10) { self.mostly_nobody() } else { String::new() },
            note: if self.chance(10) { "as agreed".into() } else { String::new() },
            notify: (!users.is_empty()).then(|| v1::Notify { users, ..v1::Notify::default() }),
            reopen: if self.chance(95) { closed } else { !closed },
            ..v1::Advance::default()
        }
    }

    async fn advance(&mut self) {
        let order = self.any_order();
        let place = self.world.place(order.as_ref()).ok();
        let etag = self.any_etag(order.as_ref());
        let advance = self.any_advance(place);
        let request = v1::AdvanceOrderRequest {
            order,
            etag,
            advance: Some(advance),
            validate_only: true,
            ..v1::AdvanceOrderRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.advance(&request);
        let preview = self.api.orders().advance_order(request.clone()).await;
        let real = self.api.orders().advance_order(v1::AdvanceOrderRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
                assert_eq!(bare_effects(preview.effects), bare_effects(real.effects.clone()));
                let effects = real.effects.expect("effects");
                let before = &self.world.orders[place];
                let skipped: Vec<_> = effects.skipped_visits.iter().map(|visit| visit.status.clone()).collect();
                let wanted = &order.visits[before.visits.len()..order.visits.len() - 1];
                assert_eq!(skipped, wanted.iter().map(|visit| visit.status.clone()).collect::<Vec<_>>());
                let closed = effects.closed_visit.expect("a visit was closed");
                same_visit(&order.visits[before.visits.len() - 1], &closed, before.visits.len(), "closed");
                assert_eq!(u32::try_from(effects.days_given_back), Ok(order.lost - before.lost));
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders[place] = order;
                self.count("advance", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("advance", reason, &real.refused());
            }
        }
    }

    /// Mostly of one type.
    fn any_orders(&mut self, most: usize) -> Vec<v1::OrderRef> {
        let kind = self.any_kind();
        let mut orders: Vec<_> = (0..self.rng.usize(1..=most)).filter_map(|_| self.any_order()).collect();
        if self.chance(80) {
            let other = |order: &v1::OrderRef| {
                self.world.place(Some(order)).is_ok_and(|place| self.world.orders[place].kind != kind)
            };
            let one: Vec<_> = orders.iter().filter(|order| !other(order)).cloned().collect();
            if !one.is_empty() {
                orders = one;
            }
        }
        orders
    }

    async fn advance_many(&mut self) {
        let orders = self.any_orders(7);
        let first = self.world.place(orders.first()).ok();
        let with = v1::Advance { note: String::new(), ..self.any_advance(first) };
        let mode = *self.pick(&[v1::BulkMode::Each, v1::BulkMode::Atomic]);
        let request = v1::AdvanceOrdersRequest {
            orders: orders.clone(),
            advance: Some(with.clone()),
            mode: mode.into(),
            validate_only: true,
            ..v1::AdvanceOrdersRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let decide = |order: &v1::OrderRef| {
            let order = Some(order.clone());
            self.world.advance(&v1::AdvanceOrderRequest { order, advance: Some(with.clone()), ..Default::default() })
        };
        let expected = self.bulk(&orders, mode, decide);
        let preview = self.api.orders().advance_orders(request.clone()).await.done().results;
        let real = self.api.orders().advance_orders(v1::AdvanceOrdersRequest { validate_only: false, ..request }).await;
        self.bulk_answered("bulk", expected, preview, real.done().results);
    }

    /// What becomes of each order of a bulk call.
    fn bulk(
        &self,
        orders: &[v1::OrderRef],
        mode: v1::BulkMode,
        decide: impl Fn(&v1::OrderRef) -> Result<(usize, Order), Reason>,
    ) -> Vec<Decided> {
        let mut kind = None;
        let mut seen = Vec::new();
        let mut expected = Vec::new();
        for (index, order) in orders.iter().enumerate() {
            let place = self.world.place(Some(order));
            if place.is_ok() && seen.contains(&place) {
                continue;
            }
            seen.push(place);
            let decided = place.and_then(|place| {
                let of = &self.world.orders[place].kind;
                if kind.get_or_insert(of) == &of { decide(order) } else { Err("MIXED_TYPES") }
            });
            expected.push((index, decided));
        }
        if mode == v1::BulkMode::Atomic && expected.iter().any(|(_, decided)| decided.is_err()) {
            for (_, decided) in expected.iter_mut().filter(|(_, decided)| decided.is_ok()) {
                *decided = Err("BATCH_REFUSED");
            }
        }
        expected
    }

    fn bulk_answered(
        &mut self,
        what: &str,
        expected: Vec<Decided>,
        preview: Vec<v1::BulkResult>,
        real: Vec<v1::BulkResult>,
    ) {
        assert_eq!((preview.len(), real.len()), (expected.len(), expected.len()));
        for (((index, expected), preview), real) in expected.into_iter().zip(preview).zip(real) {
            assert_eq!((usize::try_from(preview.index), usize::try_from(real.index)), (Ok(index), Ok(index)));
            assert_eq!(preview.refusal, real.refusal);
            assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
            assert_eq!(bare_effects(preview.effects), bare_effects(real.effects));
            match expected {
                Ok((place, mut order)) => {
                    let real = real.order.unwrap_or_else(|| panic!("refused: {:?}", real.refusal));
                    same(&mut order, &real, &self.world);
                    self.world.orders[place] = order;
                    self.count(what, Ok(()));
                }
                Err(reason) => {
                    let refusal = real.refusal.unwrap_or_else(|| panic!("not refused: {reason}"));
                    assert_eq!(refusal.reason, reason, "{refusal:?}");
                    self.count(what, Err(reason));
                }
            }
        }
    }

    async fn note(&mut self) {
        let order = self.any_order();
        let kinds = [
            NoteKind::Note,
            NoteKind::Question,
            NoteKind::Question,
            NoteKind::Answer,
            NoteKind::Answer,
            NoteKind::Decision,
        ];
        let kind = *self.pick(&kinds);
        let asked =
            self.world.place(order.as_ref()).map_or(Vec::new(), |place| self.world.orders[place].questions.clone());
        let elsewhere: Vec<_> = self.world.orders.iter().flat_map(|order| order.questions.clone()).collect();
        let among = if self.chance(85) { asked } else { elsewhere };
        let answers = if (kind == NoteKind::Answer) != self.chance(3) && !among.is_empty() {
            self.pick(&among).clone()
        } else {
            String::new()
        };
        let request = v1::AddNoteRequest {
            etag: self.any_etag(order.as_ref()),
            order,
            text: "when does it go on?".into(),
            kind: kind.into(),
            answers,
            on_behalf_of: self.mostly_nobody(),
            validate_only: true,
            ..v1::AddNoteRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.note(&request);
        let preview = self.api.orders().add_note(request.clone()).await;
        let real = self.api.orders().add_note(v1::AddNoteRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!(bare_order(preview.order), bare_order(real.order.clone()));
                assert_eq!(bare_effects(preview.effects), bare_effects(real.effects));
                let note = real.note.expect("a note");
                assert_eq!(note.open, kind == NoteKind::Question);
                if note.open {
                    order.questions.push(note.id.clone());
                    order.open_questions.insert(note.id);
                }
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders[place] = order;
                self.count("note", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("note", reason, &real.refused());
            }
        }
    }

    async fn set_due(&mut self) {
        let order = self.any_order();
        let request = v1::SetDueDateRequest {
            etag: self.any_etag(order.as_ref()),
            order,
            due_date: self.chance(60).then(|| date(self.world.today() + Days::new(self.rng.u64(..9)) - Days::new(3))),
            on_behalf_of: self.mostly_nobody(),
            validate_only: true,
            ..v1::SetDueDateRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.set_due(&request);
        let preview = self.api.orders().set_due_date(request.clone()).await;
        let real = self.api.orders().set_due_date(v1::SetDueDateRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!((preview.order, preview.effects), (real.order.clone(), real.effects));
                same(&mut order, real.order.as_ref().expect("an order"), &self.world);
                self.world.orders[place] = order;
                self.count("due", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("due", reason, &real.refused());
            }
        }
    }

    async fn update(&mut self) {
        let place = self.rng.usize(..self.world.orders.len());
        let of = number(&self.world.orders[place].number);
        let (current, fields) = (self.world.orders[place].clone(), ["title", "assigned_user", "order_date"]);
        let mask: Vec<_> = fields.iter().filter(|_| self.rng.bool()).map(|field| (*field).to_owned()).collect();
        let mask = if mask.is_empty() { vec!["title".to_owned()] } else { mask };
        let order = v1::Order {
            number: current.number.clone(),
            title: format!("Lot {}", self.rng.u32(..3)),
            assigned_user: self.mostly_nobody(),
            order_date: Some(date(if self.rng.bool() { current.ordered } else { current.ordered + Days::new(1) })),
            etag: self.any_etag(of.as_ref()),
            ..v1::Order::default()
        };
        let request = v1::UpdateOrderRequest {
            order: Some(order),
            update_mask: Some(FieldMask { paths: mask }),
            validate_only: true,
            ..v1::UpdateOrderRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let expected = self.world.update(&request);
        let preview = self.api.orders().update_order(request.clone()).await;
        let real = self.api.orders().update_order(v1::UpdateOrderRequest { validate_only: false, ..request }).await;
        match expected {
            Ok((place, mut order)) => {
                let (preview, real) = (preview.done(), real.done());
                assert_eq!((preview.order, preview.effects), (real.order.clone(), real.effects.clone()));
                assert_eq!(real.effects.expect("effects").changes.is_empty(), !order.changed);
                // When nothing changed, whether it is overdue is told as of its last change: asked for anew.
                let told =
                    if order.changed { real.order.expect("an order") } else { self.api.get(&order.number).await };
                same(&mut order, &told, &self.world);
                self.world.orders[place] = order;
                self.count("update", Ok(()));
            }
            Err(reason) => {
                assert_eq!(preview.refused().reason, reason);
                self.refused("update", reason, &real.refused());
            }
        }
    }

    async fn change_type(&mut self) {
        let orders = self.any_orders(4);
        let from =
            self.world.place(orders.first()).map_or("part".into(), |place| self.world.orders[place].kind.clone());
        let other = if from == "part" { "repair" } else { "part" };
        let to = if self.chance(5) { from.clone() } else { other.to_owned() };
        let mut statuses = BTreeMap::new();
        for status in self.world.types[&from].statuses.clone() {
            if self.chance(70) {
                // Mostly to one of its kind.
                let takers = self.world.types[&to].statuses.clone();
                let fit: Vec<_> = takers.iter().filter(|it| world::closes(it) == world::closes(&status)).collect();
                let taker = if self.chance(90) { self.pick(&fit).id.clone() } else { self.any_status(&to) };
                statuses.insert(status.id, taker);
            }
        }
        let mode = *self.pick(&[v1::BulkMode::Each, v1::BulkMode::Atomic]);
        let request = v1::ChangeOrderTypeRequest {
            orders: orders.clone(),
            order_type: to,
            statuses,
            mode: mode.into(),
            validate_only: true,
            ..v1::ChangeOrderTypeRequest::default()
        };
        self.trace.add(format!("{request:?}"));
        let decide = |order: &v1::OrderRef| {
            let place = self.world.place(Some(order))?;
            Ok((place, self.world.change_type(place, &request)?))
        };
        let expected = self.bulk(&orders, mode, decide);
        let preview = self.api.orders().change_order_type(request.clone()).await.done().results;
        let real = v1::ChangeOrderTypeRequest { validate_only: false, ..request };
        let real = self.api.orders().change_order_type(real).await.done().results;
        self.bulk_answered("type", expected, preview, real);
    }

    fn any_type_etag(&mut self, kind: &str) -> String {
        match self.rng.u32(..20) {
            0 => "0".into(),
            1..8 => self.world.types[kind].version.to_string(),
            _ => String::new(),
        }
    }

    /// An id that an order was in which has changed its type since: of which of the two types it is used is in doubt.
    fn doubtful(&self, id: &str) -> bool {
        let changed = self.world.orders.iter().filter(|order| order.entries.contains(&v1::HistoryKind::TypeChanged));
        changed.flat_map(|order| &order.visits).any(|visit| visit.status == id)
    }

    fn any_new_status(&mut self, kind: &str) -> v1::Status {
        let of = &self.world.types[kind];
        let gone: Vec<_> = of.retired.iter().chain(&of.used).cloned().collect();
        let taken: Vec<_> = of.statuses.iter().map(|status| status.id.clone()).collect();
        self.made += 1;
        let id = match self.rng.u32(..20) {
            0 => self.pick(&taken).clone(),
            1 if !gone.is_empty() => self.pick(&gone).clone(),
            2..5 => format!("again-{}", self.rng.u32(..5)),
            _ => format!("s{}", self.made),
        };
        let id = if self.doubtful(&id) { format!("s{}", self.made) } else { id };
        let days = *self.pick(&[None, Some(0), Some(1), Some(2), Some(4)]);
        let mut new = match self.rng.u32(..10) {
            0 => status(&id, Kind::Final, days),
            1..4 => {
                let clock = *self.pick(&[Clock::Runs, Clock::Runs, Clock::Pauses, Clock::Stops]);
                beside(&id, clock, days)
            }
            _ => status(&id, Kind::Standard, days),
        };
        new.name = format!("Name {}", self.rng.u32(..100));
        if self.chance(20) {
            new.default_user = self.mostly_nobody();
        }
        new
    }

    fn any_edit(&mut self) -> Edit {
        let kind = self.any_kind();
        let etag = self.any_type_etag(&kind);
        let apply_to_open = self.chance(40);
        let statuses = self.world.types[&kind].statuses.clone();
        let roomy = statuses.len() < 12;
        match self.rng.u32(..100) {
            0..25 if roomy => Edit::Create(v1::CreateStatusRequest {
                status: Some(self.any_new_status(&kind)),
                position: self.chance(40).then(|| i32::try_from(self.rng.usize(..=statuses.len())).expect("few")),
                order_type: kind,
                etag,
                apply_to_open,
                ..v1::CreateStatusRequest::default()
            }),
            0..60 if statuses.len() > 5 => {
                let gone = self.any_status(&kind);
                let ends = statuses.iter().any(|it| it.id == gone && matches!(it.kind(), Kind::Initial | Kind::Final));
                // Each alone: of two faults the one that is found first would be told.
                let steps: Vec<_> = statuses
                    .iter()
                    .filter(|it| it.kind() == Kind::Standard && !it.inactive && it.id != gone)
                    .map(|it| it.id.clone())
                    .collect();
                let successor = if ends && !steps.is_empty() && self.chance(80) {
                    self.pick(&steps).clone()
                } else {
                    String::new()
                };
                let replacement = if self.chance(60) { self.any_status(&kind) } else { String::new() };
                let replacement = if replacement == gone { String::new() } else { replacement };
                Edit::Delete(v1::DeleteStatusRequest {
                    order_type: kind,
                    status: gone,
                    etag,
                    replacement,
                    successor,
                    apply_to_open,
                    ..v1::DeleteStatusRequest::default()
                })
            }
            0..85 => {
                let id = self.any_status(&kind);
                let fields = ["name", "position", "inactive", "duration_business_days", "clock", "default_user"];
                let field = *self.pick(&fields);
                let given = v1::Status {
                    id,
                    name: format!("Name {}", self.rng.u32(..100)),
                    position: i32::try_from(self.rng.usize(..statuses.len())).expect("few"),
                    inactive: self.chance(30),
                    duration_business_days: *self.pick(&[None, Some(0), Some(1), Some(3)]),
                    clock: (*self.pick(&[Clock::Runs, Clock::Pauses, Clock::Stops])).into(),
                    default_user: self.mostly_nobody(),
                    ..v1::Status::default()
                };
                Edit::Update(v1::UpdateStatusRequest {
                    order_type: kind,
                    status: Some(given),
                    update_mask: Some(FieldMask { paths: vec![field.to_owned()] }),
                    etag,
                    apply_to_open,
                    ..v1::UpdateStatusRequest::default()
                })
            }
            85..93 => {
                let moves = if self.chance(60) { Vec::new() } else { self.any_moves(&kind) };
                let default_status = if self.chance(70) { String::new() } else { self.any_status(&kind) };
                let field = if self.chance(70) { "moves" } else { "default_status" };
                type_edit(
                    v1::OrderType { id: kind, moves, default_status, etag, ..v1::OrderType::default() },
                    field,
                    apply_to_open,
                )
            }
            _ => self.any_cycle(kind, statuses, etag, apply_to_open),
        }
    }

    /// Most moves are listed, some for certain roles only.
    fn any_moves(&mut self, kind: &str) -> Vec<v1::AllowedMove> {
        let ids: Vec<_> = self.world.types[kind].statuses.iter().map(|status| status.id.clone()).collect();
        let mut moves = Vec::new();
        for to in &ids {
            for from in ids.iter().filter(|from| *from != to) {
                if self.chance(60) {
                    let roles = if self.chance(30) { vec![v1::Role::Manager.into()] } else { Vec::new() };
                    moves.push(v1::AllowedMove { from: from.clone(), to: to.clone(), roles });
                }
            }
            if self.chance(20) {
                moves.push(v1::AllowedMove {
                    to: to.clone(),
                    roles: vec![v1::Role::Planner.into()],
                    ..Default::default()
                });
            }
        }
        moves
    }

    /// A whole new cycle: some steps change places, some go, some are new.
    fn any_cycle(&mut self, kind: String, mut statuses: Vec<v1::Status>, etag: String, apply_to_open: bool) -> Edit {
        let standard = |statuses: &[v1::Status]| -> Vec<usize> {
            let places = statuses.iter().enumerate().filter(|(_, status)| status.kind() == Kind::Standard);
            places.map(|(place, _)| place).collect()
        };
        let places = standard(&statuses);
        if places.len() > 1 {
            let (one, other) = (*self.pick(&places), *self.pick(&places));
            statuses.swap(one, other);
        }
        if self.chance(60) {
            let mut new = self.any_new_status(&kind);
            if statuses.iter().any(|status| status.id == new.id) {
                new.id = format!("s{}", self.made);
            }
            let final_place =
                statuses.iter().position(|status| status.kind() == Kind::Final && !status.inactive).expect("one");
            let place = if world::in_cycle(&new) { final_place } else { statuses.len() };
            statuses.insert(place, new);
        }
        let mut replacements = BTreeMap::new();
        for _ in 0..self.rng.usize(..3) {
            if statuses.len() > 5 {
                let gone = statuses.remove(self.rng.usize(..statuses.len()));
                if self.chance(80) {
                    let fit: Vec<_> = statuses
                        .iter()
                        .filter(|it| !it.inactive && world::closes(it) == world::closes(&gone))
                        .map(|it| it.id.clone())
                        .collect();
                    if !fit.is_empty() {
                        let taker = self.pick(&fit).clone();
                        replacements.insert(gone.id, taker);
                    }
                }
            }
        }
        // What was to be replaced by a status that goes as well has no replacement.
        replacements.retain(|_, to| statuses.iter().any(|status| status.id == *to));
        let given = v1::OrderType { id: kind, statuses, etag, ..v1::OrderType::default() };
        let Edit::Type(request) = type_edit(given, "statuses", apply_to_open) else { unreachable!() };
        Edit::Type(v1::UpdateOrderTypeRequest { replacements, ..request })
    }

    /// The type after an edit, and what that does to orders.
    #[expect(clippy::too_many_lines, reason = "one arm per kind of edit")]
    fn expect(&self, edit: &Edit) -> Result<(Type, Vec<Touched>), Reason> {
        let world = &self.world;
        let none = BTreeMap::new();
        let stale =
            |kind: &Type, etag: &str| (!etag.is_empty() && etag != kind.version.to_string()).then_some("ETAG_MISMATCH");
        let named = |id: &str| if id.is_empty() { None } else { world::user(id).err() };
        let refuse = |faults: Vec<Reason>| first_of(&faults).map_or(Ok(()), Err);
        match edit {
            Edit::Create(it) => {
                let mut kind = world.types.get(&it.order_type).ok_or("NOT_FOUND")?.clone();
                let new = it.status.clone().expect("set");
                let mut faults: Vec<_> = stale(&kind, &it.etag).into_iter().chain(named(&new.default_user)).collect();
                if kind.status(&new.id).is_some() {
                    faults.push("ALREADY_EXISTS");
                }
                refuse(faults)?;
                let last = kind.statuses.iter().position(|it| it.kind() == Kind::Final && !it.inactive).expect("one");
                let default = if world::in_cycle(&new) { last } else { kind.statuses.len() };
                let place = it.position.map_or(default, |place| usize::try_from(place).expect("positive"));
                kind.statuses.insert(place, new);
                let touched = world.edit(&kind, &none, it.apply_to_open)?;
                Ok((kind, touched))
            }
            Edit::Update(it) => {
                let mut kind = world.types.get(&it.order_type).ok_or("NOT_FOUND")?.clone();
                let given = it.status.clone().expect("set");
                let place = kind.statuses.iter().position(|it| it.id == given.id).ok_or("NOT_FOUND")?;
                let mut status = kind.statuses.remove(place);
                let (mut place, mut faults) = (place, Vec::new());
                match it.update_mask.as_ref().expect("set").paths[0].as_str() {
                    "name" => status.name = given.name,
                    "position" => place = usize::try_from(given.position).expect("positive"),
                    "inactive" => status.inactive = given.inactive,
                    "duration_business_days" => status.duration_business_days = given.duration_business_days,
                    "clock" if world::in_cycle(&status) => {}
                    "clock" => status.clock = given.clock,
                    "default_user" => {
                        if status.default_user != given.default_user {
                            faults.extend(named(&given.default_user));
                        }
                        status.default_user = given.default_user;
                    }
                    other => panic!("not modelled: {other}"),
                }
                kind.statuses.insert(place, status);
                faults.extend(stale(&kind, &it.etag));
                refuse(faults)?;
                let touched = world.edit(&kind, &none, it.apply_to_open)?;
                Ok((kind, touched))
            }
            Edit::Delete(it) => {
                let mut kind = world.types.get(&it.order_type).ok_or("NOT_FOUND")?.clone();
                let place = kind.statuses.iter().position(|status| status.id == it.status).ok_or("NOT_FOUND")?;
                for named in [&it.replacement, &it.successor] {
                    if !named.is_empty() && kind.status(named).is_none() {
                        return Err("NOT_FOUND");
                    }
                }
                refuse(stale(&kind, &it.etag).into_iter().collect())?;
                let gone = kind.statuses.remove(place);
                if !it.successor.is_empty() {
                    let heir = kind.status(&it.successor).expect("there");
                    let ends = matches!(gone.kind(), Kind::Initial | Kind::Final);
                    if !ends || heir.kind() != Kind::Standard || heir.inactive {
                        return Err("INVALID_REQUEST");
                    }
                    let from = kind.statuses.iter().position(|status| status.id == it.successor).expect("there");
                    let mut heir = kind.statuses.remove(from);
                    heir.kind = gone.kind;
                    kind.statuses.insert(if from < place { place - 1 } else { place }, heir);
                    if kind.default_status == gone.id {
                        kind.default_status.clone_from(&it.successor);
                    }
                }
                kind.forget_moves()?;
                let taker = if it.replacement.is_empty() { &it.successor } else { &it.replacement };
                let replacements = (!taker.is_empty()).then(|| (gone.id, taker.clone())).into_iter().collect();
                let touched = world.edit(&kind, &replacements, it.apply_to_open)?;
                Ok((kind, touched))
            }
            Edit::Type(it) => {
                let given = it.order_type.clone().expect("set");
                let mut kind = world.types.get(&given.id).ok_or("NOT_FOUND")?.clone();
                let mut faults: Vec<_> = stale(&kind, &given.etag).into_iter().collect();
                match it.update_mask.as_ref().expect("set").paths[0].as_str() {
                    "moves" => kind.moves = given.moves,
                    "default_status" => {
                        kind.default_status = given.default_status;
                        if !kind.default_status.is_empty() {
                            match kind.status(&kind.default_status) {
                                None => faults.push("NOT_FOUND"),
                                Some(status) if status.inactive => faults.push("INACTIVE"),
                                Some(_) => {}
                            }
                        }
                    }
                    "statuses" => {
                        for status in &given.statuses {
                            let before = kind.status(&status.id).map_or("", |it| it.default_user.as_str());
                            if status.default_user != before {
                                faults.extend(named(&status.default_user));
                            }
                        }
                        kind.statuses = given.statuses;
                        faults.extend(kind.forget_moves().err());
                    }
                    other => panic!("not modelled: {other}"),
                }
                refuse(faults)?;
                let touched = world.edit(&kind, &it.replacements, it.apply_to_open)?;
                Ok((kind, touched))
            }
        }
    }

    fn seen(&self, touched: &[Touched]) -> Vec<Seen> {
        let now = self.world.now;
        let of = |it: &Touched| {
            let (before, after) = (&self.world.orders[it.place], &it.after);
            (
                it.place,
                before.visit().status.clone(),
                after.visit().status.clone(),
                before.visit().due,
                after.visit().due,
                !before.overdue(now) && after.overdue(now),
                it.closes,
                format!("{} {} {}", before.user, after.user, after.cycle),
                after.interrupted.as_ref().map(|(id, _)| id.clone()),
            )
        };
        touched.iter().map(of).collect()
    }

    async fn edit(&mut self) {
        let edit = self.any_edit();
        self.carry_out(edit, None).await;
    }

    /// An edit whose plan was shown a while ago, with that plan: done when nothing has changed, else refused.
    async fn edit_as_looked_at(&mut self) {
        let Some(looked) = self.looked.take() else { return };
        let new = |id: &str, kind: &str| self.world.types[kind].status(id).is_none() && self.doubtful(id);
        let in_doubt = match &looked.edit {
            Edit::Create(it) => it.status.as_ref().is_some_and(|status| new(&status.id, &it.order_type)),
            Edit::Type(it) => {
                it.order_type.as_ref().is_some_and(|kind| kind.statuses.iter().any(|status| new(&status.id, &kind.id)))
            }
            Edit::Update(_) | Edit::Delete(_) => false,
        };
        if in_doubt {
            return;
        }
        self.carry_out(looked.edit.clone(), Some(looked)).await;
    }

    async fn carry_out(&mut self, mut edit: Edit, looked: Option<Looked>) {
        let expected = self.expect(&edit);
        edit.check(true);
        self.trace.add(format!("{edit:?} {}", looked.is_some()));
        let preview = edit.send(&self.api).await;
        let (kind, touched) = match expected {
            Ok(expected) => expected,
            Err(reason) => {
                let refused = preview.expect_err("the model refuses");
                self.refused("edit", reason, &refused);
                edit.check(false);
                let refused = edit.send(&self.api).await.expect_err("the model refuses");
                assert_eq!(refused.reason, reason);
                return;
            }
        };
        let (shown, plan) = preview.unwrap_or_else(|refused| panic!("{refused:?}"));
        let seen = self.seen(&touched);
        plan_is(&plan, &touched);
        let version = self.world.types[&kind.id].version;
        if let Some(looked) = looked {
            edit.check(false);
            edit.expect(&looked.fingerprint);
            let same = (looked.version, &looked.touched) == (version, &seen);
            assert_eq!(looked.fingerprint == plan.fingerprint, same, "{looked:?}\n{seen:?}");
            if !same {
                let refused = edit.send(&self.api).await.expect_err("the plan is another one");
                assert_eq!(refused.why(), (Code::Aborted, "PLAN_CHANGED"));
                assert_eq!(refused.metadata["fingerprint"], plan.fingerprint);
                self.count("edit", Err("PLAN_CHANGED"));
                return;
            }
        } else if self.chance(25) {
            let fingerprint = plan.fingerprint.clone();
            self.looked = Some(Looked { edit, fingerprint, version, touched: seen });
            self.count("edit", Err("looked at"));
            return;
        }
        edit.check(false);
        if self.chance(50) {
            edit.expect(&plan.fingerprint);
        }
        let before = self.all().await;
        let (order_type, made) = edit.send(&self.api).await.unwrap_or_else(|refused| panic!("{refused:?}"));
        assert_eq!((&made, &order_type), (&plan, &shown));
        let ids: Vec<_> = order_type.statuses.iter().map(|status| &status.id).collect();
        assert_eq!(ids, kind.statuses.iter().map(|status| &status.id).collect::<Vec<_>>());
        self.world.put(kind, touched);
        assert_eq!(order_type.etag, self.world.types[&order_type.id].version.to_string());
        assert_eq!(order_type.moves.len(), self.world.types[&order_type.id].moves.len());
        let after = self.all().await;
        counts_are(&made, &before, &after);
        self.compare(&after);
        self.count("edit", Ok(()));
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

/// An edit of one field of a type.
fn type_edit(given: v1::OrderType, field: &str, apply_to_open: bool) -> Edit {
    Edit::Type(v1::UpdateOrderTypeRequest {
        order_type: Some(given),
        update_mask: Some(FieldMask { paths: vec![field.to_owned()] }),
        apply_to_open,
        ..v1::UpdateOrderTypeRequest::default()
    })
}

/// The counts and examples of a plan are those of the model.
fn plan_is(plan: &v1::EditPlan, touched: &[Touched]) {
    let count = |of: fn(&Touched) -> bool| i64::try_from(touched.iter().filter(|it| of(it)).count()).expect("few");
    let told =
        (plan.moved_orders, plan.closed_orders, plan.redirected_orders, plan.due_dates_changed, plan.newly_overdue);
    let expected = (
        count(|it| it.moved),
        count(|it| it.closes),
        count(|it| it.redirected),
        count(|it| it.due_changed),
        count(|it| it.newly_overdue),
    );
    assert_eq!(told, expected, "moved, closed, redirected, due, overdue: {plan:?}\n{touched:?}");
    let named: Vec<_> = plan.examples.iter().map(|it| (&it.number, &it.to_status)).collect();
    let expected: Vec<_> = touched.iter().map(|it| (&it.after.number, &it.after.visit().status)).collect();
    assert_eq!(named, expected);
}

/// The counts of a plan are what the orders show before and after.
fn counts_are(plan: &v1::EditPlan, before: &[v1::Order], after: &[v1::Order]) {
    let count = |of: fn(&v1::Order, &v1::Order) -> bool| {
        i64::try_from(before.iter().zip(after).filter(|(before, after)| of(before, after)).count()).expect("few")
    };
    assert_eq!(plan.moved_orders, count(|a, b| sequence(a) != sequence(b)), "{plan:?}");
    assert_eq!(plan.closed_orders, count(|a, b| !a.closed && b.closed), "{plan:?}");
    assert_eq!(plan.newly_overdue, count(|a, b| !a.overdue && b.overdue), "{plan:?}");
    assert_eq!(plan.due_dates_changed, count(|a, b| !a.closed && !b.closed && due(a) != due(b)), "{plan:?}");
    assert_eq!(plan.reassigned_orders, count(|a, b| !a.closed && a.assigned_user != b.assigned_user), "{plan:?}");
    let waits = count(|a, b| sequence(a) == sequence(b) && a.interrupted_status != b.interrupted_status);
    assert!(plan.redirected_orders >= waits, "{plan:?}");
    let changed = count(|a, b| a.etag != b.etag);
    assert_eq!(i64::try_from(plan.examples.len()).expect("few"), changed, "{plan:?}");
}

fn sequence(order: &v1::Order) -> i32 {
    order.visit.as_ref().map_or(0, |visit| visit.sequence)
}

fn due(order: &v1::Order) -> Option<andon::grpc::proto::Date> {
    order.visit.as_ref().and_then(|visit| visit.due_date)
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
