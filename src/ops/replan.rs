//! Replan: plans open orders anew in the background, after a calendar, a method or a cycle changed.
//!
//! Protocol. An edit writes a row into `replans` in its own transaction; so a recomputation is there if and only if the edit is.
//! Every daemon hears the bell; a batch is one transaction:
//!
//! 1. lock the first row that is not finished; one that another daemon has locked is passed over.
//! 2. share the lock of the catalogue, so that no edit changes it meanwhile; lock the next orders after the last one, by id.
//! 3. decide each as any change is decided, write what changed through the one writer, move the row on, commit.
//!
//! | what is killed, when | what follows |
//! |---|---|
//! | in a batch, anywhere before its commit | nothing of it happened; the next batch of any daemon begins where it began |
//! | after its commit | the next batch goes on after its last order |
//!
//! A second run over the same orders changes nothing. Orders that are made meanwhile are decided with the new catalogue anyway;
//! so are those that move. Alerts are the sweep's: a date that is missed by a recomputation sets the next alarm, and one that is
//! in time again withdraws what is queued about the old one when it is about to be sent.

use chrono::{DateTime, SubsecRound as _, Utc};

use super::{Failure, Plant, kill_point};
use crate::{
    domain::{
        catalogue::Catalogue,
        edit::Replan,
        health_turns::{HealthTurns, turns},
        ids::Ids,
        order::{Context, Decision, Order},
        refusal::Refusal,
        replan,
    },
    store::{
        StoreError, StoreFault,
        replans::{
            Progress, ReplanRow, count_open, lock_open_orders, lock_replan, move_on, next_open_order, write_turns,
        },
        write::{Writes, write},
    },
};

/// Orders of one batch: small enough that who wants to change one of them hardly waits.
const BATCH: i64 = 500;
/// Batches that one run takes; what is left is left to the next one.
const BATCHES_MAX: usize = 200;

/// An edit came in between: the batch is done again with the new catalogue.
const EDITED: &str = "replan with a catalogue that was edited meanwhile";

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplanReport {
    /// Batches.
    pub batches: usize,
    /// What they did.
    pub progress: Progress,
    /// Whether there may be more.
    pub left: bool,
}

/// Runs until nothing is left, the bound is reached, or `stop` says so.
///
/// # Errors
/// When the database fails; what earlier batches wrote stays.
pub async fn replan(plant: &Plant, stop: impl Fn() -> bool) -> Result<ReplanReport, StoreError> {
    let mut report = ReplanReport::default();
    if !plant.store.replan_waits().await? {
        return Ok(report);
    }
    let mut ids = plant.fork_ids();
    let mut limit = BATCH;
    while report.batches < BATCHES_MAX && !stop() {
        let done = match batch(plant, &mut ids, limit).await {
            // One order must not hold up all others: the batch is done one by one, and that order is stepped over.
            Err(error) if is_poison(&error) && limit > 1 => {
                tracing::warn!(%error, "a batch of a recomputation is done order by order");
                limit = 1;
                continue;
            }
            Err(error) if is_poison(&error) => step_over(plant, &error).await?,
            done => done?,
        };
        let Some(done) = done else {
            report.left = false;
            break;
        };
        report.batches += 1;
        report.progress.add(done);
        report.left = true;
    }
    Ok(report)
}

/// Whether the rows of a batch brought a failure about, not the database or an edit in between.
fn is_poison(error: &StoreError) -> bool {
    error.fault != StoreFault::Unavailable && error.operation != EDITED
}

/// Moves the first recomputation on over the order that cannot be decided or written.
async fn step_over(plant: &Plant, error: &StoreError) -> Result<Option<Progress>, StoreError> {
    let mut transaction = plant.store.begin("replan").await?;
    let Some(row) = lock_replan(&mut transaction).await? else { return Ok(None) };
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now).trunc_subsecs(6);
    let next = next_open_order(&mut transaction, &row.replan.order_types, row.after_id).await?;
    let failed =
        Progress { examined: i64::from(next.is_some()), failed: i64::from(next.is_some()), ..Progress::default() };
    tracing::error!(order = ?next, %error, "an order cannot be planned anew and was left as it is");
    move_on(&mut transaction, &row, (next.unwrap_or(row.after_id), failed, next.is_none()), now).await?;
    transaction.commit().await.map_err(|error| StoreError::new("commit a recomputation", error))?;
    Ok(Some(failed))
}

/// Recomputations before an id, the latest first.
///
/// # Errors
/// When the database fails.
pub async fn list(plant: &Plant, before: i64, limit: i64) -> Result<Vec<ReplanRow>, Failure> {
    Ok(plant.store.list_replans(before, limit).await?)
}

/// One recomputation.
///
/// # Errors
/// When the database fails.
pub async fn get(plant: &Plant, id: i64) -> Result<Option<ReplanRow>, Failure> {
    Ok(plant.store.get_replan(id).await?)
}

/// One batch; `None` when there is nothing to do, or another daemon does it.
async fn batch(plant: &Plant, ids: &mut Ids, limit: i64) -> Result<Option<Progress>, StoreError> {
    // Before anything is locked: reading the catalogue takes another connection.
    let catalogue = plant.snapshot.at(plant.store.catalogue_version().await?, &plant.store).await?;
    let mut transaction = plant.store.begin("replan").await?;
    let Some(mut row) = lock_replan(&mut transaction).await? else { return Ok(None) };
    if row.orders.is_none() {
        row.orders = Some(count_open(&mut transaction, &row.replan.order_types).await?);
    }
    let (version, database_now, orders) =
        lock_open_orders(&mut transaction, &row.replan.order_types, row.after_id, limit).await?;
    if catalogue.version != version {
        return Err(StoreError {
            operation: EDITED,
            fault: StoreFault::FactsChanged,
            detail: "the catalogue changed while it was read".into(),
        });
    }
    let now = plant.clock.now(database_now).trunc_subsecs(6);
    let decided = decide(&orders, &row, &catalogue, ids, (now, &plant.settings.fallback));
    let mut writes = Writes::default();
    for decision in &decided.decisions {
        writes.add(decision, now);
    }
    if !writes.is_empty() {
        write(&mut transaction, &writes, version).await?;
    }
    write_turns(&mut transaction, &decided.turns).await?;
    let after_id = orders.last().map_or(row.after_id, |(order, _)| order.id);
    let done = i64::try_from(orders.len()).is_ok_and(|count| count < limit);
    move_on(&mut transaction, &row, (after_id, decided.progress, done), now).await?;
    kill_point("replan-before-commit");
    transaction.commit().await.map_err(|error| StoreError::new("commit a recomputation", error))?;
    kill_point("replan-after-commit");
    if done {
        tracing::info!(id = row.id, subject = row.replan.subject, "open orders were planned anew");
    }
    Ok(Some(decided.progress))
}

#[derive(Default)]
struct Decided {
    decisions: Vec<Decision>,
    turns: Vec<(uuid::Uuid, HealthTurns)>,
    progress: Progress,
}

fn decide(
    orders: &[(Order, bool)],
    row: &ReplanRow,
    catalogue: &Catalogue,
    ids: &mut Ids,
    (now, fallback): (DateTime<Utc>, &str),
) -> Decided {
    let mut decided = Decided::default();
    let mut cx = Context { catalogue, now, ids, actor: &row.actor, fallback, cause: "" };
    for (before, told) in orders {
        decided.progress.examined += 1;
        let decision = anew(before, &row.replan, *told, &mut cx);
        decided.progress.failed += i64::from(decision.is_err());
        if let Some(decision) = decision.unwrap_or_default() {
            decided.progress.count(before, &decision.order, now);
            decided.decisions.push(decision);
            continue;
        }
        let turns = turns(before, catalogue);
        if turns != before.health_turns {
            decided.turns.push((before.id, turns));
        }
    }
    decided
}

/// Decides one order anew.
///
/// # Errors
/// `BeyondHorizon`.
pub(super) fn anew(
    before: &Order,
    replan: &Replan,
    told: bool,
    cx: &mut Context<'_>,
) -> Result<Option<Decision>, Refusal> {
    if replan.dates { replan::decide(before, (replan.cause, &replan.reason), told, cx) } else { Ok(None) }
}

impl Progress {
    /// Counts an order that was decided anew.
    pub(super) fn count(&mut self, before: &Order, after: &Order, now: DateTime<Utc>) {
        let (was, is) = (before.overdue(now), after.overdue(now));
        self.changed += i64::from(before.visit.due != after.visit.due);
        self.newly_overdue += i64::from(!was && is);
        self.in_time_again += i64::from(was && !is && after.visit.due.is_some());
    }

    /// Adds what a later part did.
    pub(super) fn add(&mut self, later: Self) {
        self.examined += later.examined;
        self.changed += later.changed;
        self.newly_overdue += later.newly_overdue;
        self.in_time_again += later.in_time_again;
        self.failed += later.failed;
    }
}
