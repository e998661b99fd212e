//! Reads of orders: one, pages by filter, counts, visits and history.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use sqlx::{Postgres, QueryBuilder, types::Json};
use uuid::Uuid;

use super::{
    Store, StoreError,
    facts::{Facts, OrderFact, OrderRow, due, facts, order, order_rows},
};
use crate::domain::{
    note::{Note, NoteKind},
    order::{HistoryDetail, HistoryEntry, HistoryKind, Order, Visit},
    projection::Health,
};

/// Orders by whether they are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderState {
    /// Open ones.
    #[default]
    Open,
    /// Closed ones.
    Closed,
    /// Both.
    Any,
}

/// In which order orders are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrderBy {
    /// Due first, none last, then by id.
    #[default]
    Due,
    /// By id, which is by creation.
    Created,
    /// The same, newest first.
    CreatedDesc,
    /// By number, in byte order.
    Number,
    /// Late first, the longest first; then those that will be late soonest; then by id. Open orders only.
    Health,
}

/// Which orders. Every field that is set narrows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// By whether they are closed.
    pub state: OrderState,
    /// Types, any of.
    pub order_types: Vec<String>,
    /// Statuses, any of.
    pub statuses: Vec<String>,
    /// Assigned department.
    pub assigned_department: Option<String>,
    /// Assigned user.
    pub assigned_user: Option<String>,
    /// Due time at or before this instant: what is overdue then.
    pub due_by: Option<DateTime<Utc>>,
    /// Due on or before this day.
    pub due_to: Option<NaiveDate>,
    /// Number begins so.
    pub number_prefix: Option<String>,
    /// Exactly this reference.
    pub customer_reference: Option<String>,
    /// Only with a question that nobody has answered.
    pub open_questions: bool,
    /// Health at `health_at`, any of.
    pub health: Vec<Health>,
    /// The instant of that, and of `acknowledged`.
    pub health_at: DateTime<Utc>,
    /// Whether somebody has acknowledged the current visit.
    pub acknowledged: Option<bool>,
}

/// The last row of a page: where the next one goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// After this due time (`None` = among those without) and id.
    Due(Option<DateTime<Utc>>, Uuid),
    /// After this id.
    Id(Uuid),
    /// After this number.
    Number(String),
    /// After this instant from which it is late (`None` = among those of which it is not known) and id.
    Late(Option<DateTime<Utc>>, Uuid),
}

/// How many open orders are in one status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCount {
    /// Type.
    pub order_type: String,
    /// Status.
    pub status: String,
    /// Open orders.
    pub open: i64,
    /// Of these, with a due time at or before the instant asked for.
    pub overdue: i64,
}

const COLUMNS: &str = "SELECT 1::bigint AS place, now() AS database_now, c.version AS catalogue_version, 0::bigint AS clock_us,
    0::bigint AS touched_us, false AS alerted,
    o.id, o.number, o.order_type, o.title, o.customer_reference, o.vendor_reference, o.sales_order_line, o.product,
    o.quantity::text AS quantity, o.ordered_on, o.delivery_on, o.priority, o.labels, o.assigned_department, o.assigned_user,
    o.status, o.visit_sequence, o.entered_at, o.entered_on, o.due_on, o.due_at, o.due_source, o.rework, o.resumed,
    o.entered_by, o.entered_for, o.status_name, o.next_alarm_at, o.closed_at, o.completed, o.interrupted_status,
    o.interrupted_due_on, o.interrupted_source, o.scheduling, o.ahead_until,
    NULLIF(o.late_from, 'infinity') AS late_from, o.cycle_status, o.holds, o.lost_days, o.last_note, o.open_questions,
    o.assessment, o.finish, o.followers, o.acknowledged, o.history_sequence,
    o.import_fingerprint, o.imported_at, o.version, o.revision, o.created_at, o.updated_at
    FROM orders o CROSS JOIN catalogue_version c WHERE true";

impl Store {
    /// One page of orders: at most `limit`, after `after`. The statement is put together from fixed pieces, since which index
    /// serves depends on which filters are set; every value is bound.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn list_orders(
        &self,
        filter: &OrderFilter,
        by: OrderBy,
        after: Option<&Position>,
        limit: i64,
    ) -> Result<Option<Facts<OrderFact>>, StoreError> {
        let mut query = list_statement(filter, by, after, limit);
        let rows: Vec<OrderRow> = query
            .build_query_as()
            .fetch_all(&self.calls)
            .await
            .map_err(|error| StoreError::new("list orders", error))?;
        facts(rows)
    }

    /// Orders of some types (none = all) that were open at some time between two instants, the newest first.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn orders_open_between(
        &self,
        types: &[String],
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        limit: i64,
    ) -> Result<Vec<Order>, StoreError> {
        let rows = order_rows!(
            "1::bigint",
            "false",
            "FROM orders o CROSS JOIN catalogue_version c
             WHERE (cardinality($1::text[]) = 0 OR o.order_type = ANY ($1)) AND o.created_at < $3
                AND (o.closed_at IS NULL OR o.closed_at >= $2)
             ORDER BY o.id DESC LIMIT $4",
            types,
            from,
            to,
            limit
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("read orders that were open", error))?;
        rows.into_iter().map(order).collect()
    }

    /// Open orders by type and status; those with a due time at or before `now` count as overdue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_orders(&self, now: DateTime<Utc>) -> Result<Vec<StatusCount>, StoreError> {
        sqlx::query_as!(
            StatusCount,
            r#"SELECT order_type, status, count(*) AS "open!", count(*) FILTER (WHERE due_sort <= $1) AS "overdue!"
               FROM orders WHERE closed_at IS NULL
               GROUP BY order_type, status ORDER BY order_type, status"#,
            now
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("count orders", error))
    }

    /// Visits of an order after a sequence, first to last.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn list_visits(&self, order: Uuid, after: i32, limit: i64) -> Result<Vec<Visit>, StoreError> {
        let rows = sqlx::query!(
            "SELECT sequence, status, status_name, entered_at, entered_on, due_on, due_at, due_source, rework, resumed, skipped,
                    entered_by, entered_for, left_at, completed_on, completed
             FROM visits WHERE order_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
            order,
            after,
            limit
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("list visits", error))?;
        rows.into_iter()
            .map(|row| {
                Ok(Visit {
                    sequence: row.sequence,
                    status: row.status,
                    status_name: row.status_name,
                    entered_at: row.entered_at,
                    entered_on: row.entered_on,
                    due: due("visits", order, row.due_on, row.due_at, row.due_source.as_deref())?,
                    rework: row.rework,
                    resumed: row.resumed,
                    skipped: row.skipped,
                    entered_by: row.entered_by,
                    entered_for: row.entered_for,
                    left_at: row.left_at,
                    completed_on: row.completed_on,
                    completed: row.completed,
                    counted: None,
                })
            })
            .collect()
    }

    /// History of an order after a sequence, oldest first.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn list_history(&self, order: Uuid, after: i32, limit: i64) -> Result<Vec<HistoryEntry>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT sequence, at, kind, actor, acted_for, imported, detail AS "detail: Json<HistoryDetail>"
               FROM history WHERE order_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"#,
            order,
            after,
            limit
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("list history", error))?;
        rows.into_iter()
            .map(|row| {
                Ok(HistoryEntry {
                    sequence: row.sequence,
                    at: row.at,
                    kind: HistoryKind::parse(&row.kind)
                        .ok_or_else(|| StoreError::impossible("history", "kind", order.to_string()))?,
                    actor: row.actor,
                    acted_for: row.acted_for,
                    imported: row.imported,
                    detail: row.detail.0,
                })
            })
            .collect()
    }

    /// Notes of an order after an id, oldest first; with `among`, only these.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn list_notes(
        &self,
        order: Uuid,
        after: Uuid,
        among: Option<&[Uuid]>,
        limit: i64,
    ) -> Result<Vec<Note>, StoreError> {
        let rows = sqlx::query!(
            "SELECT id, author, written_at, kind, text, answers, assessment FROM notes
             WHERE order_id = $1 AND id > $2 AND ($3::uuid[] IS NULL OR id = ANY ($3)) ORDER BY id LIMIT $4",
            order,
            after,
            among as _,
            limit
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("list notes", error))?;
        rows.into_iter()
            .map(|row| {
                let impossible = |column| StoreError::impossible("notes", column, row.id.to_string());
                let assessment = row.assessment.as_deref();
                Ok(Note {
                    id: row.id,
                    author: row.author,
                    at: row.written_at,
                    text: row.text,
                    kind: NoteKind::parse(&row.kind).ok_or_else(|| impossible("kind"))?,
                    answers: row.answers,
                    assessment: match assessment {
                        Some(text) => Some(Health::parse(text).ok_or_else(|| impossible("assessment"))?),
                        None => None,
                    },
                })
            })
            .collect()
    }

    /// The kind and order of a note; `None` when there is no such note.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_place(&self, id: Uuid) -> Result<Option<(Uuid, String)>, StoreError> {
        sqlx::query!("SELECT order_id, kind FROM notes WHERE id = $1", id)
            .fetch_optional(&self.calls)
            .await
            .map(|row| row.map(|row| (row.order_id, row.kind)))
            .map_err(|error| StoreError::new("find a note", error))
    }
}

fn list_statement(filter: &OrderFilter, by: OrderBy, after: Option<&Position>, limit: i64) -> QueryBuilder<Postgres> {
    let mut query = QueryBuilder::new(COLUMNS);
    match filter.state {
        OrderState::Open => query.push(" AND o.closed_at IS NULL"),
        OrderState::Closed => query.push(" AND o.closed_at IS NOT NULL"),
        OrderState::Any => &mut query,
    };
    any_of(&mut query, "o.order_type", &filter.order_types);
    any_of(&mut query, "o.status", &filter.statuses);
    for (column, value) in [
        (" AND o.assigned_department = ", &filter.assigned_department),
        (" AND o.assigned_user = ", &filter.assigned_user),
        (" AND o.customer_reference = ", &filter.customer_reference),
    ] {
        if let Some(value) = value {
            query.push(column).push_bind(value.clone());
        }
    }
    if filter.customer_reference.is_some() {
        query.push(" AND o.customer_reference <> ''");
    }
    if filter.open_questions {
        query.push(" AND cardinality(o.open_questions) > 0");
    }
    if let Some(acknowledged) = filter.acknowledged {
        query
            .push(" AND COALESCE((o.acknowledged ->> 'visit')::integer = o.visit_sequence")
            .push(" AND COALESCE((o.acknowledged ->> 'until')::timestamptz > ")
            .push_bind(filter.health_at)
            .push(", true), false) = ")
            .push_bind(acknowledged);
    }
    if !filter.health.is_empty() {
        any_health(&mut query, filter);
    }
    if let Some(at) = filter.due_by {
        query.push(" AND o.due_sort <= ").push_bind(at);
    }
    if let Some(on) = filter.due_to {
        query.push(" AND o.due_on <= ").push_bind(on);
        // A day ends within 12 hours of UTC's end of it in any zone: this bound lets the index end the walk, the day decides.
        if let Some(end) = on.checked_add_days(Days::new(2)) {
            query.push(" AND o.due_sort <= ").push_bind(end.and_time(NaiveTime::MIN).and_utc());
        }
    }
    if let Some(prefix) = &filter.number_prefix {
        query.push(" AND o.number >= ").push_bind(prefix.clone());
        if let Some(end) = after_prefix(prefix) {
            query.push(" AND o.number < ").push_bind(end);
        }
    }
    match after {
        Some(Position::Due(at, id)) => {
            query.push(" AND (o.due_sort, o.id) > (COALESCE(").push_bind(*at);
            query.push("::timestamptz, 'infinity'::timestamptz), ").push_bind(*id).push(")");
        }
        Some(Position::Id(id)) if by == OrderBy::CreatedDesc => {
            query.push(" AND o.id < ").push_bind(*id);
        }
        Some(Position::Id(id)) => {
            query.push(" AND o.id > ").push_bind(*id);
        }
        Some(Position::Late(at, id)) => {
            query.push(" AND (o.late_from, o.id) > (COALESCE(").push_bind(*at);
            query.push("::timestamptz, 'infinity'::timestamptz), ").push_bind(*id).push(")");
        }
        Some(Position::Number(number)) => {
            query.push(" AND o.number > ").push_bind(number.clone());
        }
        None => {}
    }
    query.push(match by {
        OrderBy::Due => " ORDER BY o.due_sort, o.id",
        OrderBy::Created => " ORDER BY o.id",
        OrderBy::CreatedDesc => " ORDER BY o.id DESC",
        OrderBy::Number => " ORDER BY o.number",
        OrderBy::Health => " ORDER BY o.late_from, o.id",
    });
    query.push(" LIMIT ").push_bind(limit);
    query
}

/// Orders whose health is one of these: of open ones at an instant, of closed ones as it was then; of which it is not known, none.
fn any_health(query: &mut QueryBuilder<Postgres>, filter: &OrderFilter) {
    let at = filter.health_at;
    query.push(" AND (false");
    for health in &filter.health {
        query.push(if filter.state == OrderState::Open { " OR (true" } else { " OR (o.closed_at IS NULL" });
        match health {
            Health::Late => query.push(" AND o.late_from <= ").push_bind(at),
            Health::OnTarget => {
                query.push(" AND o.ahead_until <= ").push_bind(at).push(" AND o.late_from > ").push_bind(at)
            }
            Health::Ahead => query.push(" AND o.ahead_until > ").push_bind(at),
        };
        query.push(")");
        if filter.state != OrderState::Open {
            query
                .push(" OR (o.closed_at IS NOT NULL AND o.finish ->> 'health' = ")
                .push_bind(health.as_str())
                .push(")");
        }
    }
    query.push(")");
}

fn any_of(query: &mut QueryBuilder<Postgres>, column: &'static str, values: &[String]) {
    match values {
        [] => {}
        // A single value leaves the order of an index usable.
        [value] => {
            query.push(" AND ").push(column).push(" = ").push_bind(value.clone());
        }
        values => {
            query.push(" AND ").push(column).push(" = ANY(").push_bind(values.to_vec()).push(")");
        }
    }
}

/// The smallest text after all that begin with `prefix`, in byte order; `None` when there is none.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        if let Some(next) = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_before_the_next_text_in_byte_order() {
        assert_eq!(after_prefix("A1").as_deref(), Some("A2"));
        assert_eq!(after_prefix("Ä").as_deref(), Some("Å"));
        assert_eq!(after_prefix(&format!("a{}", char::MAX)).as_deref(), Some("b"));
        assert_eq!(after_prefix(&char::MAX.to_string()), None);
        assert_eq!(after_prefix("\u{d7ff}").as_deref(), Some("\u{e000}"));
    }
}
