//! How a task is made, changed, closed and reopened.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    advance::on_behalf_of,
    alerts::{
        message::{Given, Message},
        task_mail,
    },
    order::{Context, Order},
    refusal::{Kind, Refusal},
    task::{COMMENT_MAX, DESCRIPTION_MAX, NewTask, TITLE_MAX, Task, TaskState, calendar_of, due},
    violation::{Violation, Violations},
};

/// What a caller wants to have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskDraft {
    /// 1 to 200 characters.
    pub title: String,
    /// At most 2 000 characters.
    pub description: String,
    /// Id of the user who gets it.
    pub user: Option<String>,
    /// Id of the department that gets it.
    pub department: Option<String>,
    /// Last day in time.
    pub due_on: Option<NaiveDate>,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
}

/// Changed fields of a task; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFields {
    /// 1 to 200 characters.
    pub title: Option<String>,
    /// At most 2 000 characters.
    pub description: Option<String>,
    /// Id of the user who gets it.
    pub user: Option<Option<String>>,
    /// Id of the department that gets it.
    pub department: Option<Option<String>>,
    /// Last day in time.
    pub due_on: Option<Option<NaiveDate>>,
}

/// What happens to a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStep {
    /// Fields change.
    Update(TaskFields),
    /// It is done.
    Complete {
        /// At most 2 000 characters.
        comment: String,
    },
    /// It is not to be done any more.
    Cancel {
        /// At most 2 000 characters.
        comment: String,
    },
    /// It is to be done again.
    Reopen {
        /// At most 2 000 characters.
        comment: String,
    },
}

/// A change of a task as a caller asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskChange {
    /// The task's etag as the caller saw it.
    pub etag: Option<String>,
    /// User on whose behalf, or empty.
    pub on_behalf_of: String,
    /// What happens.
    pub step: TaskStep,
}

/// A task after a change, and who is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDecision {
    /// The task.
    pub task: Task,
    /// Messages to who has it from now on.
    pub messages: Vec<Message>,
}

/// Finds what is wrong with who gets a task.
fn check_holders(user: Option<&String>, department: Option<&String>, v: &mut Violations) {
    for (field, id) in [("assigned_user", user), ("assigned_department", department)] {
        v.id(field, id.map_or("", String::as_str));
    }
}

const NOBODY: &str = "somebody has to do it: name a user or a department";

impl TaskDraft {
    /// Finds all wrong fields of the task.
    pub fn check(&self, v: &mut Violations) {
        v.line("title", &self.title, 1, TITLE_MAX);
        v.text("description", &self.description, 0, DESCRIPTION_MAX);
        check_holders(self.user.as_ref(), self.department.as_ref(), v);
        if self.user.is_none() && self.department.is_none() {
            v.add("assigned_user", NOBODY);
        }
    }

    /// The new task, about this order.
    ///
    /// # Errors
    /// `NotFound` and `Inactive` (on whose behalf, then who gets it).
    pub fn make(&self, order: Option<&Order>, cx: &mut Context<'_>) -> Result<TaskDecision, Refusal> {
        let acted_for = on_behalf_of(&self.on_behalf_of, cx)?;
        self.user.as_ref().map_or(Ok(()), |id| cx.catalogue.active_user(id).map(drop))?;
        self.department.as_ref().map_or(Ok(()), |id| cx.catalogue.active_department(id).map(drop))?;
        let calendar = calendar_of(order, self.department.as_deref(), cx.catalogue);
        let new = NewTask {
            title: self.title.clone(),
            description: self.description.clone(),
            order: order.map(|order| (order.id, order.number.clone())),
            user: self.user.clone(),
            department: self.department.clone(),
            due: self.due_on.map(|on| due(on, calendar)),
            on_behalf_of: acted_for,
            rule: String::new(),
        };
        let task = new.task(cx);
        let messages = task_mail::told(&task, Given::Made, &task.made_by, order, cx);
        Ok(TaskDecision { task, messages })
    }
}

impl TaskChange {
    /// Finds all wrong fields; those of the task are named as in `task.`.
    pub fn check(&self, v: &mut Violations) {
        v.id("on_behalf_of", &self.on_behalf_of);
        match &self.step {
            TaskStep::Update(fields) => v.within("task.", |v| {
                if let Some(title) = &fields.title {
                    v.line("title", title, 1, TITLE_MAX);
                }
                if let Some(description) = &fields.description {
                    v.text("description", description, 0, DESCRIPTION_MAX);
                }
                check_holders(fields.user.iter().flatten().next(), fields.department.iter().flatten().next(), v);
                if fields.user == Some(None) && fields.department == Some(None) {
                    v.add("assigned_user", NOBODY);
                }
            }),
            TaskStep::Complete { comment } | TaskStep::Cancel { comment } | TaskStep::Reopen { comment } => {
                v.text("comment", comment, 0, COMMENT_MAX);
            }
        }
    }

    /// The task after the change. A change that changes nothing leaves the version as it is. `order` is the one that the task is
    /// about.
    ///
    /// # Errors
    /// In this order: `EtagMismatch`, `TaskClosed` or `TaskOpen`, `NotFound` and `Inactive` (on whose behalf, then who newly gets
    /// it), `Invalid` when nobody would have it.
    pub fn decide(&self, before: &Task, order: Option<&Order>, cx: &mut Context<'_>) -> Result<TaskDecision, Refusal> {
        if self.etag.as_ref().is_some_and(|etag| *etag != before.etag()) {
            return Err(Refusal::EtagMismatch { kind: Kind::Task, current_etag: before.etag() });
        }
        let reopens = matches!(self.step, TaskStep::Reopen { .. });
        match (before.state, reopens) {
            (TaskState::Open, true) => return Err(Refusal::TaskOpen),
            (TaskState::Done | TaskState::Cancelled, false) => {
                return Err(Refusal::TaskClosed {
                    state: before.state.as_str().to_owned(),
                    by: before.closed_by.clone(),
                });
            }
            _ => {}
        }
        let acted_for = on_behalf_of(&self.on_behalf_of, cx)?;
        let by = if acted_for.is_empty() { cx.actor.to_owned() } else { acted_for };
        let mut task = before.clone();
        let given = match &self.step {
            TaskStep::Update(fields) => {
                update(&mut task, fields, order, cx)?;
                (task.holder() != before.holder()).then_some(Given::Reassigned)
            }
            TaskStep::Complete { comment } => {
                close(&mut task, TaskState::Done, &by, comment, cx);
                None
            }
            TaskStep::Cancel { comment } => {
                close(&mut task, TaskState::Cancelled, &by, comment, cx);
                None
            }
            TaskStep::Reopen { comment } => {
                task.state = TaskState::Open;
                task.closed_by = String::new();
                task.closed_at = None;
                task.comment.clone_from(comment);
                Some(Given::Reopened)
            }
        };
        if task == *before {
            return Ok(TaskDecision { task, messages: Vec::new() });
        }
        touch(&mut task, cx);
        let messages = given.map(|given| task_mail::told(&task, given, &by, order, cx)).unwrap_or_default();
        Ok(TaskDecision { task, messages })
    }
}

/// An open task of a user who leaves, given to somebody else.
pub fn hand_over(before: &Task, to: &str, by: &str, cx: &mut Context<'_>) -> TaskDecision {
    let mut task = before.clone();
    task.user = Some(to.to_owned());
    touch(&mut task, cx);
    let messages = task_mail::told(&task, Given::Reassigned, by, None, cx);
    TaskDecision { task, messages }
}

fn update(task: &mut Task, fields: &TaskFields, order: Option<&Order>, cx: &Context<'_>) -> Result<(), Refusal> {
    // Who had it before may have become inactive since.
    if let Some(Some(user)) = &fields.user
        && task.user.as_ref() != Some(user)
    {
        cx.catalogue.active_user(user)?;
    }
    if let Some(Some(department)) = &fields.department
        && task.department.as_ref() != Some(department)
    {
        cx.catalogue.active_department(department)?;
    }
    set(&mut task.title, fields.title.as_ref());
    set(&mut task.description, fields.description.as_ref());
    set(&mut task.user, fields.user.as_ref());
    set(&mut task.department, fields.department.as_ref());
    if task.user.is_none() && task.department.is_none() {
        let field = if fields.user.is_some() { "task.assigned_user" } else { "task.assigned_department" };
        return Err(Refusal::Invalid(vec![Violation { field: field.into(), description: NOBODY.into() }]));
    }
    // Counted anew only where it is asked for: the calendar of an order's visit is another one in each status.
    if fields.due_on.is_some() || fields.department.is_some() {
        let on = fields.due_on.unwrap_or_else(|| task.due.map(|(on, _)| on));
        let calendar = calendar_of(order, task.department.as_deref(), cx.catalogue);
        task.due = on.map(|on| due(on, calendar));
    }
    Ok(())
}

fn set<T: Clone>(place: &mut T, given: Option<&T>) {
    if let Some(given) = given {
        place.clone_from(given);
    }
}

fn close(task: &mut Task, state: TaskState, by: &str, comment: &str, cx: &Context<'_>) {
    task.state = state;
    by.clone_into(&mut task.closed_by);
    task.closed_at = Some(cx.now);
    comment.clone_into(&mut task.comment);
}

fn touch(task: &mut Task, cx: &Context<'_>) {
    task.version += 1;
    task.updated_at = cx.now;
}
