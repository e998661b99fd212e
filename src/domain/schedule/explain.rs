//! Explains a due date day by day.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{
    compiled::Calendar,
    due::{ScheduleRefusal, backward, due_at, forward, local_date},
    work::work_between,
};

/// One day that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayTrace {
    /// The day.
    pub day: NaiveDate,
    /// The count after this day; closed days keep the count before them.
    pub count: u32,
    /// Why the day did not count.
    pub closed_because: Option<String>,
}

/// Days that are explained at most: ten years.
pub const EXPLAINED_DAYS_MAX: usize = 3_700;

/// Every day from the start to the result of `forward`, both inclusive, but only the first 3 700: a longer trace ends before
/// the result.
///
/// # Errors
/// `BeyondHorizon`, as `forward`.
pub fn explain_forward(calendar: &Calendar, start: NaiveDate, days: u32) -> Result<Vec<DayTrace>, ScheduleRefusal> {
    let end = forward(calendar, start, days)?;
    let mut trace = Vec::new();
    let mut count = None;
    for day in start.iter_days().take_while(|day| *day <= end).take(EXPLAINED_DAYS_MAX) {
        let closed_because = closed_because(calendar, day);
        if closed_because.is_none() {
            count = Some(count.map_or(0, |count: u32| count + 1));
        }
        trace.push(DayTrace { day, count: count.unwrap_or(0), closed_because });
    }
    Ok(trace)
}

/// Every day from the start back to the result of `backward`, both inclusive, the latest first, but only the first 3 700.
///
/// # Errors
/// `BeyondHorizon`, as `backward`.
pub fn explain_backward(calendar: &Calendar, start: NaiveDate, days: u32) -> Result<Vec<DayTrace>, ScheduleRefusal> {
    let end = backward(calendar, start, days)?;
    let mut count = None;
    let back = std::iter::successors(Some(start), NaiveDate::pred_opt);
    let looked_at = back.take_while(|day| *day >= end).take(EXPLAINED_DAYS_MAX);
    Ok(looked_at
        .map(|day| {
            let closed_because = closed_because(calendar, day);
            if closed_because.is_none() {
                count = Some(count.map_or(0, |count: u32| count + 1));
            }
            DayTrace { day, count: count.unwrap_or(0), closed_because }
        })
        .collect())
}

/// Every day between two instants, both inclusive, with the minutes of working time counted so far, but only the first 3 700.
/// When `to` lies before `from`, the latest day comes first and the count is of what was counted back.
#[must_use]
pub fn explain_work(calendar: &Calendar, from: DateTime<Utc>, to: DateTime<Utc>) -> Vec<DayTrace> {
    let day_of = |at| local_date(calendar, at);
    let end_day = day_of(if to > from { to - TimeDelta::microseconds(1) } else { to });
    let first = day_of(from);
    let step = |day: &NaiveDate| if end_day >= first { day.succ_opt() } else { day.pred_opt() };
    let within = |day: &NaiveDate| if end_day >= first { *day <= end_day } else { *day >= end_day };
    let counted = |day: NaiveDate| {
        let worked = if end_day >= first {
            work_between(calendar, from, due_at(calendar, day).min(to))
        } else {
            work_between(calendar, due_at(calendar, day.pred_opt().unwrap_or(day)).max(to), from)
        };
        u32::try_from(worked.num_minutes()).unwrap_or(0)
    };
    std::iter::successors(Some(first), step)
        .take_while(within)
        .take(EXPLAINED_DAYS_MAX)
        .map(|day| DayTrace { day, count: counted(day), closed_because: closed_because(calendar, day) })
        .collect()
}

/// Why a day does not count; `None` when it is open.
fn closed_because(calendar: &Calendar, day: NaiveDate) -> Option<String> {
    let (hours, exception) = calendar.day(day);
    let name = || exception.map_or_else(|| day.format("%A").to_string(), |exception| exception.name.clone());
    (!hours.is_open()).then(name)
}

#[cfg(test)]
mod tests {
    use super::{
        super::calendar::{
            ExceptionDays,
            tests::{closed, date, weekdays},
        },
        *,
    };

    #[test]
    fn a_long_explanation_ends_after_3700_days() {
        let calendar = Calendar::compile(&weekdays(chrono_tz::UTC));
        let trace = |days| explain_forward(&calendar, date("2026-01-05"), days).expect("within the horizon");
        // 3 700 days are 528 weeks and 4 days: Monday to Thursday.
        assert_eq!((trace(2_643).len(), trace(2_643).last().map(|day| day.count)), (3_700, Some(2_643)));
        assert_eq!((trace(2_644).len(), trace(2_644).last().map(|day| day.count)), (3_700, Some(2_643)));
    }

    #[test]
    fn each_day_is_counted_or_has_a_reason() {
        let mut spec = weekdays(chrono_tz::Europe::Vienna);
        let day = date("2026-05-01");
        spec.exceptions = vec![closed("Labour Day", ExceptionDays::On { from: day, to: day })];
        let trace = explain_forward(&Calendar::compile(&spec), date("2026-04-30"), 1).expect("within the horizon");
        let lines: Vec<_> = trace
            .iter()
            .map(|day| format!("{} {} {}", day.day, day.count, day.closed_because.as_deref().unwrap_or("open")))
            .collect();
        assert_eq!(
            lines,
            [
                "2026-04-30 0 open",
                "2026-05-01 0 Labour Day",
                "2026-05-02 0 Saturday",
                "2026-05-03 0 Sunday",
                "2026-05-04 1 open"
            ]
        );
    }
}
