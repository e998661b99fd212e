//! Health turns: the instants at which the health of an order turns, so that lists can be filtered and sorted by it.
//!
//! Health is a question of the day on which it is asked: the later that is, the later an order finishes. So an order that nobody
//! touches is ahead up to one instant, then on target, and from another instant on late. Both are found by going back from the
//! latest finish that is still ahead, or in time, over all that is left to do.

use chrono::{DateTime, NaiveDate, TimeDelta, TimeZone, Utc};
use serde::{Deserialize, Serialize};

use super::{
    catalogue::{Catalogue, OrderType},
    order::Order,
    plan::Point,
    projection::{Health, ends, remaining, slack_of_held, target},
    refusal::Refusal,
    schedule::{self, Calendar},
};

/// When the health of an order turns, as long as nothing else changes: ahead before the first instant, late from the second on.
/// Both `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HealthTurns {
    /// The first instant at which it is not ahead.
    pub ahead_until: Option<DateTime<Utc>>,
    /// The first instant at which it is late.
    pub late_from: Option<DateTime<Utc>>,
}

impl HealthTurns {
    /// A health that does not turn: that of a closed order.
    fn always(health: Health) -> Self {
        let never = Utc.with_ymd_and_hms(2200, 1, 1, 0, 0, 0).single();
        let (ahead_until, late_from) = match health {
            Health::Ahead => (never, never),
            Health::OnTarget => (Some(DateTime::UNIX_EPOCH), never),
            Health::Late => (Some(DateTime::UNIX_EPOCH), Some(DateTime::UNIX_EPOCH)),
        };
        Self { ahead_until, late_from }
    }

    /// The health at an instant; `None` when it is not known.
    #[must_use]
    pub fn at(&self, now: DateTime<Utc>) -> Option<Health> {
        let (ahead_until, late_from) = (self.ahead_until?, self.late_from?);
        Some(match now {
            now if now >= late_from => Health::Late,
            now if now >= ahead_until => Health::OnTarget,
            _ => Health::Ahead,
        })
    }
}

/// When the health of an order turns.
#[must_use]
pub fn turns(order: &Order, catalogue: &Catalogue) -> HealthTurns {
    if order.closed_at.is_some() {
        return order.finish.map_or_else(HealthTurns::default, |finish| HealthTurns::always(finish.health));
    }
    let found = catalogue.order_type(&order.order_type).and_then(|order_type| of_open(order, order_type, catalogue));
    found.ok().flatten().unwrap_or_default()
}

fn of_open(order: &Order, order_type: &OrderType, catalogue: &Catalogue) -> Result<Option<HealthTurns>, Refusal> {
    let calendar = catalogue.calendar_of(order_type)?;
    if let Some(slack) = slack_of_held(order, order_type, catalogue)? {
        return Ok(Some(HealthTurns::always(Health::of(slack, order_type.health_tolerance))));
    }
    let target_on = target(order, order_type, catalogue, &mut ())?;
    let tolerance = i32::try_from(order_type.health_tolerance).unwrap_or(i32::MAX);
    let last = |slack| schedule::last_with_open_days(calendar, target_on, slack);
    let (Some(ahead), Some(in_time)) = (last(tolerance.saturating_add(1)), last(-tolerance)) else { return Ok(None) };
    Ok(Some(HealthTurns {
        ahead_until: Some(first_after(order, order_type, catalogue, ahead)?),
        late_from: Some(first_after(order, order_type, catalogue, in_time)?),
    }))
}

/// The first instant from which an order finishes after a day: in 1970 when it does whatever the day.
fn first_after(
    order: &Order,
    order_type: &OrderType,
    catalogue: &Catalogue,
    finish_on: NaiveDate,
) -> Result<DateTime<Utc>, Refusal> {
    let mut calendar = catalogue.calendar_of(order_type)?;
    let mut latest = Point::End(finish_on);
    for (own, span) in remaining(order, order_type, catalogue)?.into_iter().rev() {
        latest = latest.before(own, span)?;
        calendar = own;
    }
    let end = match order_type.status(&order.visit.status) {
        Some(status) => ends(order, order_type, catalogue, status, order.visit.counts_from())?,
        None => None,
    };
    let too_late = |(end, own): (Point, &Calendar)| match (end, latest) {
        // Days are compared as days: calendars may lie in different zones.
        (Point::End(end), Point::End(latest)) => end > latest,
        _ => end.instant(own) > latest.instant(calendar),
    };
    if end.is_some_and(too_late) {
        return Ok(DateTime::UNIX_EPOCH);
    }
    Ok(match latest {
        Point::From(at) | Point::Until(at) => at + TimeDelta::microseconds(1),
        Point::Start(_) | Point::End(_) => latest.instant(calendar),
    })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        sync::{Arc, LazyLock},
    };

    use chrono::{Datelike as _, Days};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        catalogue::{CalendarEntry, Status, StatusClock, StatusKind},
        create::{NewOrder, blank},
        order::{DueSource, Entry, Interrupted},
        plan::{Method, Planned},
        projection,
        schedule::{CalendarSpec, DayHours, Exception, ExceptionDays, Interval},
    };

    fn status(id: usize, kind: StatusKind, duration: Option<(bool, u32)>) -> Status {
        Status {
            id: format!("s{id}"),
            name: "-".into(),
            definition: String::new(),
            colour: "#000000".into(),
            icon: String::new(),
            stage: String::new(),
            default_department: None,
            default_user: None,
            duration_days: duration.filter(|(days, _)| *days).map(|(_, count)| count % 12),
            duration_minutes: duration.filter(|(days, _)| !*days).map(|(_, count)| count + 1),
            kind,
            clock: StatusClock::Runs,
            inactive: false,
        }
    }

    static CALENDAR: LazyLock<Arc<CalendarEntry>> = LazyLock::new(|| Arc::new(calendar()));

    /// Vienna, Monday to Friday 07:00 to 12:00 and 13:00 to 16:00; a works holiday in the middle of March 2026.
    fn calendar() -> CalendarEntry {
        let open = vec![Interval { from_minute: 420, to_minute: 720 }, Interval { from_minute: 780, to_minute: 960 }];
        let day = |index: usize| if index < 5 { DayHours::Open(open.clone()) } else { DayHours::Closed };
        let on = |day| NaiveDate::from_ymd_opt(2026, 3, day).expect("a valid date");
        let holiday = Exception {
            name: "works holiday".into(),
            days: ExceptionDays::On { from: on(11), to: on(17) },
            hours: DayHours::Closed,
        };
        let spec = CalendarSpec {
            id: "plant".into(),
            name: "Plant".into(),
            zone: chrono_tz::Europe::Vienna,
            week: std::array::from_fn(day),
            exceptions: vec![holiday],
            maintained_until: None,
        };
        let at = DateTime::UNIX_EPOCH;
        CalendarEntry { calendar: Calendar::compile(&spec), spec, version: 1, created_at: at, updated_at: at }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

        #[test]
        fn lists_and_orders_agree_on_health_to_the_microsecond(
            durations in prop::collection::vec(prop::option::weighted(0.9, (any::<bool>(), 0_u32..3_000)), 2..6),
            current in 0_usize..5,
            aside in prop::option::of(any::<bool>()),
            (tolerance, delivery) in (0_u32..3, prop::option::of(0_u64..60)),
            (entered, looked) in (0_i64..30 * 1_440, prop::collection::vec(0_i64..90 * 1_440, 8)),
            left in prop::option::of((any::<bool>(), 0_i64..20 * 1_440)),
        ) {
            let begin = Utc.with_ymd_and_hms(2026, 3, 1, 0, 0, 0).single().expect("a valid instant");
            let last = durations.len() - 1;
            let kind = |index| match index {
                0 => StatusKind::Initial,
                index if index == last => StatusKind::Final,
                _ => StatusKind::Standard,
            };
            let mut statuses: Vec<_> =
                durations.iter().enumerate().map(|(index, it)| status(index, kind(index), *it)).collect();
            let mut hold = status(99, StatusKind::NonStandard, None);
            hold.clock = if aside == Some(true) { StatusClock::Pauses } else { StatusClock::Runs };
            let aside = aside.is_some();
            statuses.push(hold.clone());
            let order_type = OrderType {
                id: "part".into(),
                name: "Part".into(),
                description: String::new(),
                calendar: "plant".into(),
                schedule_method: None,
                default_status: None,
                inactive: false,
                statuses,
                moves: Vec::new(),
                health_tolerance: tolerance,
                retired: Vec::new(),
                replaced: BTreeMap::new(),
                version: 1,
                created_at: begin,
                updated_at: begin,
            };
            let day = begin.date_naive();
            let mut order = blank(&NewOrder::default(), uuid::Uuid::nil(), day, begin, &order_type);
            order.order_type = "part".into();
            order.delivery_on = delivery.map(|days| day + Days::new(days));
            let place = current.min(last - 1);
            order.visit.entered_at = begin + TimeDelta::minutes(entered);
            let entry = Arc::clone(&CALENDAR);
            order.visit.entered_on = schedule::local_date(&entry.calendar, order.visit.entered_at);
            order.cycle_status = format!("s{place}");
            order.visit.status.clone_from(if aside { &hold.id } else { &order.cycle_status });
            if let Some((true, minutes)) = left {
                let from = order.visit.entered_at + TimeDelta::minutes(minutes / 4);
                order.holds = vec![(from, from + TimeDelta::minutes(minutes / 2))];
                order.lost_days = schedule::lost_days(&entry.calendar, &order.holds);
            }
            if let (true, Some((exact, minutes))) = (aside, left) {
                let at = order.visit.entered_at + TimeDelta::minutes(minutes);
                let on = schedule::local_date(&entry.calendar, at);
                let due = Planned { on, at: exact.then_some(at), source: DueSource::Plan };
                let before = order.visit.entered_at - TimeDelta::minutes(minutes / 3);
                let entered = (!exact).then(|| Entry { on: schedule::local_date(&entry.calendar, before), at: before });
                order.interrupted =
                    Some(Interrupted { status: order.cycle_status.clone(), due: Some(due), entered, rework: false });
            }
            let catalogue = Catalogue {
                version: 1,
                types: [("part".to_owned(), Arc::new(order_type.clone()))].into(),
                calendars: [("plant".to_owned(), entry)].into(),
                users: BTreeMap::new(),
                departments: BTreeMap::new(),
                triggers: BTreeMap::new(),
                webhooks: BTreeMap::new(),
                stages: Arc::new(Vec::new()),
                stages_version: 1,
                schedule_version: 1,
                schedule_method: Method::FromOrderDate,
            };
            let turns = turns(&order, &catalogue);
            let step = TimeDelta::microseconds(1);
            // Of a health that does not turn, the instants lie at the ends of time.
            let edges = [turns.ahead_until, turns.late_from].into_iter().flatten().filter(|at| at.year() < 2_150);
            let edges = edges.flat_map(|at| [at - step, at, at + step]);
            let looked = looked.into_iter().map(|minutes| order.visit.entered_at + TimeDelta::minutes(minutes));
            for now in edges.chain(looked).filter(|now| *now >= order.visit.entered_at) {
                let projected = projection::project(&order, &order_type, &catalogue, now);
                prop_assert_eq!(turns.at(now), projected.map(|it| it.health), "{} {:?} {:?}", now, turns, projected);
            }
        }
    }
}
