//! `andon tasks list`: tasks by due date.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::table;
use crate::{
    cli::{answer::Answer, caller::Caller, failure::Failure, json, orders::by_number, words},
    grpc::proto::v1::{ListTasksRequest, OrderRef, Task, TaskState},
};

const PAGE_MAX: usize = 500;
const PAGES_MAX: usize = 2_000;
/// Open tasks that are shown with an order.
const OF_ORDER_MAX: usize = 100;

/// Which tasks.
#[derive(Args)]
pub struct List {
    /// Only those in these states
    #[arg(long = "state", value_enum, value_delimiter = ',', default_value = "open", value_name = "STATE")]
    states: Vec<State>,
    /// In any state
    #[arg(long, conflicts_with = "states")]
    all: bool,
    /// Only those of this user
    #[arg(long, default_value = "", hide_default_value = true)]
    user: String,
    /// With --user: also those of the user's departments that nobody in person has
    #[arg(long, requires = "user")]
    with_departments: bool,
    /// Only those of this department
    #[arg(long, default_value = "", hide_default_value = true)]
    department: String,
    /// Only those about this order (number)
    #[arg(long, value_name = "NUMBER")]
    order: Option<String>,
    /// Only those that are overdue
    #[arg(long)]
    overdue: bool,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
}

/// Where a task stands.
#[derive(Clone, Copy, ValueEnum)]
enum State {
    /// To be done
    Open,
    /// Done
    Done,
    /// Not to be done any more
    Cancelled,
}

impl State {
    fn to_message(self) -> TaskState {
        match self {
            Self::Open => TaskState::Open,
            Self::Done => TaskState::Done,
            Self::Cancelled => TaskState::Cancelled,
        }
    }
}

/// Lists tasks.
///
/// # Errors
/// The refusals of `ListTasks`.
pub async fn run(caller: &Caller, list: List) -> Result<Answer, Failure> {
    let states = list.states.into_iter().filter(|_| !list.all).map(|state| state.to_message().into()).collect();
    let request = ListTasksRequest {
        states,
        user: list.user,
        with_departments: list.with_departments,
        department: list.department,
        order: list.order.as_deref().map(by_number),
        overdue: list.overdue,
        ..ListTasksRequest::default()
    };
    let limit = usize::try_from(list.limit).unwrap_or(usize::MAX);
    let (tasks, more) = pages(caller, request, limit).await?;
    if caller.json {
        return Ok(Answer::json(&json!({ "tasks": json::list("Task", &tasks), "more": more })));
    }
    if tasks.is_empty() {
        return Ok(Answer::text("No tasks match. `andon tasks add TITLE --user USER` makes one."));
    }
    let mut text = table(&tasks, caller.colour);
    if more {
        let _ = write!(text, "\n\nThe first {}; there are more: --limit N shows them.", words::count(limit, "task"));
    }
    Ok(Answer::text(text))
}

/// The open tasks about an order, at most 100, and whether there are more.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn of_order(caller: &Caller, order: &OrderRef) -> Result<(Vec<Task>, String), Failure> {
    let states = vec![TaskState::Open.into()];
    let request = ListTasksRequest { states, order: Some(order.clone()), ..ListTasksRequest::default() };
    let (tasks, more) = pages(caller, request, OF_ORDER_MAX).await?;
    if tasks.is_empty() {
        return Ok((tasks, String::new()));
    }
    let more = if more { "\n\nThere are more: `andon tasks list --order NUMBER --limit N` shows them." } else { "" };
    let text = format!("\nOpen tasks\n\n{}{more}\n", table(&tasks, caller.colour));
    Ok((tasks, text))
}

async fn pages(caller: &Caller, mut request: ListTasksRequest, limit: usize) -> Result<(Vec<Task>, bool), Failure> {
    let mut client = caller.tasks().await?;
    let mut tasks: Vec<Task> = Vec::new();
    for _ in 0..PAGES_MAX {
        let wanted = limit - tasks.len();
        request.page_size = i32::try_from(wanted.clamp(1, PAGE_MAX)).unwrap_or(0);
        let page = client.list_tasks(request.clone()).await?.into_inner();
        tasks.extend(page.tasks.into_iter().take(wanted));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() || tasks.len() >= limit {
            break;
        }
    }
    Ok((tasks, !request.page_token.is_empty()))
}
