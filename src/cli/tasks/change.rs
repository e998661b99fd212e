//! The verbs that change a task.

use clap::Args;
use prost_types::FieldMask;

use super::answer;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        dates,
        failure::Failure,
        orders::by_number,
        types::said,
    },
    grpc::proto::{
        Date,
        v1::{CancelTaskRequest, CompleteTaskRequest, CreateTaskRequest, ReopenTaskRequest, Task, UpdateTaskRequest},
    },
};

/// The new task.
#[derive(Args)]
pub struct Add {
    /// What is to be done
    title: String,
    /// Who gets it
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// Which department gets it; without a user its managers are told
    #[arg(long, default_value = "", hide_default_value = true)]
    department: String,
    /// Last day in time, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = dates::parse)]
    due: Option<Date>,
    /// The order it is about
    #[arg(long, value_name = "NUMBER")]
    order: Option<String>,
    /// More about it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// What changes about a task.
#[derive(Args)]
pub struct Set {
    /// Id of the task
    id: String,
    /// What is to be done
    #[arg(long)]
    title: Option<String>,
    /// More about it; empty = nothing
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Last day in time, YYYY-MM-DD
    #[arg(long, value_name = "DATE", value_parser = dates::parse, conflicts_with = "no_due")]
    due: Option<Date>,
    /// No due date any more
    #[arg(long)]
    no_due: bool,
    #[command(flatten)]
    how: How,
}

/// Who gets a task.
#[derive(Args)]
pub struct Assign {
    /// Id of the task
    id: String,
    /// Who gets it; empty = nobody in person
    #[arg(long, required_unless_present = "department")]
    user: Option<String>,
    /// Which department gets it; empty = none
    #[arg(long)]
    department: Option<String>,
    #[command(flatten)]
    how: How,
}

/// A task that is closed or reopened.
#[derive(Args)]
pub struct Step {
    /// Id of the task
    id: String,
    /// What there is to say about it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct How {
    /// Only if this is still the version of the task
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Makes a task.
///
/// # Errors
/// The refusals of `CreateTask`.
pub async fn add(caller: &Caller, add: Add) -> Result<Answer, Failure> {
    let (request_id, validate_only) = (add.write.request_id(), add.write.preview);
    let failure = Failure::of_write(&request_id);
    let task = Task {
        title: add.title,
        description: add.description,
        assigned_user: add.user,
        assigned_department: add.department,
        due_date: add.due,
        ..Task::default()
    };
    let request = CreateTaskRequest {
        task: Some(task),
        order: add.order.as_deref().map(by_number),
        on_behalf_of: add.on_behalf_of,
        request_id,
        validate_only,
    };
    let made = caller.tasks().await?.create_task(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, made.task, &made.messages, said("made", validate_only)))
}

/// Changes what a task says and when it is due.
///
/// # Errors
/// `Usage` when nothing is given; the refusals of `UpdateTask`.
pub async fn set(caller: &Caller, set: Set) -> Result<Answer, Failure> {
    let mut paths = Vec::new();
    let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
    given("title", set.title.is_some());
    given("description", set.description.is_some());
    given("due_date", set.due.is_some() || set.no_due);
    if paths.is_empty() {
        return Err(Failure::Usage("nothing to change: give --title, --description, --due or --no-due".to_owned()));
    }
    let task = Task {
        id: set.id,
        title: set.title.unwrap_or_default(),
        description: set.description.unwrap_or_default(),
        due_date: set.due,
        ..Task::default()
    };
    update(caller, task, paths, set.how, "changed").await
}

/// Gives a task to somebody else.
///
/// # Errors
/// The refusals of `UpdateTask`.
pub async fn assign(caller: &Caller, assign: Assign) -> Result<Answer, Failure> {
    let mut paths = Vec::new();
    let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
    given("assigned_user", assign.user.is_some());
    given("assigned_department", assign.department.is_some());
    let task = Task {
        id: assign.id,
        assigned_user: assign.user.unwrap_or_default(),
        assigned_department: assign.department.unwrap_or_default(),
        ..Task::default()
    };
    update(caller, task, paths, assign.how, "given").await
}

async fn update(
    caller: &Caller,
    task: Task,
    paths: Vec<String>,
    how: How,
    done: &'static str,
) -> Result<Answer, Failure> {
    let (request_id, validate_only) = (how.write.request_id(), how.write.preview);
    let failure = Failure::of_write(&request_id);
    let request = UpdateTaskRequest {
        task: Some(Task { etag: how.etag, ..task }),
        update_mask: Some(FieldMask { paths }),
        on_behalf_of: how.on_behalf_of,
        request_id,
        validate_only,
    };
    let changed = caller.tasks().await?.update_task(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, changed.task, &changed.messages, said(done, validate_only)))
}

macro_rules! step {
    ($(#[$doc:meta])* $name:ident, $request:ident, $call:ident, $said:literal, |$answer:ident| $messages:expr) => {
        $(#[$doc])*
        pub async fn $name(caller: &Caller, step: Step) -> Result<Answer, Failure> {
            let How { etag, on_behalf_of, write } = step.how;
            let (request_id, validate_only) = (write.request_id(), write.preview);
            let failure = Failure::of_write(&request_id);
            let (id, comment) = (step.id, step.comment);
            let request = $request { id, etag, comment, on_behalf_of, request_id, validate_only };
            let $answer = caller.tasks().await?.$call(request).await.map_err(failure)?.into_inner();
            Ok(answer(caller, $answer.task, $messages, said($said, validate_only)))
        }
    };
}

step! {
    /// Marks a task as done.
    ///
    /// # Errors
    /// The refusals of `CompleteTask`.
    done, CompleteTaskRequest, complete_task, "done", |closed| &[]
}
step! {
    /// Cancels a task.
    ///
    /// # Errors
    /// The refusals of `CancelTask`.
    cancel, CancelTaskRequest, cancel_task, "cancelled", |closed| &[]
}
step! {
    /// Opens a task again.
    ///
    /// # Errors
    /// The refusals of `ReopenTask`.
    reopen, ReopenTaskRequest, reopen_task, "open again", |opened| &opened.messages
}
