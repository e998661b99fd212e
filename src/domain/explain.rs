//! Explain: the due date of a visit, step by step and day by day. The same counting that decides it, listened to.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    catalogue::{Catalogue, OrderType, Status, StatusClock},
    order::{Due, DueSource, Order, Visit},
    plan::{Method, Planned, Point, Span, Trace, holds_since, method_of, traced_due},
    refusal::Refusal,
    schedule::{self, Calendar, DayTrace, EXPLAINED_DAYS_MAX, HeldDay},
    step::stay,
    unmaintained,
};

/// Days that one step names.
pub const STEP_DAYS_MAX: usize = 400;

/// One step from where counting began to the due date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Id and name of the status whose duration is counted; `None` when holds are given back.
    pub status: Option<(String, String)>,
    /// Id of the calendar in which it counts.
    pub calendar: String,
    /// Where it begins: day, and instant when it is one.
    pub from: (NaiveDate, Option<DateTime<Utc>>),
    /// Where it ends.
    pub to: (NaiveDate, Option<DateTime<Utc>>),
    /// Business days that it counts.
    pub days: u32,
    /// Minutes of working time that it counts.
    pub minutes: u32,
    /// It counts back.
    pub back: bool,
    /// Each day that was looked at; of a longer step the first `STEP_DAYS_MAX`.
    pub trace: Vec<DayTrace>,
    /// Days that were looked at and are not named.
    pub left_out: u32,
    /// Closed days among all that were looked at, named or not.
    pub closed: u32,
}

/// A hold that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// From when.
    pub from: DateTime<Utc>,
    /// To when.
    pub to: DateTime<Utc>,
    /// Id and name of the status that held the order; empty when no visit tells.
    pub status: (String, String),
}

/// A due date with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Id and name of the status.
    pub status: (String, String),
    /// The due date of the visit.
    pub due: Option<Due>,
    /// What the rules of today give.
    pub rule: Option<Due>,
    /// The method by which the order is planned.
    pub method: Method,
    /// The rule in words.
    pub sentences: Vec<String>,
    /// From where counting began.
    pub steps: Vec<Step>,
    /// Holds that have ended, as far as they count.
    pub holds: Vec<Hold>,
    /// Open days lost by them.
    pub lost_days: u32,
    /// The days on which they took working time, in the calendar in which that is given back; the first `STEP_DAYS_MAX`.
    pub held_days: Vec<HeldDay>,
    /// Such days that are not named.
    pub held_days_left_out: usize,
    /// The due date was counted over days whose holidays nobody has maintained.
    pub beyond_holidays: bool,
}

/// Explains the due date of the visit that an order is in; of a closed order that of its last visit. `visits` are those of the
/// order: they tell which status a hold was.
///
/// # Errors
/// `NotFound` (the type; the database keeps it from happening), `BeyondHorizon`.
pub fn explain(order: &Order, visits: &[Visit], catalogue: &Catalogue) -> Result<Explanation, Refusal> {
    let order_type = catalogue.order_type(&order.order_type)?;
    let visit = &order.visit;
    let method = method_of(order, order_type, catalogue);
    let mut explained = Explanation {
        status: (visit.status.clone(), visit.status_name.clone()),
        due: visit.due,
        rule: None,
        method,
        sentences: Vec::new(),
        steps: Vec::new(),
        holds: Vec::new(),
        lost_days: 0,
        held_days: Vec::new(),
        held_days_left_out: 0,
        beyond_holidays: false,
    };
    let Some(status) = order_type.status(&visit.status) else { return Ok(explained) };
    let calendar = catalogue.calendar_in(order_type, status)?;
    let mut steps = Steps(Vec::new());
    let planned = traced_due(order, order_type, catalogue, status, (visit.counts_from(), visit.rework), &mut steps)?;
    explained.steps = steps.0;
    explained.rule = planned.map(|planned| planned.due(calendar));
    // Days are lost in the calendar of the type, working time in that of the status.
    let types = catalogue.calendar_of(order_type)?;
    let (holds, lost_days) = match planned.map(|planned| planned.source) {
        Some(DueSource::Plan) => (order.holds.clone(), order.lost_days),
        Some(DueSource::Entry) => {
            let since = holds_since(order, visit.counts_from().point(calendar).instant(calendar));
            let lost = schedule::lost_days(types, &since);
            (since, lost)
        }
        _ => (Vec::new(), 0),
    };
    let in_hours = planned.is_some_and(|planned| planned.at.is_some());
    let counting = if in_hours { calendar } else { types };
    (explained.held_days, explained.held_days_left_out) = schedule::held_days(counting, &holds, STEP_DAYS_MAX);
    explained.lost_days = lost_days;
    explained.holds = holds.into_iter().map(|held| hold(held, visits, order_type, types)).collect();
    explained.sentences = sentences(order, order_type, status, method, planned, explained.rule);
    if let Some(found) = unmaintained::of_due(order, catalogue) {
        explained.beyond_holidays = true;
        explained.sentences.push(found.sentence("this date") + ".");
    }
    Ok(explained)
}

/// A hold with the status of the visit that it was: the one that it overlaps most, since the calendar, and with it the ends of a
/// stay that was reported late, may have changed; among equals one whose clock pauses.
fn hold(
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    visits: &[Visit],
    order_type: &OrderType,
    calendar: &Calendar,
) -> Hold {
    let pauses = |id: &str| order_type.status(id).is_some_and(|status| status.clock == StatusClock::Pauses);
    let overlap = |visit: &&Visit| {
        let left_at = visit.left_at.filter(|_| !visit.skipped)?;
        let left_on = visit.completed_on.unwrap_or_else(|| schedule::local_date(calendar, left_at));
        let (begin, end) = stay(visit, (left_at, left_on), calendar);
        let both = end.min(to) - begin.max(from);
        (both >= TimeDelta::zero()).then(|| (both, pauses(&visit.status)))
    };
    let visit = visits.iter().filter(|visit| overlap(visit).is_some()).max_by_key(overlap);
    let status = visit.map(|visit| (visit.status.clone(), visit.status_name.clone())).unwrap_or_default();
    Hold { from, to, status }
}

fn sentences(
    order: &Order,
    order_type: &OrderType,
    status: &Status,
    method: Method,
    planned: Option<Planned>,
    rule: Option<Due>,
) -> Vec<String> {
    let visit = &order.visit;
    let name = &status.name;
    let mut said = Vec::new();
    let whose = match (order.schedule_method, order_type.schedule_method) {
        (Some(_), _) => "this order",
        (None, Some(_)) => "its type",
        (None, None) => "the company",
    };
    said.push(match (status.duration(), planned.map(|planned| planned.source)) {
        (None, _) => format!("'{name}' has no duration, so a visit has no due date by rule."),
        (Some(_), None) => "It is planned back from the delivery date, and has none.".to_owned(),
        (Some(_), Some(DueSource::Entry)) if !status.in_cycle() => {
            format!("'{name}' stands beside the cycle, so it counts from the day of entry.")
        }
        (Some(_), Some(DueSource::Entry)) if visit.rework => {
            format!("'{name}' was completed before, so this is rework and counts from the day of entry.")
        }
        (Some(_), Some(DueSource::Entry)) => format!("Each status counts from the day of entry, as {whose} says."),
        (Some(_), Some(DueSource::Delivery)) => {
            format!("It is planned back from the delivery date, as {whose} says; holds do not move it.")
        }
        (Some(_), Some(_)) => {
            let word = if method == Method::FromOrderDate { "forward from the order date" } else { "by the plan" };
            format!(
                "It is planned {word}, as {whose} says: each status adds its duration to the end of the one before."
            )
        }
    });
    if visit.resumed {
        said.push("The visit goes on with one that was interrupted.".to_owned());
    }
    match (visit.due, rule) {
        (Some(due), Some(rule)) if due.source == DueSource::Manual => {
            said.push(format!("A person set {}; the rule would give {}.", due.on, rule.on));
        }
        (Some(due), None) if due.source == DueSource::Manual => said.push(format!("A person set {}.", due.on)),
        (due, rule) if due.map(|due| due.at) != rule.map(|due| due.at) => {
            let day = |due: Option<Due>| due.map_or_else(|| "none".to_owned(), |due| due.on.to_string());
            said.push(format!(
                "The date is {}, as it was decided then; by the rules of today it would be {}.",
                day(due),
                day(rule)
            ));
        }
        _ => {}
    }
    said
}

/// Keeps what it hears.
struct Steps(Vec<Step>);

impl Trace for Steps {
    fn step(&mut self, status: Option<&Status>, calendar: &Calendar, from: Point, span: Span, to: Point) {
        let back = to.instant(calendar) < from.instant(calendar);
        let (days, minutes) = match span {
            Span::Days(days) => (days, 0),
            Span::Work(work) => (0, u32::try_from(work.num_minutes()).unwrap_or(u32::MAX)),
        };
        // What cannot be counted was refused when it was decided.
        let mut trace = match span {
            Span::Days(days) if back => {
                schedule::explain_backward(calendar, from.whole_day(calendar), days).unwrap_or_default()
            }
            Span::Days(days) => schedule::explain_forward(calendar, from.day(calendar), days).unwrap_or_default(),
            Span::Work(_) => schedule::explain_work(calendar, from.instant(calendar), to.instant(calendar)),
        };
        let (looked_at, closed) = looked_at(calendar, &trace, to.day(calendar));
        trace.truncate(STEP_DAYS_MAX);
        let left_out = looked_at.saturating_sub(u32::try_from(trace.len()).unwrap_or(u32::MAX));
        let place = |point: Point| (point.day(calendar), point.exact());
        self.0.push(Step {
            status: status.map(|status| (status.id.clone(), status.name.clone())),
            calendar: calendar.spec().id.clone(),
            from: place(from),
            to: place(to),
            days,
            minutes,
            back,
            trace,
            left_out,
            closed,
        });
    }
}

/// How many days were looked at, and how many of them are closed. A trace that is as long as it may be ends before `last`.
fn looked_at(calendar: &Calendar, trace: &[DayTrace], last: NaiveDate) -> (u32, u32) {
    let count = |days: i64| u32::try_from(days).unwrap_or(0);
    match trace.first() {
        Some(first) if trace.len() >= EXPLAINED_DAYS_MAX => {
            let (begin, end) = (first.day.min(last), first.day.max(last));
            let days = (end - begin).num_days() + 1;
            let before = begin.pred_opt().unwrap_or(begin);
            (count(days), count(days - i64::from(schedule::open_days(calendar, before, end))))
        }
        _ => {
            let closed = trace.iter().filter(|day| day.closed_because.is_some()).count();
            (u32::try_from(trace.len()).unwrap_or(0), u32::try_from(closed).unwrap_or(0))
        }
    }
}

impl Step {
    /// What the step does, in words.
    #[must_use]
    pub fn text(&self) -> String {
        let count = |count: u32, noun: &str| if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") };
        let amount = match (self.days, self.minutes) {
            (days, 0) => count(days, "business day"),
            (_, minutes) => {
                let (hours, minutes) = (minutes / 60, minutes % 60);
                match (hours, minutes) {
                    (0, minutes) => format!("{} of work", count(minutes, "minute")),
                    (hours, 0) => format!("{} of work", count(hours, "hour")),
                    (hours, minutes) => format!("{} {} of work", count(hours, "hour"), count(minutes, "minute")),
                }
            }
        };
        match (&self.status, self.back) {
            (Some((_, name)), false) => format!("{name}: {amount}"),
            (Some((_, name)), true) if self.days == 0 && self.minutes == 0 => format!("{name}: in open time before"),
            (Some((_, name)), true) => format!("before {name}: {amount} back"),
            (None, _) => format!("given back for holds: {amount}"),
        }
    }
}
