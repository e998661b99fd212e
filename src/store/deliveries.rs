//! The delivery record: what is queued and what was settled, in one list.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, StoreError};

/// One message, queued or settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryRow {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// User it goes to.
    pub user_id: Option<String>,
    /// Address.
    pub address: String,
    /// Order; of a digest the first. `None` for what is about no order.
    pub order_id: Option<Uuid>,
    /// Its number.
    pub order_number: String,
    /// Subject; empty before it was rendered.
    pub subject: String,
    /// `Message-ID`; empty before it was rendered.
    pub message_id: String,
    /// Attempts so far.
    pub attempts: i32,
    /// Ends without a reply.
    pub uncertain_count: i32,
    /// What was said last.
    pub detail: String,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
    /// When the next attempt is due.
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
    /// `MAIL` or `WEBHOOK`.
    pub channel: String,
    /// Id of the trigger that decided it, or empty.
    pub rule: String,
    /// The digest that told it.
    pub digest_id: Option<Uuid>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// From 1.
    pub number: i32,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// How.
    pub outcome: String,
    /// What was said.
    pub reply: String,
}

/// Which messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// States, any of; none = all.
    pub states: Vec<String>,
    /// About this order.
    pub order: Option<Uuid>,
    /// To this user.
    pub user: Option<String>,
    /// Told by this digest.
    pub digest: Option<Uuid>,
}

impl Store {
    /// A page of messages, newest first, before an id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        sqlx::query_as!(
            DeliveryRow,
            r#"SELECT id AS "id!", kind AS "kind!", state AS "state!", user_id, address AS "address!", order_id,
                   order_number AS "order_number!", subject AS "subject!", message_id AS "message_id!",
                   attempts AS "attempts!", uncertain_count AS "uncertain_count!", detail AS "detail!",
                   created_at AS "created_at!", next_attempt_at, settled_at, channel AS "channel!", rule AS "rule!", digest_id
               FROM (
                   (SELECT id, kind, state, user_id, address, order_id, order_number, subject, message_id, attempts,
                           uncertain_count, detail, created_at, next_attempt_at, NULL::timestamptz AS settled_at, channel, rule,
                           NULL::uuid AS digest_id
                    FROM outbox
                    WHERE ($1::text[] IS NULL OR state = ANY($1)) AND ($2::uuid IS NULL OR order_id = $2)
                      AND ($3::text IS NULL OR user_id = $3) AND ($4::uuid IS NULL OR id < $4)
                      AND $6::uuid IS NULL
                    ORDER BY id DESC LIMIT $5)
                   UNION ALL
                   (SELECT id, kind, state, user_id, address, order_id, order_number, subject, message_id, attempts,
                           uncertain_count, detail, created_at, NULL, settled_at, channel, rule, digest_id
                    FROM deliveries
                    WHERE ($1::text[] IS NULL OR state = ANY($1)) AND ($2::uuid IS NULL OR order_id = $2)
                      AND ($3::text IS NULL OR user_id = $3) AND ($4::uuid IS NULL OR id < $4)
                      AND ($6::uuid IS NULL OR digest_id = $6)
                    ORDER BY id DESC LIMIT $5)
               ) AS both_tables
               ORDER BY 1 DESC LIMIT $5"#,
            (!filter.states.is_empty()).then_some(filter.states.as_slice()) as _,
            filter.order,
            filter.user,
            before,
            limit,
            filter.digest
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("list deliveries", error))
    }

    /// One message with its bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_delivery(&self, id: Uuid) -> Result<Option<(DeliveryRow, Vec<u8>)>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT id AS "id!", kind AS "kind!", state AS "state!", user_id, address AS "address!", order_id,
                   order_number AS "order_number!", subject AS "subject!", message_id AS "message_id!",
                   attempts AS "attempts!", uncertain_count AS "uncertain_count!", detail AS "detail!",
                   created_at AS "created_at!", next_attempt_at, settled_at, message, channel AS "channel!", rule AS "rule!",
                   digest_id
               FROM (
                   SELECT id, kind, state, user_id, address, order_id, order_number, subject, message_id, attempts,
                          uncertain_count, detail, created_at, next_attempt_at, NULL::timestamptz AS settled_at, message, channel,
                          rule, NULL::uuid AS digest_id
                   FROM outbox WHERE id = $1
                   UNION ALL
                   SELECT id, kind, state, user_id, address, order_id, order_number, subject, message_id, attempts,
                          uncertain_count, detail, created_at, NULL, settled_at, message, channel, rule, digest_id
                   FROM deliveries WHERE id = $1
               ) AS both_tables LIMIT 1"#,
            id
        )
        .fetch_optional(&self.calls)
        .await
        .map_err(|error| StoreError::new("find a delivery", error))?;
        Ok(row.map(|row| {
            let delivery = DeliveryRow {
                id: row.id,
                kind: row.kind,
                state: row.state,
                user_id: row.user_id,
                address: row.address,
                order_id: row.order_id,
                order_number: row.order_number,
                subject: row.subject,
                message_id: row.message_id,
                attempts: row.attempts,
                uncertain_count: row.uncertain_count,
                detail: row.detail,
                created_at: row.created_at,
                next_attempt_at: row.next_attempt_at,
                settled_at: row.settled_at,
                channel: row.channel,
                rule: row.rule,
                digest_id: row.digest_id,
            };
            (delivery, row.message.unwrap_or_default())
        }))
    }

    /// The attempts of a message, oldest first; at most 1 000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_attempts(&self, id: Uuid) -> Result<Vec<AttemptRow>, StoreError> {
        sqlx::query_as!(
            AttemptRow,
            "SELECT number, ended_at, outcome, reply FROM delivery_attempts WHERE delivery_id = $1 ORDER BY number LIMIT 1000",
            id
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("list attempts", error))
    }

    /// Makes a failed message, or one that waits for its next attempt, ready at `now`. False when it is in neither state.
    /// With a key, the answer to it is stored in the same transaction.
    ///
    /// # Errors
    /// When the database fails; `Constraint` when the key is taken.
    pub async fn retry_delivery(
        &self,
        id: Uuid,
        now: DateTime<Utc>,
        key: Option<(&str, &[u8])>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"WITH hurried AS (
                   UPDATE outbox SET next_attempt_at = $2 WHERE id = $1 AND state IN ('READY', 'UNCERTAIN') RETURNING id),
               failed AS (
                   DELETE FROM deliveries WHERE id = $1 AND state = 'FAILED'
                   RETURNING id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence,
                       due_at, facts, attempts, uncertain_count, detail, subject, message_id, message, created_at,
                       channel, rule),
               revived AS (
                   INSERT INTO outbox (
                       id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                       facts, next_attempt_at, attempts, uncertain_count, detail, subject, message_id, message, created_at, channel,
                       rule)
                   SELECT id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence,
                       due_at, facts, $2, attempts, uncertain_count, detail, subject, message_id, message, created_at, channel, rule
                   FROM failed RETURNING id),
               done AS (SELECT id FROM hurried UNION ALL SELECT id FROM revived),
               answered AS (
                   INSERT INTO requests (id, fingerprint, outcome, created_at)
                   SELECT $3, $4, ''::bytea, $2 FROM done WHERE $3::text IS NOT NULL)
               SELECT count(*) AS "count!" FROM done"#,
            id,
            now,
            key.map(|(id, _)| id),
            key.map(|(_, fingerprint)| fingerprint)
        )
        .fetch_one(&self.calls)
        .await
        .map(|row| row.count == 1)
        .map_err(|error| StoreError::new("retry a delivery", error))
    }

    /// Takes back a message that is ready, gathered or uncertain. False when it is in none of these states. With a key, the answer
    /// to it is stored in the same transaction.
    ///
    /// # Errors
    /// When the database fails; `Constraint` when the key is taken.
    pub async fn cancel_delivery(
        &self,
        id: Uuid,
        detail: &str,
        now: DateTime<Utc>,
        key: Option<(&str, &[u8])>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"WITH gone AS (
                   DELETE FROM outbox WHERE id = $1 AND state IN ('READY', 'GATHERED', 'UNCERTAIN')
                   RETURNING id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence,
                       due_at, facts, attempts, uncertain_count, subject, message_id, message, created_at, channel, rule),
               done AS (
                   INSERT INTO deliveries (
                       id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                       facts, state, attempts, uncertain_count, detail, subject, message_id, message, created_at, settled_at,
                       channel, rule)
                   SELECT id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                       facts, 'CANCELLED', attempts, uncertain_count, $3, subject, message_id, message, created_at, $2, channel,
                       rule
                   FROM gone RETURNING id),
               answered AS (
                   INSERT INTO requests (id, fingerprint, outcome, created_at)
                   SELECT $4, $5, ''::bytea, $2 FROM done WHERE $4::text IS NOT NULL)
               SELECT count(*) AS "count!" FROM done"#,
            id,
            now,
            detail,
            key.map(|(id, _)| id),
            key.map(|(_, fingerprint)| fingerprint)
        )
        .fetch_one(&self.calls)
        .await
        .map(|row| row.count == 1)
        .map_err(|error| StoreError::new("take a delivery back", error))
    }
}
