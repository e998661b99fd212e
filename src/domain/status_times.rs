//! Status times: how long an order was in each status, and how often. Derived from its visits.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    order::{Order, Visit},
    schedule::{self, Calendar},
};

/// How long an order was in one status, over all its visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusTime {
    /// Id of the status.
    pub status: String,
    /// Its name at the last visit.
    pub status_name: String,
    /// Stays in it; those that were skipped do not count.
    pub visits: u32,
    /// Stays that were rework.
    pub rework_visits: u32,
    /// Times that it was jumped over.
    pub skipped: u32,
    /// By the clock on the wall; an open visit counts to now.
    pub total: TimeDelta,
    /// Open days from the day of entry to that of leaving, the first not counted.
    pub business_days: u32,
    /// Visits that were, or are, overdue.
    pub overdue_visits: u32,
    /// The order is in it now.
    pub current: bool,
}

/// The statuses in the order of the first entry, and the time from the first entry to the close, or to now. The last visit of a
/// closed order takes no time: it was closed on entry.
#[must_use]
pub fn status_times(
    visits: &[Visit],
    order: &Order,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> (Vec<StatusTime>, TimeDelta) {
    let end = order.closed_at.unwrap_or(now);
    let mut times: Vec<StatusTime> = Vec::new();
    for visit in visits {
        let place = times.iter().position(|time| time.status == visit.status).unwrap_or_else(|| {
            times.push(blank(&visit.status));
            times.len() - 1
        });
        let time = &mut times[place];
        time.status_name.clone_from(&visit.status_name);
        if visit.skipped {
            time.skipped += 1;
            continue;
        }
        let left_at = visit.left_at.unwrap_or(end).max(visit.entered_at);
        time.visits += 1;
        time.rework_visits += u32::from(visit.rework);
        time.total += left_at - visit.entered_at;
        // What was closed on entry was left on the day that was given for it, whenever it was recorded.
        let ended_on =
            || if left_at == visit.entered_at { visit.entered_on } else { schedule::local_date(calendar, left_at) };
        let left_on = visit.completed_on.unwrap_or_else(ended_on);
        time.business_days += u32::try_from(schedule::open_days(calendar, visit.entered_on, left_on)).unwrap_or(0);
        time.overdue_visits += u32::from(schedule::overdue(left_at, visit.due.map(|due| due.at)));
        time.current |= visit.left_at.is_none();
    }
    let total = visits.first().map_or_else(TimeDelta::zero, |first| (end - first.entered_at).max(TimeDelta::zero()));
    (times, total)
}

fn blank(status: &str) -> StatusTime {
    StatusTime {
        status: status.to_owned(),
        status_name: String::new(),
        visits: 0,
        rework_visits: 0,
        skipped: 0,
        total: TimeDelta::zero(),
        business_days: 0,
        overdue_visits: 0,
        current: false,
    }
}
