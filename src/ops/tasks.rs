//! Tasks: get, list, make, change.
//!
//! A change is decided on the task as it was read and written if it is still so; if not, it is decided again. So of two who close
//! the same task one does it, and the other learns that it is closed. A unit runs in a task of its own, so that a dropped call
//! never leaves it half done.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Failure, Plant, RequestKey, edit::Write, orders};
use crate::{
    domain::{
        catalogue::Catalogue,
        order::{Context, Order},
        refusal::{Kind, Refusal},
        task::Task,
        task_change::{TaskChange, TaskDecision, TaskDraft},
    },
    store::{
        StoreError, StoreFault,
        facts::OrderRef,
        tasks::{TaskFilter, TaskPosition},
        write::Writes,
    },
};

/// How often a change is decided, at most, while facts change under it.
const ATTEMPTS_MAX: usize = 12;

/// Tasks as they stood at one instant.
#[derive(Debug, Clone)]
pub struct TasksSeen<T> {
    /// The tasks.
    pub tasks: T,
    /// The one reading of the clock.
    pub now: DateTime<Utc>,
}

/// What came of a change, as it is stored for a repeated call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskDone {
    /// The task, and who is told.
    pub decision: TaskDecision,
    /// The reading of the clock by which it was decided.
    pub at: DateTime<Utc>,
}

/// Whose tasks a list is about, in words of the caller.
#[derive(Debug, Clone, Default)]
pub struct TaskQuery {
    /// What the store filters by; `due_by`, `order` and `or_departments` are filled in here.
    pub filter: TaskFilter,
    /// Only those that are overdue.
    pub overdue: bool,
    /// With a user: also those of the departments in which the user works or which the user manages, that nobody in person has.
    pub with_departments: bool,
    /// About this order.
    pub order: Option<OrderRef>,
}

/// Gets one task.
///
/// # Errors
/// `NotFound`, or when the database fails.
pub async fn get_task(plant: &Plant, id: Uuid) -> Result<TasksSeen<Task>, Failure> {
    let fact = plant.store.find_task(id).await?.ok_or_else(|| missing(id))?;
    Ok(TasksSeen { tasks: fact.task, now: plant.clock.now(fact.database_now) })
}

/// Lists a page of at most `limit` tasks.
///
/// # Errors
/// `NotFound` (the order), or when the database fails.
pub async fn list_tasks(
    plant: &Plant,
    query: TaskQuery,
    after: Option<&TaskPosition>,
    limit: i64,
) -> Result<TasksSeen<Vec<Task>>, Failure> {
    let mut filter = query.filter;
    if let Some(order) = &query.order {
        filter.order = Some(orders::get_order(plant, order).await?.orders.id);
    }
    let (database_now, version) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now);
    if let Some(user) = filter.user.as_deref().filter(|_| query.with_departments) {
        filter.or_departments = plant.snapshot.at(version, &plant.store).await?.departments_of(user);
    }
    filter.due_by = query.overdue.then_some(now);
    Ok(TasksSeen { tasks: plant.store.list_tasks(&filter, after, limit).await?, now })
}

/// Makes a task, perhaps about an order.
///
/// # Errors
/// In this order: `RequestIdReused`, `NotFound` (the order), those of `TaskDraft::make`; when the database fails.
pub async fn create_task(
    plant: &Arc<Plant>,
    draft: TaskDraft,
    order: Option<OrderRef>,
    write: Write,
) -> Result<TaskDone, Failure> {
    run(plant, Asked::Make(draft, order), write).await
}

/// Changes a task.
///
/// # Errors
/// In this order: `RequestIdReused`, `NotFound` (the task), those of `TaskChange::decide`; when the database fails.
pub async fn change_task(plant: &Arc<Plant>, id: Uuid, change: TaskChange, write: Write) -> Result<TaskDone, Failure> {
    run(plant, Asked::Change(id, change), write).await
}

enum Asked {
    Make(TaskDraft, Option<OrderRef>),
    Change(Uuid, TaskChange),
}

/// What a change is decided on.
struct Facts {
    task: Option<Task>,
    order: Option<Order>,
    catalogue: Arc<Catalogue>,
    now: DateTime<Utc>,
}

async fn run(plant: &Arc<Plant>, asked: Asked, write: Write) -> Result<TaskDone, Failure> {
    let plant = Arc::clone(plant);
    let work = async move {
        let mut attempts = 1;
        loop {
            match attempt(&plant, &asked, &write).await {
                Err(Failure::Store(error)) if decide_again(&error) && attempts < ATTEMPTS_MAX => attempts += 1,
                other => return other,
            }
        }
    };
    tokio::spawn(work).await.unwrap_or(Err(Failure::GivenUp("a change of a task ended without an answer")))
}

async fn attempt(plant: &Plant, asked: &Asked, write: &Write) -> Result<TaskDone, Failure> {
    if let Some(key) = &write.request
        && let Some(done) = stored(plant, key).await?
    {
        return Ok(done);
    }
    let facts = read(plant, asked).await?;
    let mut ids = plant.fork_ids();
    let mut cx = Context {
        catalogue: &facts.catalogue,
        now: facts.now,
        ids: &mut ids,
        actor: &write.actor,
        fallback: &plant.settings.fallback,
        cause: "",
    };
    let decision = match (asked, &facts.task) {
        (Asked::Change(_, change), Some(task)) => change.decide(task, facts.order.as_ref(), &mut cx)?,
        (Asked::Change(id, _), None) => return Err(missing(*id).into()),
        (Asked::Make(draft, _), _) => draft.make(facts.order.as_ref(), &mut cx)?,
    };
    let done = TaskDone { decision, at: facts.now };
    if !write.validate_only {
        apply(plant, &facts, &done, write.request.as_ref()).await?;
    }
    Ok(done)
}

async fn read(plant: &Plant, asked: &Asked) -> Result<Facts, Failure> {
    let (task, version, database_now) = match asked {
        Asked::Change(id, _) => {
            let fact = plant.store.find_task(*id).await?.ok_or_else(|| missing(*id))?;
            (Some(fact.task), fact.catalogue_version, fact.database_now)
        }
        Asked::Make(..) => {
            let (database_now, version) = plant.store.clock_and_version().await?;
            (None, version, database_now)
        }
    };
    let about = match (asked, &task) {
        (Asked::Make(_, order), _) => order.clone(),
        (Asked::Change(..), task) => {
            task.as_ref().and_then(|task| task.order.as_ref()).map(|(id, _)| OrderRef::Id(*id))
        }
    };
    let order = match &about {
        Some(order) => Some(orders::get_order(plant, order).await?.orders),
        None => None,
    };
    let catalogue = plant.snapshot.at(version, &plant.store).await?;
    // PostgreSQL keeps microseconds.
    Ok(Facts { task, order, catalogue, now: plant.clock.now(database_now).trunc_subsecs(6) })
}

async fn apply(plant: &Plant, facts: &Facts, done: &TaskDone, key: Option<&RequestKey>) -> Result<(), Failure> {
    let TaskDone { decision, at } = done;
    let mut writes = Writes::default();
    writes.messages(&decision.messages, *at);
    if let Some(key) = key {
        let outcome =
            serde_json::to_vec(done).map_err(|_| StoreError::impossible("requests", "outcome", key.id.clone()))?;
        writes.answer(&key.id, &key.fingerprint, &outcome, *at);
    }
    let version = facts.catalogue.version;
    if let Some(before) = &facts.task {
        plant.store.change_task(&decision.task, before.version, &writes, version).await?;
    } else {
        writes.task(&decision.task);
        plant.store.write(&writes, version).await?;
    }
    Ok(())
}

/// The answer to an earlier call with this key.
async fn stored(plant: &Plant, key: &RequestKey) -> Result<Option<TaskDone>, Failure> {
    let Some(stored) = plant.store.find_request(&key.id).await? else { return Ok(None) };
    if stored.fingerprint != key.fingerprint {
        return Err(Refusal::RequestIdReused(key.id.clone()).into());
    }
    let answer = serde_json::from_slice(&stored.outcome);
    Ok(Some(answer.map_err(|_| StoreError::impossible("requests", "outcome", &key.id))?))
}

fn missing(id: Uuid) -> Refusal {
    Refusal::NotFound { kind: Kind::Task, id: id.to_string() }
}

/// Whether a failure comes from a change between reading and writing: of the task, the catalogue, or the stored answers.
fn decide_again(error: &StoreError) -> bool {
    match &error.fault {
        StoreFault::FactsChanged => true,
        StoreFault::Constraint(name) => name == "requests_pkey",
        _ => false,
    }
}
