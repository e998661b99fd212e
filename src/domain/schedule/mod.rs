//! Calendars and due dates: which days count, and when a visit is late.
//!
//! The conventions C1 to C6 hold everywhere: a due date is a day in the zone of its calendar and no time of day takes part in
//! counting; a start on a closed day first moves to the next open day (day 0) and the result is the n-th open day after; a visit
//! is overdue from the first instant of the day after its due date.

#[cfg(test)]
mod busday;
mod calendar;
mod compiled;
mod due;
mod explain;
mod hold;
mod hours;
pub mod icalendar;
mod local;
mod maintained;
#[cfg(test)]
mod properties;
mod work;
#[cfg(test)]
mod work_properties;

pub use calendar::{CalendarSpec, DayHours, EXCEPTIONS_MAX, Exception, ExceptionDays, Interval, MonthDay};
pub use compiled::Calendar;
pub use due::{
    HORIZON_YEARS, ScheduleRefusal, backward, days_late, due_at, forward, is_open, last_with_open_days, local_date,
    open_days, overdue,
};
pub use explain::{DayTrace, EXPLAINED_DAYS_MAX, explain_backward, explain_forward, explain_work};
pub use hold::{HeldDay, held_days, held_work, lost_days};
pub use local::instant;
pub use maintained::{ENDS_SOON_DAYS, Upkeep, beyond_holidays};
pub use work::{work_backward, work_between, work_forward};
