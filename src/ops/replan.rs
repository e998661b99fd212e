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

use super::{Failure, Plant, kill_point, sweep::ACTOR};
use crate::{
    domain::{
        catalogue::Catalogue,
        edit::Replan,
        health_turns::{HealthTurns, turns},
        ids::Ids,
        order::{Context, Decision, Order},
        replan,
    },
    store::{
        StoreError, StoreFault,
        replans::{Progress, ReplanRow, count_open, lock_open_orders, lock_replan, move_on, write_turns},
        write::{Writes, write},
    },
};

/// Orders of one batch: small enough that who wants to change one of them hardly waits.
const BATCH: i64 = 500;
/// Batches that one run takes; what is left is left to the next one.
const BATCHES_MAX: usize = 200;

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
    while report.batches < BATCHES_MAX && !stop() {
        let Some(done) = batch(plant, &mut ids).await? else {
            report.left = false;
            break;
        };
        report.batches += 1;
        report.progress.add(done);
        report.left = true;
    }
    Ok(report)
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
async fn batch(plant: &Plant, ids: &mut Ids) -> Result<Option<Progress>, StoreError> {
    let mut transaction = plant.store.begin("replan").await?;
    let Some(mut row) = lock_replan(&mut transaction).await? else { return Ok(None) };
    if row.orders.is_none() {
        row.orders = Some(count_open(&mut transaction, &row.replan.order_types).await?);
    }
    let (version, database_now, orders) =
        lock_open_orders(&mut transaction, &row.replan.order_types, row.after_id, BATCH).await?;
    let catalogue = plant.snapshot.at(version, &plant.store).await?;
    if catalogue.version != version {
        return Err(StoreError {
            operation: "replan",
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
    let after_id = orders.last().map_or(row.after_id, |order| order.id);
    let done = i64::try_from(orders.len()).is_ok_and(|count| count < BATCH);
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
    orders: &[Order],
    row: &ReplanRow,
    catalogue: &Catalogue,
    ids: &mut Ids,
    (now, fallback): (DateTime<Utc>, &str),
) -> Decided {
    let mut decided = Decided::default();
    let cx = Context { catalogue, now, ids, actor: ACTOR, fallback };
    for before in orders {
        decided.progress.examined += 1;
        let decision = anew(before, &row.replan, &cx);
        decided.progress.failed += i64::from(decision.is_err());
        if let Some(mut decision) = decision.unwrap_or_default() {
            decision.order.health_turns = turns(&decision.order, catalogue);
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
    cx: &Context<'_>,
) -> Result<Option<Decision>, crate::domain::refusal::Refusal> {
    if replan.dates { replan::decide(before, replan.cause, &replan.reason, cx) } else { Ok(None) }
}

impl Progress {
    /// Counts an order that was decided anew.
    pub(super) fn count(&mut self, before: &Order, after: &Order, now: DateTime<Utc>) {
        let (was, is) = (before.overdue(now), after.overdue(now));
        self.changed += i64::from(before.visit.due != after.visit.due);
        self.newly_overdue += i64::from(!was && is);
        self.in_time_again += i64::from(was && !is);
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
