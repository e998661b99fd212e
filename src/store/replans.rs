//! Replans: open orders that are planned anew in the background, batch by batch.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Store, StoreError,
    catalogue_edit::CatalogueEdit,
    facts::{OrderRow, order, order_rows},
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
    /// The last order that was looked at.
    pub after_id: Uuid,
    /// What it did so far.
    pub progress: Progress,
    /// When the first batch began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the last batch ended.
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
        let rows = sqlx::query!("SELECT * FROM replans WHERE id < $1 ORDER BY id DESC LIMIT $2", before, limit)
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
        let row = sqlx::query!("SELECT * FROM replans WHERE id = $1", id)
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

/// Locks the first recomputation that is not finished, and that no other daemon works on; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn lock_replan(connection: &mut PgConnection) -> Result<Option<ReplanRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT * FROM replans WHERE finished_at IS NULL ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::new("lock a recomputation", error))?;
    row.map(|row| replan_row!(row)).transpose()
}

/// The id of the next open order after an id.
///
/// # Errors
/// When the database fails.
pub async fn next_open_order(
    connection: &mut PgConnection,
    types: &[String],
    after: Uuid,
) -> Result<Option<Uuid>, StoreError> {
    sqlx::query_scalar!(
        "SELECT id FROM orders WHERE closed_at IS NULL AND order_type = ANY ($1) AND id > $2 ORDER BY id LIMIT 1",
        types,
        after
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::new("find the next open order", error))
}

/// Counts the open orders of some types.
///
/// # Errors
/// When the database fails.
pub async fn count_open(connection: &mut PgConnection, types: &[String]) -> Result<i64, StoreError> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM orders WHERE closed_at IS NULL AND order_type = ANY ($1)"#,
        types
    )
    .fetch_one(connection)
    .await
    .map_err(|error| StoreError::new("count open orders", error))
}

/// The next open orders after an id, by id, locked, each with whether it was told of and nothing about that waits; the version of the catalogue that they are decided with, which no edit
/// changes until the transaction ends; and the database's clock.
///
/// # Errors
/// When the database fails, or an order is locked for too long.
pub async fn lock_open_orders(
    connection: &mut PgConnection,
    types: &[String],
    after: Uuid,
    limit: i64,
) -> Result<(i64, DateTime<Utc>, Vec<(Order, bool)>), StoreError> {
    let error = |error| StoreError::new("lock open orders", error);
    let row = sqlx::query!(r#"SELECT share_catalogue() AS "version!", clock_timestamp() AS "now!""#)
        .fetch_one(&mut *connection)
        .await
        .map_err(error)?;
    let rows = order_rows!(
        "1::bigint",
        "EXISTS (SELECT FROM alerts a WHERE a.order_id = o.id AND a.visit_sequence = o.visit_sequence AND a.due_at = o.due_at)
            AND NOT EXISTS (SELECT FROM outbox m WHERE m.order_id = o.id AND m.visit_sequence = o.visit_sequence
                AND m.kind = 'OVERDUE')",
        "FROM orders o CROSS JOIN catalogue_version c
         WHERE o.closed_at IS NULL AND o.order_type = ANY ($1) AND o.id > $2 ORDER BY o.id LIMIT $3 FOR NO KEY UPDATE OF o",
        types,
        after,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(error)?;
    let told = |row: OrderRow| Ok((row.alerted, order(row)?)).map(|(told, order)| (order, told));
    Ok((row.version, row.now, rows.into_iter().map(told).collect::<Result<_, StoreError>>()?))
}

/// When the health of orders turns, of orders that this transaction has locked and that change in nothing else. No version is
/// counted, since whoever writes the order finds it out anew.
///
/// # Errors
/// When the database fails.
pub async fn write_turns(connection: &mut PgConnection, turns: &[(Uuid, HealthTurns)]) -> Result<(), StoreError> {
    if turns.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = turns.iter().map(|(id, _)| *id).collect();
    let ahead: Vec<_> = turns.iter().map(|(_, it)| it.ahead_until).collect();
    let late: Vec<_> = turns.iter().map(|(_, it)| it.late_from).collect();
    sqlx::query!(
        "UPDATE orders o SET ahead_until = t.ahead_until, late_from = COALESCE(t.late_from, 'infinity')
        FROM UNNEST ($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS t (id, ahead_until, late_from)
        WHERE o.id = t.id",
        &ids,
        &ahead as &[Option<DateTime<Utc>>],
        &late as &[Option<DateTime<Utc>>]
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("write when health turns", error))
}

/// Moves a recomputation on, in the transaction that wrote its orders; `done` ends it.
///
/// # Errors
/// When the database fails.
pub async fn move_on(
    connection: &mut PgConnection,
    row: &ReplanRow,
    (after_id, added, done): (Uuid, Progress, bool),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE replans SET after_id = $2, orders = COALESCE(orders, $3), examined = examined + $4, changed = changed + $5,
            newly_overdue = newly_overdue + $6, in_time_again = in_time_again + $7, failed = failed + $8,
            started_at = COALESCE(started_at, $9), finished_at = CASE WHEN $10 THEN $9 END
        WHERE id = $1",
        row.id,
        after_id,
        row.orders,
        added.examined,
        added.changed,
        added.newly_overdue,
        added.in_time_again,
        added.failed,
        now,
        done
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("move a recomputation on", error))
}
