//! Parts of a recomputation: ranges of ids that are worked on side by side.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    StoreError,
    facts::{OrderRow, order, order_rows},
    replans::{Progress, ReplanRow},
};
use crate::domain::{
    edit::Replan,
    order::{DueCause, Order},
};

/// A part that this transaction has locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRow {
    /// Of this recomputation.
    pub id: i64,
    /// From 1, by id of the orders.
    pub part: i32,
    /// What is done.
    pub replan: Replan,
    /// Who asked for it.
    pub actor: String,
    /// The last order that was looked at.
    pub after_id: Uuid,
    /// The last order that belongs to it, inclusive.
    pub until_id: Uuid,
}

/// How many parts a recomputation has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// All; 0 before it is cut.
    pub all: i64,
    /// Of these, not finished.
    pub open: i64,
}

/// Locks the first part that is not finished and that nobody else works on; `None` when there is none.
///
/// # Errors
/// When the database fails.
pub async fn lock_part(connection: &mut PgConnection) -> Result<Option<PartRow>, StoreError> {
    let row = sqlx::query!(
        "SELECT r.id, r.cause, r.subject, r.reason, r.order_types, r.dates, r.actor, p.part, p.after_id, p.until_id
        FROM replan_parts p JOIN replans r ON r.id = p.replan
        WHERE r.finished_at IS NULL AND p.finished_at IS NULL
        ORDER BY p.replan, p.part LIMIT 1 FOR NO KEY UPDATE OF p SKIP LOCKED"
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::new("lock a part of a recomputation", error))?;
    let Some(row) = row else { return Ok(None) };
    let cause =
        DueCause::parse(&row.cause).ok_or_else(|| StoreError::impossible("replans", "cause", row.id.to_string()))?;
    let (subject, reason, order_types, dates) = (row.subject, row.reason, row.order_types, row.dates);
    Ok(Some(PartRow {
        id: row.id,
        part: row.part,
        replan: Replan { cause, subject, reason, order_types, dates },
        actor: row.actor,
        after_id: row.after_id,
        until_id: row.until_id,
    }))
}

/// Locks a part again that was locked before; false when somebody else has it, or has moved it on since.
///
/// # Errors
/// When the database fails.
pub async fn lock_part_again(connection: &mut PgConnection, part: &PartRow) -> Result<bool, StoreError> {
    sqlx::query_scalar!(
        "SELECT part FROM replan_parts
        WHERE replan = $1 AND part = $2 AND after_id = $3 AND finished_at IS NULL FOR NO KEY UPDATE SKIP LOCKED",
        part.id,
        part.part,
        part.after_id
    )
    .fetch_optional(connection)
    .await
    .map(|found| found.is_some())
    .map_err(|error| StoreError::new("lock a part of a recomputation", error))
}

/// Counts the parts of a recomputation.
///
/// # Errors
/// When the database fails.
pub async fn count_parts(connection: &mut PgConnection, replan: i64) -> Result<Parts, StoreError> {
    sqlx::query_as!(
        Parts,
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE finished_at IS NULL) AS "open!"
        FROM replan_parts WHERE replan = $1"#,
        replan
    )
    .fetch_one(connection)
    .await
    .map_err(|error| StoreError::new("count the parts of a recomputation", error))
}

/// Cuts what is left of a recomputation into parts of `size` open orders, in the transaction that has it locked; the last part
/// takes all that follow.
///
/// # Errors
/// When the database fails.
pub async fn cut(connection: &mut PgConnection, row: &ReplanRow, size: i64) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH bounded AS (
            INSERT INTO replan_parts (replan, part, after_id, until_id)
            SELECT $1, row_number() OVER w, COALESCE(lag(id) OVER w, $2), id
            FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM orders
                WHERE closed_at IS NULL AND order_type = ANY ($3) AND id > $2) AS open
            WHERE place % $4 = 0
            WINDOW w AS (ORDER BY id)
            RETURNING part, until_id)
        INSERT INTO replan_parts (replan, part, after_id, until_id)
        SELECT $1, (SELECT count(*) FROM bounded) + 1,
            COALESCE((SELECT until_id FROM bounded ORDER BY part DESC LIMIT 1), $2), $5",
        row.id,
        row.after_id,
        &row.replan.order_types,
        size,
        Uuid::max()
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("cut a recomputation", error))
}

/// The id of the next open order of a part.
///
/// # Errors
/// When the database fails.
pub async fn next_open_order(connection: &mut PgConnection, part: &PartRow) -> Result<Option<Uuid>, StoreError> {
    sqlx::query_scalar!(
        "SELECT id FROM orders WHERE closed_at IS NULL AND order_type = ANY ($1) AND id > $2 AND id <= $3
        ORDER BY id LIMIT 1",
        &part.replan.order_types,
        part.after_id,
        part.until_id
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::new("find the next open order", error))
}

/// The next open orders of a part, by id, locked, each with whether it was told of and nothing about that waits; the version of
/// the catalogue that they are decided with, which no edit changes until the transaction ends; and the database's clock.
///
/// # Errors
/// When the database fails, or an order is locked for too long.
pub async fn lock_open_orders(
    connection: &mut PgConnection,
    part: &PartRow,
    limit: i64,
) -> Result<(i64, DateTime<Utc>, Vec<(Order, bool)>), StoreError> {
    let error = |error| StoreError::new("lock open orders", error);
    let row = sqlx::query!(r#"SELECT share_catalogue() AS "version!", clock_timestamp() AS "now!""#)
        .fetch_one(&mut *connection)
        .await
        .map_err(error)?;
    let rows = order_rows!(
        "1::bigint",
        // Not EXISTS: that may be answered by reading all alerts and messages once, which are many more than the orders of a batch.
        "(SELECT true FROM alerts a WHERE a.order_id = o.id AND a.visit_sequence = o.visit_sequence
                AND a.rule = 'OVERDUE' AND a.due_at = o.due_at LIMIT 1) IS NOT NULL
            AND (SELECT true FROM outbox m WHERE m.order_id = o.id AND m.visit_sequence = o.visit_sequence
                AND m.kind = 'OVERDUE' LIMIT 1) IS NULL",
        "FROM orders o CROSS JOIN catalogue_version c
         WHERE o.closed_at IS NULL AND o.order_type = ANY ($1) AND o.id > $2 AND o.id <= $3
         ORDER BY o.id LIMIT $4 FOR NO KEY UPDATE OF o",
        &part.replan.order_types,
        part.after_id,
        part.until_id,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(error)?;
    let told = |row: OrderRow| Ok((row.alerted, order(row)?)).map(|(told, order)| (order, told));
    Ok((row.version, row.now, rows.into_iter().map(told).collect::<Result<_, StoreError>>()?))
}

/// Moves a part on, in the transaction that wrote its orders; `done` ends it.
///
/// # Errors
/// When the database fails.
pub async fn move_on(
    connection: &mut PgConnection,
    part: &PartRow,
    (after_id, added, done): (Uuid, Progress, bool),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE replan_parts SET after_id = $3, examined = examined + $4, changed = changed + $5,
            newly_overdue = newly_overdue + $6, in_time_again = in_time_again + $7, failed = failed + $8,
            finished_at = CASE WHEN $9 THEN $10::timestamptz END
        WHERE replan = $1 AND part = $2",
        part.id,
        part.part,
        after_id,
        added.examined,
        added.changed,
        added.newly_overdue,
        added.in_time_again,
        added.failed,
        done,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("move a part of a recomputation on", error))
}
