//! Replans: open orders that are planned anew in the background. What is done of them part by part is in `replan_parts`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Store, StoreError,
    catalogue_edit::CatalogueEdit,
    facts::{order, order_rows},
};
use crate::domain::{
    edit::Replan,
    health_turns::HealthTurns,
    order::{DueCause, Order},
};

/// One recomputation and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplanRow {
    /// From 1, in the order in which they were asked for.
    pub id: i64,
    /// What is done.
    pub replan: Replan,
    /// Who asked for it.
    pub actor: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// Open orders that were to be looked at when it began; `None` before.
    pub orders: Option<i64>,
    /// The last order that was looked at before it was cut into parts.
    pub after_id: Uuid,
    /// What it did so far, in all its parts.
    pub progress: Progress,
    /// When it was cut into parts.
    pub started_at: Option<DateTime<Utc>>,
    /// When its last part had ended.
    pub finished_at: Option<DateTime<Utc>>,
}

/// What a recomputation, or a part of it, did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Orders that were looked at.
    pub examined: i64,
    /// Of these, orders whose due date changed.
    pub changed: i64,
    /// Of these, orders that are overdue by it.
    pub newly_overdue: i64,
    /// Of these, orders that are in time again.
    pub in_time_again: i64,
    /// Orders whose date lies beyond the horizon now; they keep the one they have.
    pub failed: i64,
}

/// The columns of `ReplanRow`, then the rest of the statement; `r` is the recomputation. While parts are worked on their progress
/// stands beside that of the row, and is added to it when the last one has ended.
macro_rules! replan_rows {
    ($rest:literal $(, $argument:expr)*) => {
        sqlx::query!(
            r#"SELECT r.id, r.cause, r.subject, r.reason, r.order_types, r.actor, r.requested_at, r.dates, r.orders, r.after_id,
                r.started_at, r.finished_at, r.examined + p.examined AS "examined!", r.changed + p.changed AS "changed!",
                r.newly_overdue + p.newly_overdue AS "newly_overdue!", r.in_time_again + p.in_time_again AS "in_time_again!",
                r.failed + p.failed AS "failed!"
            FROM replans r CROSS JOIN LATERAL (
                SELECT COALESCE(sum(examined), 0)::bigint AS examined, COALESCE(sum(changed), 0)::bigint AS changed,
                    COALESCE(sum(newly_overdue), 0)::bigint AS newly_overdue,
                    COALESCE(sum(in_time_again), 0)::bigint AS in_time_again, COALESCE(sum(failed), 0)::bigint AS failed
                FROM replan_parts WHERE replan = r.id) p "# + $rest
            $(, $argument)*
        )
    };
}

/// Maps a row of the table; the macro knows the columns, so each statement is checked when it is compiled.
macro_rules! replan_row {
    ($row:expr) => {{
        let row = $row;
        Ok::<ReplanRow, StoreError>(ReplanRow {
            id: row.id,
            replan: Replan {
                cause: DueCause::parse(&row.cause)
                    .ok_or_else(|| StoreError::impossible("replans", "cause", row.id.to_string()))?,
                subject: row.subject,
                reason: row.reason,
                order_types: row.order_types,
                dates: row.dates,
            },
            actor: row.actor,
            requested_at: row.requested_at,
            orders: row.orders,
            after_id: row.after_id,
            progress: Progress {
                examined: row.examined,
                changed: row.changed,
                newly_overdue: row.newly_overdue,
                in_time_again: row.in_time_again,
                failed: row.failed,
            },
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }};
}

impl CatalogueEdit {
    /// Asks for a recomputation; it begins when the edit is committed. The id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn queue_replan(&mut self, replan: &Replan, actor: &str, now: DateTime<Utc>) -> Result<i64, StoreError> {
        sqlx::query_scalar!(
            "INSERT INTO replans (cause, subject, reason, order_types, dates, actor, requested_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
            replan.cause.as_str(),
            replan.subject,
            replan.reason,
            &replan.order_types,
            replan.dates,
            actor,
            now
        )
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("ask for a recomputation", error))
    }

    /// Open orders of some types after an id, by id, at most `limit`; not locked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open_orders(&mut self, types: &[String], after: Uuid, limit: i64) -> Result<Vec<Order>, StoreError> {
        let rows = order_rows!(
            "1::bigint",
            "false",
            "FROM orders o CROSS JOIN catalogue_version c
             WHERE o.closed_at IS NULL AND o.order_type = ANY ($1) AND o.id > $2 ORDER BY o.id LIMIT $3",
            types,
            after,
            limit
        )
        .fetch_all(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("read open orders", error))?;
        rows.into_iter().map(order).collect()
    }
}

impl Store {
    /// Recomputations before an id, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_replans(&self, before: i64, limit: i64) -> Result<Vec<ReplanRow>, StoreError> {
        let rows = replan_rows!("WHERE r.id < $1 ORDER BY r.id DESC LIMIT $2", before, limit)
            .fetch_all(&self.calls)
            .await
            .map_err(|error| StoreError::new("list recomputations", error))?;
        rows.into_iter().map(|row| replan_row!(row)).collect()
    }

    /// One recomputation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn get_replan(&self, id: i64) -> Result<Option<ReplanRow>, StoreError> {
        let row = replan_rows!("WHERE r.id = $1", id)
            .fetch_optional(&self.calls)
            .await
            .map_err(|error| StoreError::new("read a recomputation", error))?;
        row.map(|row| replan_row!(row)).transpose()
    }

    /// Whether a recomputation waits or is under way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replan_waits(&self) -> Result<bool, StoreError> {
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM replans WHERE finished_at IS NULL) AS "waits!""#)
            .fetch_one(&self.calls)
            .await
            .map_err(|error| StoreError::new("look for recomputations", error))
    }
}

/// Locks the first recomputation that is not finished and has no part that waits or is worked on, passing over those that another
/// daemon cuts or ends; `None` when there is none. Whether it still has none is to be asked again once it is locked.
///
/// # Errors
/// When the database fails.
pub async fn lock_replan(connection: &mut PgConnection) -> Result<Option<ReplanRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT * FROM replans r
        WHERE finished_at IS NULL AND NOT EXISTS (SELECT FROM replan_parts WHERE replan = r.id AND finished_at IS NULL)
        ORDER BY id LIMIT 1 FOR NO KEY UPDATE OF r SKIP LOCKED"
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::new("lock a recomputation", error))?;
    row.map(|row| replan_row!(row)).transpose()
}

/// Counts the open orders of some types after an id.
///
/// # Errors
/// When the database fails.
pub async fn count_open(connection: &mut PgConnection, types: &[String], after: Uuid) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM orders WHERE closed_at IS NULL AND order_type = ANY ($1) AND id > $2"#,
        types,
        after
    )
    .fetch_one(connection)
    .await
    .map_err(|error| StoreError::new("count open orders", error))
}

/// Marks a recomputation as begun that this transaction has locked; one that began before keeps what it said then.
///
/// # Errors
/// When the database fails.
pub async fn begin_replan(
    connection: &mut PgConnection,
    id: i64,
    orders: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE replans SET orders = COALESCE(orders, $2), started_at = COALESCE(started_at, $3) WHERE id = $1",
        id,
        orders,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("begin a recomputation", error))
}

/// Ends a recomputation that this transaction has locked, and takes in what its parts did.
///
/// # Errors
/// When the database fails.
pub async fn end_replan(connection: &mut PgConnection, id: i64, now: DateTime<Utc>) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH done AS (DELETE FROM replan_parts WHERE replan = $1 RETURNING *)
        UPDATE replans r SET examined = r.examined + p.examined, changed = r.changed + p.changed,
            newly_overdue = r.newly_overdue + p.newly_overdue, in_time_again = r.in_time_again + p.in_time_again,
            failed = r.failed + p.failed, finished_at = $2
        FROM (
            SELECT sum(examined) AS examined, sum(changed) AS changed, sum(newly_overdue) AS newly_overdue,
                sum(in_time_again) AS in_time_again, sum(failed) AS failed FROM done) p
        WHERE r.id = $1",
        id,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("end a recomputation", error))
}

/// When the health of orders turns, and their next alarm, of orders that this transaction has locked and that change in nothing
/// else. No version is counted, since whoever writes the order finds it out anew.
///
/// # Errors
/// When the database fails.
pub async fn write_turns(
    connection: &mut PgConnection,
    turns: &[(Uuid, HealthTurns, Option<DateTime<Utc>>)],
) -> Result<(), StoreError> {
    if turns.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = turns.iter().map(|(id, ..)| *id).collect();
    let ahead: Vec<_> = turns.iter().map(|(_, it, _)| it.ahead_until).collect();
    let late: Vec<_> = turns.iter().map(|(_, it, _)| it.late_from).collect();
    let alarms: Vec<_> = turns.iter().map(|(.., at)| *at).collect();
    sqlx::query!(
        "UPDATE orders o SET ahead_until = t.ahead_until, late_from = COALESCE(t.late_from, 'infinity'),
            next_alarm_at = t.next_alarm_at
        FROM UNNEST ($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
            AS t (id, ahead_until, late_from, next_alarm_at)
        WHERE o.id = t.id",
        &ids,
        &ahead as &[Option<DateTime<Utc>>],
        &late as &[Option<DateTime<Utc>>],
        &alarms as &[Option<DateTime<Utc>>]
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("write when health turns", error))
}
