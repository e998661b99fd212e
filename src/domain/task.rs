//! Tasks: what somebody has to do, made by a person or by a trigger.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    catalogue::Catalogue,
    order::{Context, Order},
    schedule::{self, Calendar},
};

/// Characters of a title.
pub const TITLE_MAX: usize = 200;
/// Characters of a description.
pub const DESCRIPTION_MAX: usize = 2_000;
/// Characters of what is said when a task is closed or reopened.
pub const COMMENT_MAX: usize = 2_000;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// To be done.
    #[default]
    Open,
    /// Done.
    Done,
    /// Not to be done any more.
    Cancelled,
}

impl TaskState {
    /// As the database writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Done => "DONE",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// From what the database wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Done, Self::Cancelled].into_iter().find(|state| state.as_str() == text)
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Made by the server.
    pub id: Uuid,
    /// 1 to 200 characters.
    pub title: String,
    /// For people.
    pub description: String,
    /// The order it is about: id and number.
    pub order: Option<(Uuid, String)>,
    /// Who has it.
    pub user: Option<String>,
    /// Which department has it.
    pub department: Option<String>,
    /// The last day in time, and the first instant after it.
    pub due: Option<(NaiveDate, DateTime<Utc>)>,
    /// Where it stands.
    pub state: TaskState,
    /// Principal, or the user on whose behalf.
    pub made_by: String,
    /// Id of the trigger that made it, or empty.
    pub rule: String,
    /// Who closed it, or empty.
    pub closed_by: String,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    /// What was said when it was last closed or reopened.
    pub comment: String,
    /// Version of this row.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Task {
    /// The etag of this state.
    #[must_use]
    pub fn etag(&self) -> String {
        self.version.to_string()
    }

    /// Whether it is overdue at `now`: open, and the day after its due date has begun. The one function that says so.
    #[must_use]
    pub fn overdue(&self, now: DateTime<Utc>) -> bool {
        self.state == TaskState::Open && schedule::overdue(now, self.due.map(|(_, at)| at))
    }

    /// Who has it: the user, else the department.
    #[must_use]
    pub fn holder(&self) -> (Option<&str>, Option<&str>) {
        match &self.user {
            Some(user) => (Some(user), None),
            None => (None, self.department.as_deref()),
        }
    }
}

/// The calendar in which the due date of a task counts: that of the current visit of its order, else that of its department. `None`
/// where there is neither: days then are those of UTC.
#[must_use]
pub fn calendar_of<'a>(
    order: Option<&Order>,
    department: Option<&str>,
    catalogue: &'a Catalogue,
) -> Option<&'a Calendar> {
    let of_order = order.and_then(|order| catalogue.calendar_of_visit(order).ok());
    let department = department.and_then(|id| catalogue.departments.get(id));
    let of_department = department.and_then(|it| it.calendar.as_deref()).and_then(|id| catalogue.calendars.get(id));
    of_order.or_else(|| of_department.map(|entry| &entry.calendar))
}

/// A due date with its instant: the first of the day after it, in the zone of the calendar.
#[must_use]
pub fn due(on: NaiveDate, calendar: Option<&Calendar>) -> (NaiveDate, DateTime<Utc>) {
    let at = calendar.map_or_else(
        || schedule::instant(Tz::UTC, on.succ_opt().unwrap_or(on), 0),
        |calendar| schedule::due_at(calendar, on),
    );
    (on, at)
}

/// A task that is to be made.
#[derive(Debug, Clone, Default)]
pub struct NewTask {
    /// 1 to 200 characters.
    pub title: String,
    /// At most 2 000 characters.
    pub description: String,
    /// The order it is about: id and number.
    pub order: Option<(Uuid, String)>,
    /// Who gets it.
    pub user: Option<String>,
    /// Which department gets it.
    pub department: Option<String>,
    /// The last day in time, and the first instant after it.
    pub due: Option<(NaiveDate, DateTime<Utc>)>,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// Id of the trigger that makes it, or empty.
    pub rule: String,
}

impl NewTask {
    /// The task.
    #[must_use]
    pub fn task(self, cx: &mut Context<'_>) -> Task {
        let made_by = if self.on_behalf_of.is_empty() { cx.actor.to_owned() } else { self.on_behalf_of };
        Task {
            id: cx.ids.next(cx.now),
            title: self.title,
            description: self.description,
            order: self.order,
            user: self.user,
            department: self.department,
            due: self.due,
            state: TaskState::Open,
            made_by,
            rule: self.rule,
            closed_by: String::new(),
            closed_at: None,
            comment: String::new(),
            version: 1,
            created_at: cx.now,
            updated_at: cx.now,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_task_is_overdue_from_the_first_instant_of_the_day_after_and_only_while_it_is_open() {
        let on = NaiveDate::from_ymd_opt(2028, 2, 29).expect("a leap day");
        let due = due(on, None);
        assert_eq!(due.1.to_rfc3339(), "2028-03-01T00:00:00+00:00");
        let mut ids = super::super::ids::Ids::seeded(1);
        let catalogue = Catalogue::default();
        let mut cx =
            Context { catalogue: &catalogue, now: due.1, ids: &mut ids, actor: "local", fallback: "", cause: "" };
        let mut task = NewTask { title: "t".into(), due: Some(due), ..NewTask::default() }.task(&mut cx);
        let us = TimeDelta::microseconds(1);
        assert_eq!([due.1 - us, due.1, due.1 + us].map(|now| task.overdue(now)), [false, true, true]);
        for closed in [TaskState::Done, TaskState::Cancelled] {
            task.state = closed;
            assert!(!task.overdue(due.1 + us));
        }
        let never = NewTask { title: "t".into(), ..NewTask::default() }.task(&mut cx);
        assert!(!never.overdue(DateTime::<Utc>::MAX_UTC));
    }
}
