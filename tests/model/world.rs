//! The model: what orders and cycles are by the manual, in plain structs; it knows nothing of how andon does it.

use std::collections::{BTreeMap, BTreeSet};

use andon::grpc::proto::{
    Date,
    v1::{self, NoteKind, StatusClock as Clock, StatusKind as Kind},
};
use chrono::{DateTime, Datelike as _, Days, NaiveDate, TimeDelta, Utc};

/// Why a step is refused: the name of the reason.
pub type Reason = &'static str;

/// Where a due date came from.
pub use v1::DueSource as Source;

/// A due date.
pub type Due = Option<(NaiveDate, Source)>;

#[derive(Debug, Clone)]
pub struct Type {
    pub id: String,
    pub default_status: String,
    pub statuses: Vec<v1::Status>,
    pub moves: Vec<v1::AllowedMove>,
    /// Ids of statuses that orders were in.
    pub used: BTreeSet<String>,
    /// Ids that are gone for good, and what took their orders.
    pub retired: BTreeMap<String, Option<String>>,
    pub version: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "as in the message that it is compared with")]
pub struct Visit {
    pub status: String,
    pub name: String,
    pub entered: NaiveDate,
    pub entered_at: DateTime<Utc>,
    pub due: Due,
    pub rework: bool,
    pub resumed: bool,
    pub skipped: bool,
    pub left: bool,
    pub completed: bool,
    pub behalf: String,
    /// From when it counts: its own entry, or that of the visit with which it goes on.
    pub counts: Entered,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub number: String,
    pub kind: String,
    pub title: String,
    pub visits: Vec<Visit>,
    pub closed: bool,
    pub completed: BTreeSet<String>,
    pub interrupted: Option<Interrupted>,
    /// The last status of the cycle that it was in.
    pub cycle: String,
    pub department: String,
    pub user: String,
    pub ordered: NaiveDate,
    pub holds: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    pub lost: u32,
    pub questions: Vec<String>,
    pub open_questions: BTreeSet<String>,
    pub notes: usize,
    /// History entries, those about overdue visits left out.
    pub entries: Vec<v1::HistoryKind>,
    /// As it was last seen; compared after every step.
    pub etag: String,
    /// A change that callers can see came after that.
    pub changed: bool,
}

/// A visit that was left not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interrupted {
    pub status: String,
    pub due: Due,
    pub entered: Entered,
    pub rework: bool,
}

/// From when a visit counts: day as given, and instant.
pub type Entered = (NaiveDate, DateTime<Utc>);

/// What an edit does to one order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a count of the plan")]
pub struct Touched {
    pub place: usize,
    pub moved: bool,
    pub closes: bool,
    pub redirected: bool,
    pub due_changed: bool,
    pub newly_overdue: bool,
    pub after: Order,
}

#[derive(Debug, Clone)]
pub struct World {
    pub now: DateTime<Utc>,
    pub types: BTreeMap<String, Type>,
    /// In the order of creation.
    pub orders: Vec<Order>,
}

/// Users, their roles, and whether they are inactive.
pub const USERS: [(&str, &[v1::Role], bool); 4] = [
    ("mara", &[v1::Role::Manager], false),
    ("paul", &[v1::Role::Planner, v1::Role::Reporter], false),
    ("vera", &[], false),
    ("ina", &[v1::Role::Manager], true),
];
/// Departments, and whether they are inactive.
pub const DEPARTMENTS: [(&str, bool); 3] = [("workshop", false), ("quality", false), ("attic", true)];

pub fn user(id: &str) -> Result<&'static [v1::Role], Reason> {
    let (_, roles, inactive) = USERS.iter().find(|(known, ..)| *known == id).ok_or("NOT_FOUND")?;
    if *inactive { Err("INACTIVE") } else { Ok(roles) }
}

fn department(id: &str) -> Result<(), Reason> {
    let (_, inactive) = DEPARTMENTS.iter().find(|(known, _)| *known == id).ok_or("NOT_FOUND")?;
    if *inactive { Err("INACTIVE") } else { Ok(()) }
}

pub fn in_cycle(status: &v1::Status) -> bool {
    status.kind() != Kind::NonStandard
}

pub fn closes(status: &v1::Status) -> bool {
    status.kind() == Kind::Final || (!in_cycle(status) && status.clock() == Clock::Stops)
}

fn pauses(status: &v1::Status) -> bool {
    !in_cycle(status) && status.clock() == Clock::Pauses
}

pub fn date(day: NaiveDate) -> Date {
    let part = |part: u32| i32::try_from(part).expect("small");
    Date { year: day.year(), month: part(day.month()), day: part(day.day()) }
}

pub fn day(date: &Date) -> NaiveDate {
    let part = |part: i32| u32::try_from(part).expect("not negative");
    NaiveDate::from_ymd_opt(date.year, part(date.month), part(date.day)).expect("a date")
}

fn open(day: NaiveDate) -> bool {
    day.weekday().num_days_from_monday() < 5
}

/// Day by day, as a person counts on a calendar.
fn forward(mut on: NaiveDate, days: u32) -> NaiveDate {
    let next = |day: NaiveDate| day + Days::new(1);
    while !open(on) {
        on = next(on);
    }
    for _ in 0..days {
        on = next(on);
        while !open(on) {
            on = next(on);
        }
    }
    on
}

/// Open days of which at least half was spent on hold.
fn lost_days(holds: &[(DateTime<Utc>, DateTime<Utc>)]) -> u32 {
    let (Some(first), Some(last)) = (holds.first(), holds.last()) else { return 0 };
    let days = first.0.date_naive().iter_days().take_while(|day| *day <= last.1.date_naive());
    let held = |day: NaiveDate| {
        let begin = day.and_time(chrono::NaiveTime::MIN).and_utc();
        let end = begin + TimeDelta::days(1);
        let within = holds.iter().map(|(from, to)| ((*to).min(end) - (*from).max(begin)).max(TimeDelta::zero()));
        within.sum::<TimeDelta>()
    };
    u32::try_from(days.filter(|day| open(*day) && held(*day) >= TimeDelta::hours(12)).count()).expect("few")
}

fn day_end(on: NaiveDate) -> DateTime<Utc> {
    (on + Days::new(1)).and_time(chrono::NaiveTime::MIN).and_utc()
}

fn clipped(holds: &[(DateTime<Utc>, DateTime<Utc>)], begin: DateTime<Utc>) -> Vec<(DateTime<Utc>, DateTime<Utc>)> {
    holds.iter().filter(|(_, to)| *to > begin).map(|(from, to)| ((*from).max(begin), *to)).collect()
}

/// A visit that was reported late began after the day that was given.
fn begins((on, at): Entered) -> DateTime<Utc> {
    if on < at.date_naive() { day_end(on) } else { at }
}

fn due_at(due: Due) -> Option<DateTime<Utc>> {
    due.map(|(on, _)| (on + Days::new(1)).and_time(chrono::NaiveTime::MIN).and_utc())
}

impl Type {
    pub fn status(&self, id: &str) -> Option<&v1::Status> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// The status that took the place of this one, if it is gone.
    fn heir(&self, id: &str) -> Option<&v1::Status> {
        self.status(id).or_else(|| self.heir(self.retired.get(id)?.as_ref()?))
    }

    pub fn active_cycle(&self) -> impl DoubleEndedIterator<Item = &v1::Status> {
        self.statuses.iter().filter(|status| in_cycle(status) && !status.inactive)
    }

    fn next(&self, id: &str) -> Option<&v1::Status> {
        let place = self.statuses.iter().position(|status| status.id == id)?;
        self.statuses[place + 1..].iter().find(|status| in_cycle(status) && !status.inactive)
    }

    fn allows(&self, from: &str, to: &str, roles: Option<&[v1::Role]>) -> bool {
        self.moves.is_empty()
            || self.moves.iter().any(|it| {
                (it.from.is_empty() || it.from == from)
                    && it.to == to
                    && (it.roles.is_empty()
                        || roles.is_none_or(|roles| roles.iter().any(|role| it.roles.contains(&i32::from(*role)))))
            })
    }

    /// Initial first, final last, one of each that is active, an active default, moves between statuses that exist.
    pub fn whole(&self) -> Vec<Reason> {
        let mut faults = Vec::new();
        let count = |kind: Kind| self.active_cycle().filter(|status| status.kind() == kind).count();
        if self
            .moves
            .iter()
            .any(|it| self.status(&it.to).is_none() || (!it.from.is_empty() && self.status(&it.from).is_none()))
        {
            faults.push("NOT_FOUND");
        }
        let first = self.active_cycle().next().is_some_and(|status| status.kind() == Kind::Initial);
        let last = self.active_cycle().next_back().is_some_and(|status| status.kind() == Kind::Final);
        let default = self.default_status.is_empty()
            || self.status(&self.default_status).is_some_and(|it| !it.inactive && !closes(it));
        let retired = self.statuses.iter().any(|status| self.retired.contains_key(&status.id));
        if count(Kind::Initial) != 1 || count(Kind::Final) != 1 || !first || !last || !default || retired {
            faults.push("CYCLE_BROKEN");
        }
        faults
    }

    /// Takes out the moves of statuses that are gone; refused when none would be left.
    pub fn forget_moves(&mut self) -> Result<(), Reason> {
        let had = !self.moves.is_empty();
        let known: BTreeSet<_> = self.statuses.iter().map(|status| status.id.clone()).collect();
        self.moves.retain(|it| known.contains(&it.to) && (it.from.is_empty() || known.contains(&it.from)));
        if had && self.moves.is_empty() { Err("CYCLE_BROKEN") } else { Ok(()) }
    }
}

/// How an order leaves one status and enters another.
struct Move<'a> {
    target: &'a v1::Status,
    on: NaiveDate,
    due: Option<NaiveDate>,
    behalf: &'a str,
    not_complete: bool,
}

impl Order {
    pub fn visit(&self) -> &Visit {
        self.visits.last().expect("an order has a visit")
    }

    fn visit_mut(&mut self) -> &mut Visit {
        self.visits.last_mut().expect("an order has a visit")
    }

    pub fn overdue(&self, now: DateTime<Utc>) -> bool {
        !self.closed && due_at(self.visit().due).is_some_and(|at| now >= at)
    }

    /// The due date by rule.
    fn computed(&self, kind: &Type, target: &v1::Status, entered: Entered, rework: bool) -> Due {
        let days =
            |status: &v1::Status| status.duration_business_days.map(|days| u32::try_from(days).expect("positive"));
        let own = days(target)?;
        if !in_cycle(target) || rework {
            let since = clipped(&self.holds, begins(entered));
            return Some((forward(forward(entered.0, own), lost_days(&since)), Source::Entry));
        }
        let mut on = self.ordered;
        for status in kind.statuses.iter().filter(|status| in_cycle(status)) {
            if status.id == target.id {
                break;
            }
            if let Some(days) = days(status).filter(|_| !status.inactive) {
                on = forward(on, days);
            }
        }
        Some((forward(forward(on, own), self.lost), Source::Plan))
    }

    fn leave(&mut self, kind: &Type, now: DateTime<Utc>, on: NaiveDate, not_complete: bool) {
        let status = self.visit().status.clone();
        let began = begins((self.visit().entered, self.visit().entered_at));
        let visit = self.visit_mut();
        visit.left = true;
        visit.completed = !not_complete;
        if !kind.status(&status).is_some_and(pauses) {
            return;
        }
        self.holds.push((began, now.min(day_end(on)).max(began)));
        let lost = lost_days(&self.holds).max(self.lost);
        let since =
            |holds: &[(DateTime<Utc>, DateTime<Utc>)], entered: Entered| lost_days(&clipped(holds, begins(entered)));
        let ended = self.holds.split_last().map(|(_, before)| before.to_vec()).unwrap_or_default();
        if let Some(Interrupted { due: Some((on, source)), entered, .. }) = &mut self.interrupted
            && *source != Source::Manual
        {
            let days = match source {
                Source::Entry => since(&self.holds, *entered) - since(&ended, *entered),
                _ => lost - self.lost,
            };
            *on = forward(*on, days);
        }
        self.lost = lost;
    }

    fn enter(&mut self, kind: &Type, now: DateTime<Utc>, step: &Move<'_>) {
        let target = step.target;
        let resumed = self.interrupted.take_if(|it| it.status == target.id);
        let entered = (step.on, now);
        let rework = match &resumed {
            Some(it) => it.rework,
            None => in_cycle(target) && self.completed.contains(&target.id),
        };
        let due = match (step.due, &resumed) {
            (Some(on), _) => Some((on, Source::Manual)),
            (None, Some(it)) => it.due,
            (None, None) => self.computed(kind, target, entered, rework),
        };
        self.visits.push(Visit {
            status: target.id.clone(),
            name: target.name.clone(),
            entered: step.on,
            entered_at: now,
            due,
            rework,
            resumed: resumed.is_some(),
            skipped: false,
            left: false,
            completed: false,
            behalf: step.behalf.to_owned(),
            counts: resumed.map_or(entered, |it| it.entered),
        });
        if in_cycle(target) {
            self.cycle.clone_from(&target.id);
        }
        self.closed = closes(target);
    }

    fn assign(&mut self, status: &v1::Status, to_department: &str, to_user: &str) -> Result<(), Reason> {
        if !to_department.is_empty() {
            department(to_department)?;
            to_department.clone_into(&mut self.department);
        } else if department(&status.default_department).is_ok() {
            self.department.clone_from(&status.default_department);
        }
        if !to_user.is_empty() {
            user(to_user)?;
            to_user.clone_into(&mut self.user);
        } else if user(&status.default_user).is_ok() {
            self.user.clone_from(&status.default_user);
        }
        Ok(())
    }

    fn record(&mut self, kind: v1::HistoryKind) {
        self.entries.push(kind);
        self.changed = true;
    }

    /// A due date that it waits for changed.
    fn record_interrupted(&mut self, before: &Self) {
        let dues = |order: &Self| order.interrupted.as_ref().map(|it| it.due);
        if let (Some(was), Some(is)) = (dues(before), dues(self))
            && was != is
        {
            self.record(v1::HistoryKind::DueDateChanged);
        }
    }

    fn replan_interrupted(&mut self, kind: &Type) {
        let Some(it) = self.interrupted.clone() else { return };
        // A status that went while the order was closed stays named.
        let Some(status) = kind.status(&it.status) else { return };
        if !matches!(it.due, Some((_, Source::Manual))) {
            let due = self.computed(kind, status, it.entered, it.rework);
            self.interrupted = Some(Interrupted { due, ..it });
        }
    }

    /// A closed order takes no part in edits; when it is reopened, it follows what took the place of what it waited for.
    fn found_again(&self, kind: &Type) -> Self {
        let mut order = self.clone();
        if self.closed {
            if let Some(heir) = kind.heir(&order.cycle) {
                order.cycle.clone_from(&heir.id);
            }
            order.interrupted =
                order.interrupted.and_then(|it| Some(Interrupted { status: kind.heir(&it.status)?.id.clone(), ..it }));
        }
        order
    }

    /// Where it goes without a named target.
    fn next<'a>(&self, kind: &'a Type) -> Option<&'a v1::Status> {
        let current = kind.status(&self.visit().status)?;
        match &self.interrupted {
            _ if in_cycle(current) => kind.next(&current.id),
            Some(it) if it.status == self.cycle => kind.status(&it.status),
            _ => kind.next(&self.cycle),
        }
    }
}

fn behalf(id: &str) -> Result<Option<&'static [v1::Role]>, Reason> {
    if id.is_empty() { Ok(None) } else { user(id).map(Some) }
}

fn told(notify: Option<&v1::Notify>) -> Result<(), Reason> {
    let Some(notify) = notify else { return Ok(()) };
    notify.users.iter().try_for_each(|id| user(id).map(drop))?;
    notify.departments.iter().try_for_each(|id| department(id))
}

impl World {
    pub fn today(&self) -> NaiveDate {
        self.now.date_naive()
    }

    pub fn place(&self, order: Option<&v1::OrderRef>) -> Result<usize, Reason> {
        let Some(v1::order_ref::Ref::Number(number)) = order.and_then(|order| order.r#ref.as_ref()) else {
            return Err("INVALID_REQUEST");
        };
        self.orders.iter().position(|order| order.number == *number).ok_or("NOT_FOUND")
    }

    fn etag(&self, place: usize, etag: &str) -> Result<(), Reason> {
        if etag.is_empty() || self.orders[place].etag == etag { Ok(()) } else { Err("ETAG_MISMATCH") }
    }

    pub fn create(&self, request: &v1::CreateOrderRequest) -> Result<Order, Reason> {
        let new = request.order.clone().unwrap_or_default();
        let kind = self.types.get(&new.order_type).ok_or("NOT_FOUND")?;
        let known = [
            new.status.is_empty() || kind.status(&new.status).is_some(),
            behalf(&request.on_behalf_of) != Err("NOT_FOUND"),
            new.assigned_department.is_empty() || department(&new.assigned_department) != Err("NOT_FOUND"),
            new.assigned_user.is_empty() || user(&new.assigned_user) != Err("NOT_FOUND"),
        ];
        if known.contains(&false) {
            return Err("NOT_FOUND");
        }
        if self.orders.iter().any(|order| order.number == new.number) {
            return Err("ALREADY_EXISTS");
        }
        let initial = kind.active_cycle().next().expect("there is one");
        let named = if new.status.is_empty() { &kind.default_status } else { &new.status };
        let target = if named.is_empty() { initial } else { kind.status(named).ok_or("NOT_FOUND")? };
        if target.inactive {
            return Err("INACTIVE");
        }
        behalf(&request.on_behalf_of)?;
        let mut order = Order {
            number: new.number,
            kind: kind.id.clone(),
            title: new.title,
            visits: Vec::new(),
            closed: false,
            completed: BTreeSet::new(),
            interrupted: None,
            cycle: initial.id.clone(),
            department: String::new(),
            user: String::new(),
            ordered: new.order_date.map_or(self.today(), |date| day(&date)),
            holds: Vec::new(),
            lost: 0,
            questions: Vec::new(),
            open_questions: BTreeSet::new(),
            notes: 0,
            entries: Vec::new(),
            etag: String::new(),
            changed: false,
        };
        order.assign(target, &new.assigned_department, &new.assigned_user)?;
        let step = Move { target, on: self.today(), due: None, behalf: &request.on_behalf_of, not_complete: false };
        order.enter(kind, self.now, &step);
        order.record(v1::HistoryKind::Created);
        Ok(order)
    }

    pub fn advance(&self, request: &v1::AdvanceOrderRequest) -> Result<(usize, Order), Reason> {
        let place = self.place(request.order.as_ref())?;
        self.etag(place, &request.etag)?;
        let before = &self.orders[place];
        let kind = &self.types[&before.kind];
        let with = request.advance.clone().unwrap_or_default();
        match (before.closed, with.reopen) {
            (true, false) => return Err("ORDER_CLOSED"),
            (false, true) => return Err("NOT_CLOSED"),
            _ => {}
        }
        let before = &before.found_again(kind);
        let target = if with.target_status.is_empty() {
            before.next(kind).ok_or("NO_NEXT_STATUS")?
        } else {
            kind.status(&with.target_status).ok_or("NOT_FOUND")?
        };
        let current = before.visit();
        if target.id == current.status {
            return Err("SAME_STATUS");
        }
        if target.inactive {
            return Err("INACTIVE");
        }
        let roles = behalf(&with.on_behalf_of)?;
        if !kind.allows(&current.status, &target.id, roles) {
            return Err("MOVE_NOT_ALLOWED");
        }
        let last = self.today().max(current.entered);
        let on = with.completed_date.as_ref().map_or(last, day);
        if on < current.entered || on > last {
            return Err("COMPLETED_DATE_OUT_OF_RANGE");
        }
        let mut order = before.clone();
        order.assign(target, &with.assign_department, &with.assign_user)?;
        told(with.notify.as_ref())?;
        let step = Move {
            target,
            on,
            due: with.due_date.as_ref().map(day),
            behalf: &with.on_behalf_of,
            not_complete: with.not_complete,
        };
        self.step(&mut order, kind, &step);
        order.notes += usize::from(!with.note.is_empty());
        order.record(v1::HistoryKind::Advanced);
        Ok((place, order))
    }

    /// Leaves, records what is jumped over, enters.
    fn step(&self, order: &mut Order, kind: &Type, step: &Move<'_>) {
        let left = order.visit().clone();
        order.leave(kind, self.now, step.on, step.not_complete);
        if kind.status(&left.status).is_some_and(in_cycle) {
            if step.not_complete {
                order.interrupted = Some(Interrupted {
                    status: left.status.clone(),
                    due: left.due,
                    entered: left.counts,
                    rework: left.rework,
                });
            } else {
                order.completed.insert(left.status.clone());
            }
        }
        let at = |id: &str| kind.statuses.iter().position(|status| status.id == id);
        if in_cycle(step.target)
            && let (Some(from), Some(to)) = (at(&order.cycle), at(&step.target.id))
            && from < to
        {
            let between = kind.statuses[from + 1..to].iter().filter(|status| in_cycle(status) && !status.inactive);
            for status in between {
                if !order.completed.contains(&status.id) {
                    order.visits.push(Visit {
                        status: status.id.clone(),
                        name: status.name.clone(),
                        entered: step.on,
                        entered_at: self.now,
                        due: None,
                        rework: false,
                        resumed: false,
                        skipped: true,
                        left: true,
                        completed: false,
                        behalf: step.behalf.to_owned(),
                        counts: (step.on, self.now),
                    });
                }
            }
        }
        order.enter(kind, self.now, step);
    }

    pub fn note(&self, request: &v1::AddNoteRequest) -> Result<(usize, Order), Reason> {
        if (request.kind() == NoteKind::Answer) == request.answers.is_empty() {
            return Err("INVALID_REQUEST");
        }
        let place = self.place(request.order.as_ref())?;
        let mut order = self.orders[place].clone();
        self.etag(place, &request.etag)?;
        if !request.answers.is_empty() && !order.questions.contains(&request.answers) {
            return Err("NOT_FOUND");
        }
        behalf(&request.on_behalf_of)?;
        told(request.notify.as_ref())?;
        order.open_questions.remove(&request.answers);
        order.notes += 1;
        order.record(v1::HistoryKind::Noted);
        Ok((place, order))
    }

    pub fn set_due(&self, request: &v1::SetDueDateRequest) -> Result<(usize, Order), Reason> {
        let place = self.place(request.order.as_ref())?;
        self.etag(place, &request.etag)?;
        let mut order = self.orders[place].clone();
        if order.closed {
            return Err("ORDER_CLOSED");
        }
        behalf(&request.on_behalf_of)?;
        let kind = &self.types[&order.kind];
        let visit = order.visit().clone();
        let status = kind.status(&visit.status).expect("an order is in a status of its type");
        order.visit_mut().due = match &request.due_date {
            Some(date) => Some((day(date), Source::Manual)),
            None => order.computed(kind, status, visit.counts, visit.rework),
        };
        order.record(v1::HistoryKind::DueDateChanged);
        Ok((place, order))
    }

    pub fn update(&self, request: &v1::UpdateOrderRequest) -> Result<(usize, Order), Reason> {
        let given = request.order.clone().unwrap_or_default();
        let place = self.orders.iter().position(|order| order.number == given.number).ok_or("NOT_FOUND")?;
        self.etag(place, &given.etag)?;
        behalf(&request.on_behalf_of)?;
        let before = &self.orders[place];
        let mut order = before.clone();
        for field in request.update_mask.iter().flat_map(|mask| &mask.paths) {
            match field.as_str() {
                "title" => order.title.clone_from(&given.title),
                "assigned_user" => order.user.clone_from(&given.assigned_user),
                "order_date" => order.ordered = given.order_date.as_ref().map(day).expect("it is set"),
                other => panic!("not modelled: {other}"),
            }
        }
        if order.user != before.user && !order.user.is_empty() {
            user(&order.user)?;
        }
        if order == *before {
            return Ok((place, order));
        }
        order.record(v1::HistoryKind::Updated);
        if order.ordered != before.ordered && !order.closed {
            let kind = &self.types[&order.kind];
            let visit = order.visit().clone();
            if let Some(status) =
                kind.status(&visit.status).filter(|_| visit.due.is_some_and(|due| due.1 == Source::Plan))
            {
                order.visit_mut().due = order.computed(kind, status, visit.counts, visit.rework);
            }
            if order.interrupted.as_ref().is_some_and(|it| !matches!(it.due, Some((_, Source::Entry)))) {
                order.replan_interrupted(kind);
            }
            if order.visit().due != visit.due {
                order.record(v1::HistoryKind::DueDateChanged);
            }
            order.record_interrupted(before);
        }
        Ok((place, order))
    }

    pub fn change_type(&self, place: usize, request: &v1::ChangeOrderTypeRequest) -> Result<Order, Reason> {
        let before = &self.orders[place];
        let (old, new) = (&self.types[&before.kind], self.types.get(&request.order_type).ok_or("NOT_FOUND")?);
        let acted_for = &request.on_behalf_of;
        behalf(acted_for)?;
        if old.id == new.id {
            return Err("SAME_TYPE");
        }
        let mapped = |id: &str| request.statuses.get(id).map_or(id, String::as_str).to_owned();
        let id = mapped(&before.visit().status);
        let target = match new.status(&id) {
            Some(target) => target,
            None if request.statuses.contains_key(&before.visit().status) => return Err("NOT_FOUND"),
            None => return Err("STATUS_NOT_MAPPED"),
        };
        if target.inactive {
            return Err("INACTIVE");
        }
        if closes(target) != before.closed {
            return Err("CLOSES_ORDER");
        }
        let mut order = before.clone();
        order.leave(old, self.now, self.today().max(before.visit().entered), true);
        order.kind.clone_from(&new.id);
        let steps = |id: &String| new.status(id).is_some_and(|status| in_cycle(status) && !status.inactive);
        order.completed =
            before.completed.iter().map(|id| mapped(id)).filter(steps).filter(|id| *id != target.id).collect();
        if let Some(it) = &mut order.interrupted {
            it.status = mapped(&it.status);
        }
        order.interrupted.take_if(|it| !steps(&it.status) || in_cycle(target));
        order.cycle = Some(mapped(&before.cycle))
            .filter(steps)
            .unwrap_or_else(|| new.active_cycle().next().expect("there is one").id.clone());
        order.assign(target, "", "")?;
        let on = self.today().max(before.visit().entered);
        order.enter(new, self.now, &Move { target, on, due: None, behalf: acted_for, not_complete: true });
        order.record(v1::HistoryKind::TypeChanged);
        Ok(order)
    }

    /// What an edit of a cycle does to each order, oldest first.
    pub fn edit(
        &self,
        after: &Type,
        replacements: &BTreeMap<String, String>,
        replan: bool,
        mut faults: Vec<Reason>,
    ) -> Result<Vec<Touched>, Reason> {
        let before = &self.types[&after.id];
        faults.extend(after.whole());
        for (from, to) in replacements {
            faults.extend(match (before.status(from), after.status(to)) {
                (None, _) => Some("NOT_FOUND"),
                _ if after.status(from).is_some() => Some("INVALID_REQUEST"),
                (_, None) => Some("NOT_FOUND"),
                (_, Some(taker)) if taker.inactive => Some("INACTIVE"),
                (Some(gone), Some(taker)) => {
                    (closes(gone) != closes(taker) || (in_cycle(gone) && !in_cycle(taker))).then_some("CYCLE_BROKEN")
                }
            });
        }
        if let Some(fault) = first_of(&faults) {
            return Err(fault);
        }
        let mut touched = Vec::new();
        for (place, order) in self.orders.iter().enumerate().filter(|(_, order)| order.kind == after.id) {
            let blocked = |id: &str| {
                let was = before.status(id)?;
                match after.status(id) {
                    None => (!replacements.contains_key(id)).then_some(()),
                    Some(is) => {
                        ((closes(was) && !closes(is)) || (!order.closed && in_cycle(was) != in_cycle(is))).then_some(())
                    }
                }
            };
            let waits = [Some(&order.cycle), order.interrupted.as_ref().map(|it| &it.status)];
            if blocked(&order.visit().status).is_some()
                || (!order.closed && waits.into_iter().flatten().any(|id| blocked(id).is_some()))
            {
                return Err("IN_USE");
            }
            touched.extend(self.edit_order(place, before, after, replacements, replan));
        }
        Ok(touched)
    }

    fn edit_order(
        &self,
        place: usize,
        before: &Type,
        after: &Type,
        replacements: &BTreeMap<String, String>,
        replan: bool,
    ) -> Option<Touched> {
        let was = &self.orders[place];
        let mut order = was.clone();
        let replaced = |id: &String| replacements.get(id).unwrap_or(id).clone();
        let open = !was.closed;
        let to = replaced(&was.visit().status);
        let target = after.status(&to).expect("nobody blocks");
        let moved = to != was.visit().status;
        if moved {
            order.leave(before, self.now, self.today().max(was.visit().entered), true);
        }
        if open {
            order.cycle = replaced(&was.cycle);
            if let Some(it) = &mut order.interrupted {
                it.status = replaced(&it.status);
            }
            if replan {
                order.replan_interrupted(after);
            }
            order.interrupted.take_if(|it| !moved && it.status == to);
        }
        if moved {
            if open {
                order.assign(target, "", "").expect("defaults are not refused");
            }
            let on = self.today().max(was.visit().entered);
            order.enter(after, self.now, &Move { target, on, due: None, behalf: "", not_complete: true });
            order.closed = was.closed;
        } else if open && closes(target) {
            order.closed = true;
        }
        if replan && open && !order.closed {
            let visit = order.visit().clone();
            if !moved && visit.due.map(|due| due.1) != Some(Source::Manual) {
                order.visit_mut().due = order.computed(after, target, visit.counts, visit.rework);
            }
        }
        let waits = |order: &Order| (order.cycle.clone(), order.interrupted.as_ref().map(|it| it.status.clone()));
        let (redirected, closes) = (!moved && waits(&order) != waits(was), open && order.closed);
        let due_moved = !moved && order.visit().due != was.visit().due;
        if moved || redirected || closes {
            order.record(v1::HistoryKind::CycleEdited);
        }
        if due_moved {
            order.record(v1::HistoryKind::DueDateChanged);
        }
        if replan && open && !moved && !order.closed {
            order.record_interrupted(was);
        }
        if order == *was {
            return None;
        }
        order.changed = true;
        let dates = (was.visit().due.map(|due| due.0), order.visit().due.map(|due| due.0));
        let newly_overdue = !was.overdue(self.now) && order.overdue(self.now);
        let due_changed = open && !closes && dates.0 != dates.1;
        Some(Touched { place, moved, closes, redirected, due_changed, newly_overdue, after: order })
    }

    /// Puts a type in its place, with what its edit did to orders.
    pub fn put(&mut self, mut after: Type, replacements: &BTreeMap<String, String>, touched: Vec<Touched>) {
        for it in touched {
            self.orders[it.place] = it.after;
        }
        let before = &self.types[&after.id];
        after.used.clone_from(&before.used);
        let gone = before.statuses.iter().map(|status| &status.id).filter(|id| after.status(id).is_none());
        let gone = gone.filter(|id| after.used.contains(*id));
        let gone: Vec<_> = gone.map(|id| (id.clone(), replacements.get(id).cloned())).collect();
        after.retired.extend(gone);
        after.version += 1;
        self.types.insert(after.id.clone(), after);
    }

    /// Remembers which statuses orders are in, or have just jumped over.
    pub fn note_used(&mut self) {
        for order in &self.orders {
            let kind = self.types.get_mut(&order.kind).expect("known");
            let (last, past) = order.visits.split_last().expect("an order has a visit");
            let skipped = past.iter().rev().take_while(|visit| visit.skipped);
            kind.used.extend(skipped.chain([last]).map(|visit| visit.status.clone()));
        }
    }
}

/// The fault that is told, in the documented order.
pub fn first_of(faults: &[Reason]) -> Option<Reason> {
    let order =
        ["INVALID_REQUEST", "NOT_FOUND", "ALREADY_EXISTS", "ETAG_MISMATCH", "INACTIVE", "CYCLE_BROKEN", "IN_USE"];
    order.into_iter().find(|reason| faults.contains(reason))
}
