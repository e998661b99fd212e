//! `TaskService`: what somebody has to do.

use std::{mem, sync::Arc};

use prost::Message as _;
use tonic::{Request, Response};
use uuid::Uuid;

use super::{
    edits::{self, Mask, fail, required, settle},
    orders_parse::order_ref,
    orders_render::queued_message,
    page_token::{PageTokens, page_size},
    parse::{date, optional, render_date, render_instant, uuid},
    proto::v1::{self, task_service_server::TaskService},
};
use crate::{
    domain::{
        task::{Task, TaskState},
        task_change::{TaskChange, TaskDraft, TaskFields, TaskStep},
        violation::Violations,
    },
    ops::{
        Plant,
        edit::Write,
        tasks::{self, TaskDone, TaskQuery},
    },
    store::tasks::{TaskFilter, TaskPosition},
};

const FIELDS: [&str; 5] = ["title", "description", "assigned_user", "assigned_department", "due_date"];
/// States that there are.
const STATES_MAX: usize = 3;

type Answer<T> = Result<Response<T>, tonic::Status>;

/// Serves tasks.
#[derive(Debug, Clone)]
pub struct Tasks {
    plant: Arc<Plant>,
    tokens: PageTokens,
}

impl Tasks {
    /// Over these parts.
    #[must_use]
    pub fn new(plant: Arc<Plant>, tokens: PageTokens) -> Self {
        Self { plant, tokens }
    }
}

/// Takes the fields that completing, cancelling and reopening share out of a request, and makes the step.
macro_rules! step {
    ($self:ident, $request:ident, $method:literal, $step:ident) => {{
        let mut request = $request.into_inner();
        let mut v = Violations::new();
        let (key, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write($method, &key, validate_only, &request, &mut v);
        let id = uuid("id", &request.id, &mut v);
        let change = TaskChange {
            etag: optional(&request.etag),
            on_behalf_of: request.on_behalf_of,
            step: TaskStep::$step { comment: request.comment },
        };
        $self.change(id, change, write, v).await?
    }};
}

impl Tasks {
    async fn change(
        &self,
        id: Uuid,
        change: TaskChange,
        write: Write,
        mut v: Violations,
    ) -> Result<(v1::Task, Vec<v1::QueuedMessage>), tonic::Status> {
        change.check(&mut v);
        settle(v)?;
        let preview = write.validate_only;
        let done = tasks::change_task(&self.plant, id, change, write).await.map_err(fail)?;
        Ok(answer(&done, preview))
    }
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn list_tasks(&self, request: Request<v1::ListTasksRequest>) -> Answer<v1::ListTasksResponse> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (token, size) = (mem::take(&mut request.page_token), mem::take(&mut request.page_size));
        let query = query(&request, &mut v);
        let size = page_size(size, &mut v);
        let mut binding = b"ListTasks".to_vec();
        binding.extend(request.encode_to_vec());
        let after: Option<TaskPosition> = self.tokens.open(&binding, &token, &mut v);
        settle(v)?;
        let seen = tasks::list_tasks(&self.plant, query, after.as_ref(), size + 1).await.map_err(fail)?;
        let size = usize::try_from(size).unwrap_or(50);
        let next_page_token = match seen.tasks.get(size - 1) {
            Some(last) if seen.tasks.len() > size => {
                let position: TaskPosition = (last.due.map(|(_, at)| at), last.id);
                self.tokens.seal(&binding, &position)
            }
            _ => String::new(),
        };
        let tasks = seen.tasks.iter().take(size).map(|task| render(task, seen.now)).collect();
        Ok(Response::new(v1::ListTasksResponse { tasks, next_page_token }))
    }

    async fn get_task(&self, request: Request<v1::GetTaskRequest>) -> Answer<v1::GetTaskResponse> {
        let mut v = Violations::new();
        let id = uuid("id", &request.get_ref().id, &mut v);
        settle(v)?;
        let seen = tasks::get_task(&self.plant, id).await.map_err(fail)?;
        Ok(Response::new(v1::GetTaskResponse { task: Some(render(&seen.tasks, seen.now)) }))
    }

    async fn create_task(&self, request: Request<v1::CreateTaskRequest>) -> Answer<v1::CreateTaskResponse> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (key, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateTask", &key, validate_only, &request, &mut v);
        let order = request.order.as_ref().map(|order| order_ref("order", Some(order), &mut v));
        v.id("on_behalf_of", &request.on_behalf_of);
        let task = required("task", request.task)?;
        let draft = v.within("task.", |v| {
            let draft = TaskDraft {
                due_on: date("due_date", task.due_date.as_ref(), v),
                title: task.title,
                description: task.description,
                user: optional(&task.assigned_user),
                department: optional(&task.assigned_department),
                on_behalf_of: request.on_behalf_of,
            };
            draft.check(v);
            draft
        });
        settle(v)?;
        let done = tasks::create_task(&self.plant, draft, order, write).await.map_err(fail)?;
        let (mut task, messages) = answer(&done, validate_only);
        if validate_only {
            task.id.clear();
        }
        Ok(Response::new(v1::CreateTaskResponse { task: Some(task), messages }))
    }

    async fn update_task(&self, request: Request<v1::UpdateTaskRequest>) -> Answer<v1::UpdateTaskResponse> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (key, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("UpdateTask", &key, validate_only, &request, &mut v);
        let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS, &[], &mut v);
        let task = required("task", request.task)?;
        let id = uuid("task.id", &task.id, &mut v);
        let due_on = mask.pick("due_date", || date("task.due_date", task.due_date.as_ref(), &mut v));
        let fields = TaskFields {
            title: mask.pick("title", || task.title),
            description: mask.pick("description", || task.description),
            user: mask.pick("assigned_user", || optional(&task.assigned_user)),
            department: mask.pick("assigned_department", || optional(&task.assigned_department)),
            due_on,
        };
        let change = TaskChange {
            etag: optional(&task.etag),
            on_behalf_of: request.on_behalf_of,
            step: TaskStep::Update(fields),
        };
        let (task, messages) = self.change(id, change, write, v).await?;
        Ok(Response::new(v1::UpdateTaskResponse { task: Some(task), messages }))
    }

    async fn complete_task(&self, request: Request<v1::CompleteTaskRequest>) -> Answer<v1::CompleteTaskResponse> {
        let (task, _) = step!(self, request, "CompleteTask", Complete);
        Ok(Response::new(v1::CompleteTaskResponse { task: Some(task) }))
    }

    async fn cancel_task(&self, request: Request<v1::CancelTaskRequest>) -> Answer<v1::CancelTaskResponse> {
        let (task, _) = step!(self, request, "CancelTask", Cancel);
        Ok(Response::new(v1::CancelTaskResponse { task: Some(task) }))
    }

    async fn reopen_task(&self, request: Request<v1::ReopenTaskRequest>) -> Answer<v1::ReopenTaskResponse> {
        let (task, messages) = step!(self, request, "ReopenTask", Reopen);
        Ok(Response::new(v1::ReopenTaskResponse { task: Some(task), messages }))
    }
}

fn query(given: &v1::ListTasksRequest, v: &mut Violations) -> TaskQuery {
    let states = states(&given.states, v);
    if given.overdue && !states.is_empty() && !states.contains(&TaskState::Open) {
        v.add("overdue", "closed tasks are never overdue");
    }
    for (field, id) in [("user", &given.user), ("department", &given.department)] {
        if !id.is_empty() {
            v.slug(field, id);
        }
    }
    if given.with_departments && given.user.is_empty() {
        v.add("with_departments", "is only for the tasks of a user");
    }
    let filter = TaskFilter {
        states,
        user: optional(&given.user),
        department: optional(&given.department),
        ..TaskFilter::default()
    };
    TaskQuery {
        filter,
        overdue: given.overdue,
        with_departments: given.with_departments,
        order: given.order.as_ref().map(|order| order_ref("order", Some(order), v)),
    }
}

fn states(given: &[i32], v: &mut Violations) -> Vec<TaskState> {
    if given.len() > STATES_MAX {
        v.add("states", format!("at most {STATES_MAX} are allowed"));
    }
    let mut states = Vec::new();
    for (index, state) in given.iter().enumerate().take(STATES_MAX) {
        let field = format!("states[{index}]");
        let state = match v1::TaskState::try_from(*state) {
            Ok(v1::TaskState::Open) => TaskState::Open,
            Ok(v1::TaskState::Done) => TaskState::Done,
            Ok(v1::TaskState::Cancelled) => TaskState::Cancelled,
            Ok(v1::TaskState::Unspecified) | Err(_) => {
                v.add(&field, "is not a known state");
                continue;
            }
        };
        if states.contains(&state) {
            v.add(&field, "is there twice");
        }
        states.push(state);
    }
    states
}

fn answer(done: &TaskDone, preview: bool) -> (v1::Task, Vec<v1::QueuedMessage>) {
    let messages = done.decision.messages.iter().map(|message| queued_message(message, preview)).collect();
    (render(&done.decision.task, done.at), messages)
}

/// A task as it stands at `now`.
fn render(task: &Task, now: chrono::DateTime<chrono::Utc>) -> v1::Task {
    let state = match task.state {
        TaskState::Open => v1::TaskState::Open,
        TaskState::Done => v1::TaskState::Done,
        TaskState::Cancelled => v1::TaskState::Cancelled,
    };
    let (order, order_number) =
        task.order.as_ref().map(|(id, number)| (id.to_string(), number.clone())).unwrap_or_default();
    v1::Task {
        id: task.id.to_string(),
        title: task.title.clone(),
        description: task.description.clone(),
        order,
        order_number,
        assigned_user: task.user.clone().unwrap_or_default(),
        assigned_department: task.department.clone().unwrap_or_default(),
        due_date: task.due.map(|(on, _)| render_date(on)),
        due_time: task.due.map(|(_, at)| render_instant(at)),
        overdue: task.overdue(now),
        state: state.into(),
        made_by: task.made_by.clone(),
        trigger: task.rule.clone(),
        closed_by: task.closed_by.clone(),
        close_time: task.closed_at.map(render_instant),
        comment: task.comment.clone(),
        etag: task.etag(),
        create_time: Some(render_instant(task.created_at)),
        update_time: Some(render_instant(task.updated_at)),
    }
}
