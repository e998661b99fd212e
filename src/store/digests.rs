//! Digests: who waits for one, what was gathered, what stands, and the one transaction that tells it.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::{
    Store, StoreError,
    facts::{facts, order_rows},
};
use crate::domain::{
    alerts::{
        digest::{STORM, Standing, Waiting},
        digest_facts::DigestFacts,
        message::{Message, MessageFacts, Topic},
    },
    order::Order,
};

/// An address whose digest is due.
#[derive(Debug, Clone)]
pub struct DueDigest {
    /// The address.
    pub address: String,
    /// The user, or none for a fixed address.
    pub user_id: Option<String>,
    /// When it was due.
    pub due_at: DateTime<Utc>,
}

/// What was gathered for an address.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The messages, in the order in which they were decided.
    pub messages: Vec<Waiting>,
    /// User of the first that names one.
    pub user_id: Option<String>,
    /// Name of the recipient of the first.
    pub recipient_name: String,
}

/// What becomes of a gathered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// The message.
    pub id: Uuid,
    /// Told by the digest, or withdrawn.
    pub told: bool,
}

/// An overdue task of a person or of a department.
#[derive(Debug, Clone)]
pub struct OverdueTask {
    /// What is to be done.
    pub title: String,
    /// The order it is about.
    pub order_id: Option<Uuid>,
    /// Its number, or empty.
    pub order_number: String,
    /// The department that has it, when the person has not.
    pub assigned_department: Option<String>,
    /// The last day in time.
    pub due_on: Option<NaiveDate>,
}

impl Store {
    /// Whether a digest is due at `now`, and whether there are alarms that should have been found before `late`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn digest_waits(&self, now: DateTime<Utc>, late: DateTime<Utc>) -> Result<(bool, bool), StoreError> {
        let row = sqlx::query!(
            r#"SELECT EXISTS (SELECT FROM digests WHERE due_at <= $1) AS "due!",
                EXISTS (SELECT FROM orders WHERE next_alarm_at <= $2) AS "behind!""#,
            now,
            late
        )
        .fetch_one(&self.calls)
        .await
        .map_err(|error| StoreError::new("look for digests", error))?;
        Ok((row.due, row.behind))
    }

    /// Puts the digest of an address off, since it could not be told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_off_digest(&self, address: &str, until: DateTime<Utc>) -> Result<(), StoreError> {
        sqlx::query!("UPDATE digests SET due_at = $2 WHERE address = $1 AND due_at < $2", address, until)
            .execute(&self.calls)
            .await
            .map(drop)
            .map_err(|error| StoreError::new("put a digest off", error))
    }
}

/// Takes on the digest that is due the longest, until the transaction ends; passes over what another daemon has taken on, and
/// those that it should not be. The row itself stays free, so that who gathers more for the address does not wait.
///
/// # Errors
/// When the database fails.
pub(crate) async fn take_due_digest(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    but_not: &[String],
) -> Result<Option<DueDigest>, StoreError> {
    // Materialized, so that the locks are tried one by one, in this order, until one is free. 4714230 is next to the lock of the
    // catalogue; another address with the same hash waits for its turn.
    sqlx::query_as!(
        DueDigest,
        r#"WITH due AS MATERIALIZED (
             SELECT address, user_id, due_at FROM digests WHERE due_at <= $1 AND address <> ALL ($2)
             ORDER BY due_at, address LIMIT 20)
         SELECT address, user_id, due_at FROM due
         WHERE pg_try_advisory_xact_lock(4714230, hashtext(address)) LIMIT 1"#,
        now,
        but_not
    )
    .fetch_optional(connection)
    .await
    .map_err(|error| StoreError::new("take a digest on", error))
}

/// Locks the row of an address, from here to the end of the transaction; `None` when it is not there (any more). Who gathers more
/// waits for it.
///
/// # Errors
/// When the database fails.
pub(crate) async fn lock_digest(
    connection: &mut PgConnection,
    address: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    sqlx::query_scalar!("SELECT due_at FROM digests WHERE address = $1 FOR UPDATE", address)
        .fetch_optional(connection)
        .await
        .map_err(|error| StoreError::new("lock a digest", error))
}

/// When the earliest of what is gathered for an address should be told.
///
/// # Errors
/// When the database fails.
pub(crate) async fn gathered_until(
    connection: &mut PgConnection,
    address: &str,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    sqlx::query_scalar!("SELECT min(next_attempt_at) FROM outbox WHERE address = $1 AND state = 'GATHERED'", address)
        .fetch_one(connection)
        .await
        .map_err(|error| StoreError::new("look what waits for a digest", error))
}

/// Locks what was gathered for an address, the oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn lock_gathered(
    connection: &mut PgConnection,
    address: &str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Gathered, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, kind, user_id, recipient_name, order_id AS "order_id?", created_at, detail,
            message_holds(kind, order_id, visit_sequence, due_at, created_at, facts, $2) AS "holds!"
         FROM outbox WHERE address = $1 AND state = 'GATHERED' ORDER BY id LIMIT $3 FOR UPDATE"#,
        address,
        now,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read what was gathered", error))?;
    let recipient_name = rows.first().map(|row| row.recipient_name.clone()).unwrap_or_default();
    let user_id = rows.iter().find_map(|row| row.user_id.clone());
    let messages = rows
        .into_iter()
        .map(|row| Waiting {
            id: row.id,
            topic: Topic::parse_chosen(&row.kind),
            // Only a task has none; it is told by itself.
            order_id: row.order_id.unwrap_or_default(),
            decided_at: row.created_at,
            holds: row.holds,
            storm: row.detail == STORM,
            folded: false,
        })
        .collect();
    Ok(Gathered { messages, user_id, recipient_name })
}

/// Locks the digests for an address that nobody has tried to send yet, the oldest first. `None` while a sender has one: then it is not
/// known yet whether it leaves.
///
/// # Errors
/// When the database fails.
pub(crate) async fn lock_unsent_digests(
    connection: &mut PgConnection,
    address: &str,
) -> Result<Option<Vec<(Uuid, DigestFacts)>>, StoreError> {
    let error = |error| StoreError::new("look for digests that have not left", error);
    let rows = sqlx::query!(
        r#"SELECT id, facts AS "facts: Json<MessageFacts>" FROM outbox
         WHERE address = $1 AND kind = 'DIGEST' AND state = 'READY' AND attempts = 0 AND uncertain_count = 0
         ORDER BY id LIMIT 10 FOR UPDATE"#,
        address
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(error)?;
    // Asked after the others are locked: none can be claimed in between.
    let sending = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM outbox
            WHERE address = $1 AND kind = 'DIGEST' AND state IN ('CLAIMED', 'SENDING')) AS "sending!""#,
        address
    )
    .fetch_one(connection)
    .await
    .map_err(error)?;
    let unsent = rows.into_iter().filter_map(|row| match row.facts.0 {
        MessageFacts::Digest(facts) => Some((row.id, *facts)),
        _ => None,
    });
    Ok((!sending).then(|| unsent.collect()))
}

/// What digests have folded, the oldest first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn folded_by(
    connection: &mut PgConnection,
    digests: &[Uuid],
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, kind, order_id AS "order_id?", created_at,
            message_holds(kind, order_id, visit_sequence, due_at, created_at, facts, $2) AS "holds!"
         FROM deliveries WHERE digest_id = ANY ($1) AND state = 'FOLDED' ORDER BY id LIMIT $3 FOR UPDATE"#,
        digests,
        now,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read what digests tell", error))?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            id: row.id,
            topic: Topic::parse_chosen(&row.kind),
            // Only a task has none; it is told by itself.
            order_id: row.order_id.unwrap_or_default(),
            decided_at: row.created_at,
            holds: row.holds,
            storm: false,
            folded: true,
        })
        .collect())
}

/// What these messages say, the oldest first: order, facts, when it was decided.
///
/// # Errors
/// When the database fails.
pub(crate) async fn facts_of(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, MessageFacts, DateTime<Utc>)>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id!", order_id AS "order_id!", facts AS "facts!: Json<MessageFacts>", created_at AS "created_at!" FROM (
             SELECT id, order_id, facts, created_at FROM outbox WHERE id = ANY ($1)
             UNION ALL
             SELECT id, order_id, facts, created_at FROM deliveries WHERE id = ANY ($1)) AS both_tables
         ORDER BY 1"#,
        ids
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read the facts of messages", error))?;
    Ok(rows.into_iter().map(|row| (row.order_id, row.facts.0, row.created_at)).collect())
}

/// What an address was told of and is not over, at most `limit`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn standing_of(
    connection: &mut PgConnection,
    address: &str,
    limit: i64,
) -> Result<Vec<Standing>, StoreError> {
    let rows = sqlx::query!(
        "SELECT order_id, visit_sequence, due_at, days_late, told_at FROM digest_standing
         WHERE address = $1 ORDER BY order_id LIMIT $2",
        address,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read what stands", error))?;
    Ok(rows
        .into_iter()
        .map(|row| Standing {
            order_id: row.order_id,
            visit: row.visit_sequence,
            due_at: row.due_at,
            days_late: u32::try_from(row.days_late).unwrap_or(0),
            told_at: row.told_at,
        })
        .collect())
}

/// Orders by their ids, as they stand.
///
/// # Errors
/// When the database fails, or a row holds what is never written.
pub(crate) async fn orders_by_id(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Order>, StoreError> {
    let rows = order_rows!(
        "1::bigint",
        "false",
        "FROM orders o CROSS JOIN catalogue_version c WHERE o.id = ANY ($1) ORDER BY o.id",
        ids
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read the orders of a digest", error))?;
    Ok(facts(rows)?.map(|facts| facts.found.into_iter().map(|fact| fact.order).collect()).unwrap_or_default())
}

/// Overdue tasks of a user, and of departments where nobody in person has them, the longest due first, at most `limit`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn overdue_tasks(
    connection: &mut PgConnection,
    user: &str,
    departments: &[String],
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<OverdueTask>, StoreError> {
    sqlx::query_as!(
        OverdueTask,
        r#"SELECT title, order_id, order_number,
            CASE WHEN assigned_user = $1 THEN NULL ELSE assigned_department END AS assigned_department, due_on
         FROM tasks
         WHERE state = 'OPEN' AND due_sort <= $3 AND (assigned_user = $1 OR (assigned_user IS NULL AND assigned_department = ANY ($2)))
         ORDER BY due_sort, id LIMIT $4"#,
        user,
        departments,
        now,
        limit
    )
    .fetch_all(connection)
    .await
    .map_err(|error| StoreError::new("read overdue tasks", error))
}

/// Makes a digest ready to be sent.
///
/// # Errors
/// When the database fails.
pub(crate) async fn insert_digest(
    connection: &mut PgConnection,
    digest: &Message,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO outbox (
             id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, facts,
             next_attempt_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        digest.id,
        digest.dedup_key,
        digest.topic.as_str(),
        digest.recipient.user,
        digest.recipient.name,
        digest.recipient.address,
        digest.order_id,
        digest.order_number,
        digest.visit_sequence,
        Json(&digest.facts) as _,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("queue a digest", error))
}

/// Moves gathered messages to the delivery record: told by the digest, or withdrawn since they are no longer true.
///
/// # Errors
/// When the database fails.
pub(crate) async fn fold(
    connection: &mut PgConnection,
    fates: &[Fate],
    digest: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (ids, told): (Vec<Uuid>, Vec<bool>) = fates.iter().map(|fate| (fate.id, fate.told)).unzip();
    sqlx::query!(
        r#"WITH fate AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::boolean[]) AS f (id, told)),
         gone AS (
             DELETE FROM outbox o USING fate f WHERE o.id = f.id AND o.state = 'GATHERED'
             RETURNING o.id, o.dedup_key, o.kind, o.user_id, o.recipient_name, o.address, o.order_id, o.order_number,
                 o.visit_sequence, o.due_at, o.facts, o.attempts, o.uncertain_count, o.created_at, o.channel, o.rule, f.told)
         INSERT INTO deliveries (
             id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at, facts,
             state, attempts, uncertain_count, detail, subject, message_id, message, created_at, settled_at, channel, rule,
             digest_id)
         SELECT id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at, facts,
             CASE WHEN told THEN 'FOLDED' ELSE 'WITHDRAWN' END, attempts, uncertain_count,
             CASE WHEN told THEN 'told by a digest' ELSE 'the order moved on before the digest was made' END,
             '', '', NULL, created_at, $4, channel, rule, CASE WHEN told THEN $3::uuid END
         FROM gone"#,
        &ids,
        &told,
        digest,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("fold messages", error))
}

/// Takes back digests that have not left: what they folded is told by another one, or is no longer true.
///
/// # Errors
/// When the database fails.
pub(crate) async fn replace_digests(
    connection: &mut PgConnection,
    old: &[Uuid],
    fates: &[Fate],
    digest: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (ids, told): (Vec<Uuid>, Vec<bool>) = fates.iter().map(|fate| (fate.id, fate.told)).unzip();
    sqlx::query!(
        r#"UPDATE deliveries d SET
             digest_id = CASE WHEN f.told THEN $3::uuid END, settled_at = $4,
             state = CASE WHEN f.told THEN 'FOLDED' ELSE 'WITHDRAWN' END,
             detail = CASE WHEN f.told THEN d.detail ELSE 'the order moved on before the digest was sent' END
         FROM unnest($1::uuid[], $2::boolean[]) AS f (id, told)
         WHERE d.id = f.id AND d.state = 'FOLDED'"#,
        &ids,
        &told,
        digest,
        now
    )
    .execute(&mut *connection)
    .await
    .map_err(|error| StoreError::new("fold messages anew", error))?;
    sqlx::query!(
        r#"WITH gone AS (
             DELETE FROM outbox WHERE id = ANY ($1)
             RETURNING id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                 facts, attempts, uncertain_count, created_at, channel, rule)
         INSERT INTO deliveries (
             id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at, facts,
             state, attempts, uncertain_count, detail, subject, message_id, message, created_at, settled_at, channel, rule,
             digest_id)
         SELECT id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at, facts,
             'WITHDRAWN', attempts, uncertain_count,
             CASE WHEN $2::uuid IS NULL THEN 'nothing of it was true any more' ELSE 'it had not left when the next one was made' END,
             '', '', NULL, created_at, $3, channel, rule, $2
         FROM gone"#,
        old,
        digest,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("take back digests", error))
}

/// Makes gathered messages ready to be sent by themselves.
///
/// # Errors
/// When the database fails.
pub(crate) async fn send_alone(
    connection: &mut PgConnection,
    ids: &[Uuid],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE outbox SET state = 'READY', next_attempt_at = $2, detail = '' WHERE id = ANY ($1) AND state = 'GATHERED'",
        ids,
        now
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("send gathered messages alone", error))
}

/// Keeps what stands for an address, and forgets what is over.
///
/// # Errors
/// When the database fails.
pub(crate) async fn keep_standing(
    connection: &mut PgConnection,
    address: &str,
    standing: &[Standing],
    over: &[Uuid],
) -> Result<(), StoreError> {
    if !over.is_empty() {
        sqlx::query!("DELETE FROM digest_standing WHERE address = $1 AND order_id = ANY ($2)", address, over)
            .execute(&mut *connection)
            .await
            .map_err(|error| StoreError::new("forget what is over", error))?;
    }
    if standing.is_empty() {
        return Ok(());
    }
    let orders: Vec<Uuid> = standing.iter().map(|it| it.order_id).collect();
    let visits: Vec<i32> = standing.iter().map(|it| it.visit).collect();
    let due: Vec<DateTime<Utc>> = standing.iter().map(|it| it.due_at).collect();
    let days: Vec<i32> = standing.iter().map(|it| i32::try_from(it.days_late).unwrap_or(i32::MAX)).collect();
    let told: Vec<DateTime<Utc>> = standing.iter().map(|it| it.told_at).collect();
    sqlx::query!(
        "INSERT INTO digest_standing (address, order_id, visit_sequence, due_at, days_late, told_at)
         SELECT $1, s.order_id, s.visit_sequence, s.due_at, s.days_late, s.told_at
         FROM unnest($2::uuid[], $3::integer[], $4::timestamptz[], $5::integer[], $6::timestamptz[])
             AS s (order_id, visit_sequence, due_at, days_late, told_at)
         ON CONFLICT (address, order_id) DO UPDATE SET
             visit_sequence = excluded.visit_sequence, due_at = excluded.due_at, days_late = excluded.days_late,
             told_at = excluded.told_at",
        address,
        &orders,
        &visits,
        &due,
        &days,
        &told
    )
    .execute(connection)
    .await
    .map(drop)
    .map_err(|error| StoreError::new("keep what stands", error))
}

/// Says when the next digest of an address is due, or that none is.
///
/// # Errors
/// When the database fails.
pub(crate) async fn settle_digest(
    connection: &mut PgConnection,
    address: &str,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let settled = match due_at {
        Some(due_at) => {
            sqlx::query!("UPDATE digests SET due_at = $2 WHERE address = $1", address, due_at).execute(connection).await
        }
        None => sqlx::query!("DELETE FROM digests WHERE address = $1", address).execute(connection).await,
    };
    settled.map(drop).map_err(|error| StoreError::new("settle a digest", error))
}
