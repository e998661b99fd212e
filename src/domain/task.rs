//! Tasks: what somebody has to do, made by a person or by a trigger.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::order::Context;

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
    /// What was said when it was closed.
    pub comment: String,
    /// Version of this row.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
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
