//! Facts: the order rows that a decision is made on.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{FromRow, PgConnection, types::Json};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{
    health_turns::HealthTurns,
    note::{Assessment, Note},
    order::{Acknowledgement, Due, DueSource, Entry, Interrupted, Order, Visit},
    plan::{Method, Planned},
    projection::Projection,
};

/// One order row with what came along in the same round trip.
#[derive(Debug, FromRow)]
pub(super) struct OrderRow {
    pub place: i64,
    pub database_now: DateTime<Utc>,
    pub catalogue_version: i64,
    pub clock_us: i64,
    pub touched_us: i64,
    pub alerted: bool,
    pub id: Uuid,
    pub number: String,
    pub order_type: String,
    pub title: String,
    pub customer_reference: String,
    pub vendor_reference: String,
    pub sales_order_line: String,
    pub product: String,
    pub quantity: Option<String>,
    pub ordered_on: NaiveDate,
    pub delivery_on: Option<NaiveDate>,
    pub priority: i32,
    pub labels: Json<BTreeMap<String, String>>,
    pub assigned_department: Option<String>,
    pub assigned_user: Option<String>,
    pub status: String,
    pub visit_sequence: i32,
    pub entered_at: DateTime<Utc>,
    pub entered_on: NaiveDate,
    pub due_on: Option<NaiveDate>,
    pub due_at: Option<DateTime<Utc>>,
    pub due_source: Option<String>,
    pub rework: bool,
    pub resumed: bool,
    pub entered_by: String,
    pub entered_for: String,
    pub status_name: String,
    pub next_alarm_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub completed: Vec<String>,
    pub interrupted_status: Option<String>,
    pub interrupted_due_on: Option<NaiveDate>,
    pub interrupted_source: Option<String>,
    pub scheduling: Option<Json<Scheduling>>,
    pub ahead_until: Option<DateTime<Utc>>,
    pub late_from: Option<DateTime<Utc>>,
    pub cycle_status: String,
    pub holds: Json<Vec<(DateTime<Utc>, DateTime<Utc>)>>,
    pub lost_days: i32,
    pub last_note: Option<Json<Note>>,
    pub open_questions: Vec<Uuid>,
    pub assessment: Option<Json<Assessment>>,
    pub finish: Option<Json<Projection>>,
    pub followers: Vec<String>,
    pub acknowledged: Option<Json<Acknowledgement>>,
    pub history_sequence: i32,
    pub import_fingerprint: Option<Vec<u8>>,
    pub imported_at: Option<DateTime<Utc>>,
    pub version: i64,
    pub revision: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What few orders have, in one column.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scheduling {
    /// The order's own method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// From when the visit counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted: Option<Entry>,
    /// When the working time of what was interrupted ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted_due_at: Option<DateTime<Utc>>,
    /// From when that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted_entered: Option<Entry>,
    /// Whether that was rework.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted_rework: bool,
    /// The visit, and the interrupted status with its day, that all this belongs to: a program of the version before goes on
    /// without this column.
    #[serde(default)]
    pub of: (i32, Option<String>, Option<NaiveDate>),
}

impl Scheduling {
    /// Of an order; `None` when there is nothing to keep.
    pub fn of(order: &Order) -> Option<Self> {
        let interrupted = order.interrupted.as_ref();
        let it = Self {
            method: order.schedule_method,
            counted: order.visit.counted,
            interrupted_due_at: interrupted.and_then(|it| it.due).and_then(|due| due.at),
            interrupted_entered: interrupted.and_then(|it| it.entered),
            interrupted_rework: interrupted.is_some_and(|it| it.rework),
            of: Default::default(),
        };
        let interrupted = interrupted.map(|it| (it.status.clone(), it.due.map(|due| due.on)));
        let (status, on) = interrupted.unzip();
        let of = (order.visit.sequence, status, on.flatten());
        (it != Self::default()).then_some(Self { of, ..it })
    }

    /// Keeps only what belongs to the row as it stands.
    fn forget_what_is_past(
        &mut self,
        (sequence, resumed): (i32, bool),
        (status, on): (&Option<String>, Option<NaiveDate>),
    ) {
        if self.of.0 != sequence || !resumed {
            self.counted = None;
        }
        if self.of.1 != *status || self.of.2 != on {
            (self.interrupted_due_at, self.interrupted_entered, self.interrupted_rework) = (None, None, false);
        }
    }
}

/// The columns of `OrderRow`, then the rest of the statement. `o` is the order, `c` the catalogue's version, `place` comes first.
macro_rules! order_rows {
    ($place:literal, $alerted:literal, $rest:literal $(+ $more:literal)* $(, $argument:expr)*) => {
        sqlx::query_as!(
            crate::store::facts::OrderRow,
            "SELECT " + $place + r#" AS "place!", now() AS "database_now!", c.version AS catalogue_version,
                (extract(epoch FROM clock_timestamp()) * 1e6)::bigint AS "clock_us!",
                (extract(epoch FROM o.touched_at) * 1e6)::bigint AS "touched_us!",
                "# + $alerted + r#" AS "alerted!",
                o.id, o.number, o.order_type, o.title, o.customer_reference, o.vendor_reference, o.sales_order_line,
                o.product, o.quantity::text AS "quantity", o.ordered_on, o.delivery_on, o.priority,
                o.labels AS "labels: _", o.assigned_department, o.assigned_user, o.status, o.visit_sequence,
                o.entered_at, o.entered_on, o.due_on, o.due_at, o.due_source, o.rework, o.resumed, o.entered_by,
                o.entered_for, o.status_name, o.next_alarm_at, o.closed_at, o.completed, o.interrupted_status,
                o.interrupted_due_on, o.interrupted_source, o.scheduling AS "scheduling: _", o.ahead_until,
                NULLIF(o.late_from, 'infinity') AS "late_from",
                o.cycle_status, o.holds AS "holds: _", o.lost_days,
                o.last_note AS "last_note: _", o.open_questions, o.assessment AS "assessment: _", o.finish AS "finish: _",
                o.followers, o.acknowledged AS "acknowledged: _",
                o.history_sequence, o.import_fingerprint, o.imported_at, o.version,
                o.revision, o.created_at, o.updated_at "# + $rest $(+ $more)*
            $(, $argument)*
        )
    };
}
pub(super) use order_rows;

/// How an order is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderRef {
    /// By id.
    Id(Uuid),
    /// By number.
    Number(String),
}

impl std::fmt::Display for OrderRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Number(number) => f.write_str(number),
        }
    }
}

/// The facts of one order, and when a caller last changed it.
#[derive(Debug, Clone)]
pub struct OrderFact {
    /// Place of the reference in the request, from 0.
    pub place: usize,
    /// The order.
    pub order: Order,
    /// The database's wall clock when it was read, in microseconds since 1970.
    pub clock_us: i64,
    /// When a caller last changed it, by the same clock.
    pub touched_us: i64,
    /// Whether its visit was reported overdue for this due time before; only read with due alarms.
    pub alerted: bool,
}

/// What was read in one round trip.
#[derive(Debug, Clone)]
pub struct Facts<T> {
    /// The clock of the database.
    pub database_now: DateTime<Utc>,
    /// Version of the catalogue at that moment.
    pub catalogue_version: i64,
    /// What was found.
    pub found: Vec<T>,
}

/// What is known about a number that should be new.
#[derive(Debug, Clone)]
pub struct NumberFact {
    /// Place in the request, from 0.
    pub place: usize,
    /// Whether it is taken.
    pub taken: bool,
    /// Fingerprint of the imported order that has it.
    pub import_fingerprint: Option<Vec<u8>>,
}

impl Store {
    /// Reads the orders that are named, and the version of the catalogue, in one round trip. Orders that do not exist are left
    /// out; `None` when none exists.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn order_facts(&self, refs: &[OrderRef]) -> Result<Option<Facts<OrderFact>>, StoreError> {
        let ids: Vec<Option<Uuid>> =
            refs.iter().map(|r| if let OrderRef::Id(id) = r { Some(*id) } else { None }).collect();
        let numbers: Vec<Option<String>> =
            refs.iter().map(|r| if let OrderRef::Number(number) = r { Some(number.clone()) } else { None }).collect();
        let rows = order_rows!(
            "i.place",
            "false",
            "FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS i (id, number, place)
             CROSS JOIN catalogue_version c
             JOIN LATERAL (SELECT COALESCE(i.id, (SELECT n.id FROM orders n WHERE n.number = i.number)) AS id) k ON true
             JOIN orders o ON o.id = k.id
             ORDER BY i.place",
            &ids as _,
            &numbers as _
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("read orders", error))?;
        facts(rows)
    }

    /// What is known about numbers that should be new, and the version of the catalogue, in one round trip.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn number_facts(&self, numbers: &[String]) -> Result<Facts<NumberFact>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT now() AS "database_now!", c.version, i.place AS "place!", o.id AS "id?", o.import_fingerprint AS "fingerprint?"
               FROM unnest($1::text[]) WITH ORDINALITY AS i (number, place)
               CROSS JOIN catalogue_version c
               LEFT JOIN orders o ON o.number = i.number
               ORDER BY i.place"#,
            numbers
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("read numbers", error))?;
        let (database_now, catalogue_version) =
            rows.first().map_or((DateTime::UNIX_EPOCH, 0), |row| (row.database_now, row.version));
        let found = rows
            .into_iter()
            .map(|row| NumberFact {
                place: place(row.place),
                taken: row.id.is_some(),
                import_fingerprint: row.fingerprint,
            })
            .collect();
        Ok(Facts { database_now, catalogue_version, found })
    }

    /// The clock of the database and the version of the catalogue.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clock_and_version(&self) -> Result<(DateTime<Utc>, i64), StoreError> {
        let row = sqlx::query!(r#"SELECT now() AS "database_now!", version FROM catalogue_version"#)
            .fetch_one(&self.calls)
            .await
            .map_err(|error| StoreError::new("read the clock", error))?;
        Ok((row.database_now, row.version))
    }
}

impl Store {
    /// Puts the alarm of an order off, when it cannot be recorded. No version is counted: it is only looked at later.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_off_alarm(&self, order: Uuid, until: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query!("UPDATE orders SET next_alarm_at = $2 WHERE id = $1 AND next_alarm_at < $2", order, until)
            .execute(&self.calls)
            .await
            .map(drop)
            .map_err(|error| StoreError::new("put an alarm off", error))
    }
}

/// Locks the orders whose alarm has come by `now`, the earliest first; passes over those that somebody else has locked, and finds
/// none while the catalogue is being edited, since an edit may wait for the orders.
///
/// # Errors
/// When the database fails.
pub(crate) async fn lock_due_alarms(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Option<Facts<OrderFact>>, StoreError> {
    let rows = order_rows!(
        "1::bigint",
        // Not EXISTS: that may be answered by reading all alerts once, which are many more than the orders of a batch.
        "(SELECT true FROM alerts a WHERE a.order_id = o.id AND a.visit_sequence = o.visit_sequence
            AND a.rule = 'OVERDUE' AND a.due_at = o.due_at LIMIT 1) IS NOT NULL",
        "FROM orders o CROSS JOIN catalogue_version c
         WHERE o.next_alarm_at <= $1 AND (SELECT try_share_catalogue())
         ORDER BY o.next_alarm_at
         LIMIT $2
         FOR UPDATE OF o SKIP LOCKED",
        now,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("lock due alarms", error))?;
    facts(rows)
}

/// The alerts of these visits (order, sequence): order, rule, instant.
///
/// # Errors
/// When the database fails.
pub(crate) async fn alerts_of(
    connection: &mut PgConnection,
    visits: &[(Uuid, i32)],
) -> Result<Vec<(Uuid, String, DateTime<Utc>)>, StoreError> {
    let (orders, sequences): (Vec<Uuid>, Vec<i32>) = visits.iter().copied().unzip();
    let rows = sqlx::query!(
        "SELECT a.order_id, a.rule, a.due_at
        FROM UNNEST($1::uuid[], $2::integer[]) AS v (order_id, sequence)
        JOIN alerts a ON a.order_id = v.order_id AND a.visit_sequence = v.sequence
        ORDER BY a.order_id, a.rule, a.due_at",
        &orders,
        &sequences
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read alerts", error))?;
    Ok(rows.into_iter().map(|row| (row.order_id, row.rule, row.due_at)).collect())
}

pub(super) fn facts(rows: Vec<OrderRow>) -> Result<Option<Facts<OrderFact>>, StoreError> {
    let Some(first) = rows.first() else { return Ok(None) };
    let (database_now, catalogue_version) = (first.database_now, first.catalogue_version);
    let found = rows
        .into_iter()
        .map(|row| {
            Ok(OrderFact {
                place: place(row.place),
                clock_us: row.clock_us,
                touched_us: row.touched_us,
                alerted: row.alerted,
                order: order(row)?,
            })
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Some(Facts { database_now, catalogue_version, found }))
}

fn place(ordinality: i64) -> usize {
    usize::try_from(ordinality - 1).unwrap_or(0)
}

/// A due date from its three columns.
pub(super) fn due(
    table: &'static str,
    id: Uuid,
    on: Option<NaiveDate>,
    at: Option<DateTime<Utc>>,
    source: Option<&str>,
) -> Result<Option<Due>, StoreError> {
    match (on, at, source) {
        (None, None, None) => Ok(None),
        (Some(on), Some(at), Some(source)) => match DueSource::parse(source) {
            Some(source) => Ok(Some(Due { on, at, source })),
            None => Err(StoreError::impossible(table, "due_source", id.to_string())),
        },
        _ => Err(StoreError::impossible(table, "due_on", id.to_string())),
    }
}

pub(super) fn order(row: OrderRow) -> Result<Order, StoreError> {
    let due = due("orders", row.id, row.due_on, row.due_at, row.due_source.as_deref())?;
    let interrupted_due = match (row.interrupted_due_on, row.interrupted_source.as_deref()) {
        (Some(on), Some(source)) => {
            let source = DueSource::parse(source)
                .ok_or_else(|| StoreError::impossible("orders", "interrupted_source", row.id.to_string()))?;
            Some((on, source))
        }
        _ => None,
    };
    let mut scheduling = row.scheduling.map(|it| it.0).unwrap_or_default();
    scheduling
        .forget_what_is_past((row.visit_sequence, row.resumed), (&row.interrupted_status, row.interrupted_due_on));
    let interrupted = row.interrupted_status.map(|status| Interrupted {
        status,
        due: interrupted_due.map(|(on, source)| Planned { on, at: scheduling.interrupted_due_at, source }),
        entered: scheduling.interrupted_entered,
        rework: scheduling.interrupted_rework,
    });
    Ok(Order {
        id: row.id,
        number: row.number,
        order_type: row.order_type,
        title: row.title,
        customer_reference: row.customer_reference,
        vendor_reference: row.vendor_reference,
        sales_order_line: row.sales_order_line,
        product: row.product,
        quantity: row.quantity.unwrap_or_default(),
        ordered_on: row.ordered_on,
        delivery_on: row.delivery_on,
        schedule_method: scheduling.method,
        priority: row.priority,
        labels: row.labels.0,
        assigned_department: row.assigned_department,
        assigned_user: row.assigned_user,
        visit: Visit {
            sequence: row.visit_sequence,
            status: row.status,
            status_name: row.status_name,
            entered_at: row.entered_at,
            entered_on: row.entered_on,
            due,
            rework: row.rework,
            resumed: row.resumed,
            skipped: false,
            entered_by: row.entered_by,
            entered_for: row.entered_for,
            left_at: None,
            completed_on: None,
            completed: false,
            counted: scheduling.counted,
        },
        followers: row.followers,
        acknowledged: row.acknowledged.map(|it| it.0),
        health_turns: HealthTurns { ahead_until: row.ahead_until, late_from: row.late_from },
        next_alarm_at: row.next_alarm_at,
        closed_at: row.closed_at,
        completed: row.completed,
        interrupted,
        cycle_status: row.cycle_status,
        holds: row.holds.0,
        lost_days: u32::try_from(row.lost_days).unwrap_or(0),
        last_note: row.last_note.map(|note| note.0),
        open_questions: row.open_questions,
        assessment: row.assessment.map(|assessment| assessment.0),
        finish: row.finish.map(|finish| finish.0),
        history_sequence: row.history_sequence,
        import_fingerprint: row.import_fingerprint,
        imported_at: row.imported_at,
        version: row.version,
        revision: row.revision,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}
