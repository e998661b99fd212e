//! The outbox: claim, send, settle, each in a transaction of its own, fenced by a token.
//!
//! Leases run by the database's wall clock; when a message is due runs by the plant's clock, which the caller binds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::alerts::message::MessageFacts;

/// A message that a sender has claimed.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Its id.
    pub id: Uuid,
    /// Display name of the recipient.
    pub recipient_name: String,
    /// Address of the recipient.
    pub address: String,
    /// The order it is about, if it is about one.
    pub order_id: Option<Uuid>,
    /// What it tells.
    pub facts: MessageFacts,
    /// The bytes of an earlier attempt.
    pub message: Option<Vec<u8>>,
    /// Attempts so far.
    pub attempts: i32,
    /// When it was decided.
    pub created_at: DateTime<Utc>,
}

/// How many messages there are for one address.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// The address.
    pub address: String,
    /// Messages that were decided of late and are waiting or told, digests apart.
    pub messages: i64,
    /// When the first of these was decided.
    pub first_at: Option<DateTime<Utc>>,
    /// Of those that nobody has tried to send, how many have waited too long; counted up to 2.
    pub waited: i64,
}

/// A message as it goes on the wire for the first time.
#[derive(Debug, Clone)]
pub struct Rendering {
    /// Subject line.
    pub subject: String,
    /// `Message-ID`.
    pub message_id: String,
    /// The whole message.
    pub bytes: Vec<u8>,
}

/// What happened when a message was about to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is on the wire: these bytes, this attempt (from 1), first tried at.
    Sending {
        /// The bytes to send.
        bytes: Vec<u8>,
        /// This attempt.
        attempt: i32,
        /// When the first attempt began.
        first_attempt_at: DateTime<Utc>,
    },
    /// It is no longer true.
    Untrue,
    /// The claim has ended: somebody else has it.
    Lost,
}

/// How an attempt ended, for the record.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// From 1.
    pub number: i32,
    /// `SENT`, `REFUSED_FOR_NOW`, `REFUSED_FOR_GOOD`, `UNCERTAIN`, `NOT_SENT` or `TRANSPORT_DOWN`.
    pub outcome: &'static str,
    /// What the mail server said; cut to 500 characters.
    pub reply: String,
}

fn interval(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(500).collect()
}

impl Store {
    /// Claims up to `limit` messages that are due at `now`, the longest due first, for `lease`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_messages(
        &self,
        token: Uuid,
        now: DateTime<Utc>,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = sqlx::query!(
            r#"UPDATE outbox SET state = 'CLAIMED', token = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
               WHERE id IN (
                   SELECT id FROM outbox WHERE channel = 'MAIL' AND state IN ('READY', 'UNCERTAIN') AND next_attempt_at <= $3
                   ORDER BY next_attempt_at, id LIMIT $4 FOR UPDATE SKIP LOCKED)
               RETURNING id, recipient_name, address, order_id, facts AS "facts: Json<MessageFacts>", message, attempts, created_at"#,
            token,
            interval(lease),
            now,
            limit
        )
        .fetch_all(&self.deliveries)
        .await
        .map_err(|error| StoreError::new("claim messages", error))?;
        let mut claimed: Vec<Claimed> = rows
            .into_iter()
            .map(|row| Claimed {
                id: row.id,
                recipient_name: row.recipient_name,
                address: row.address,
                order_id: row.order_id,
                facts: row.facts.0,
                message: row.message,
                attempts: row.attempts,
                created_at: row.created_at,
            })
            .collect();
        claimed.sort_by_key(|message| message.id);
        Ok(claimed)
    }

    /// For how many messages of late these addresses are waiting or have been told, one by one, and how many of those that nobody
    /// has tried wait for too long. Counting ends above `enough`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn crowds(
        &self,
        addresses: &[String],
        since: DateTime<Utc>,
        waited_since: DateTime<Utc>,
        enough: i64,
    ) -> Result<Vec<Crowd>, StoreError> {
        sqlx::query_as!(
            Crowd,
            r#"SELECT a.address AS "address!", recent.messages AS "messages!", recent.first_at, waited.messages AS "waited!"
               FROM unnest($1::text[]) AS a (address)
               CROSS JOIN LATERAL (
                   SELECT count(*) AS messages, min(created_at) AS first_at FROM (
                       (SELECT created_at FROM outbox o
                        WHERE o.address = a.address AND o.state <> 'GATHERED' AND o.created_at > $2
                          AND o.kind NOT IN ('DIGEST', 'OVERDUE_DIGEST', 'TASK')
                        ORDER BY o.created_at LIMIT $4::bigint + 1)
                       UNION ALL
                       (SELECT created_at FROM deliveries d
                        WHERE d.address = a.address AND d.settled_at > $2 AND d.created_at > $2 AND d.state = 'SENT'
                          AND d.kind NOT IN ('DIGEST', 'OVERDUE_DIGEST', 'TASK')
                        ORDER BY d.created_at LIMIT $4::bigint + 1)) AS told) AS recent
               CROSS JOIN LATERAL (
                   SELECT count(*) AS messages FROM (
                       SELECT FROM outbox o
                       WHERE o.address = a.address AND o.state IN ('READY', 'CLAIMED') AND o.attempts = 0
                         AND o.uncertain_count = 0 AND o.created_at < $3 AND o.kind NOT IN ('DIGEST', 'OVERDUE_DIGEST', 'TASK')
                       LIMIT 2) AS old) AS waited
               WHERE recent.messages > $4 OR waited.messages > 1
               ORDER BY a.address"#,
            addresses,
            since,
            waited_since,
            enough
        )
        .fetch_all(&self.deliveries)
        .await
        .map_err(|error| StoreError::new("count messages", error))
    }

    /// Gathers the messages for an address that nobody has tried to send, and those that this claim has: they are told by a digest
    /// that is due at `until`. Returns those of the claim, which it has no more. At most 5 000 at once; the rest is claimed again and
    /// gathered then. What was rendered for an attempt that never opened a conversation is forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gather(
        &self,
        address: &str,
        token: Uuid,
        until: DateTime<Utc>,
        detail: &str,
    ) -> Result<Vec<Uuid>, StoreError> {
        let rows = sqlx::query!(
            r#"WITH waiting AS (
                   SELECT id, token FROM outbox
                   WHERE address = $1 AND channel = 'MAIL' AND kind NOT IN ('DIGEST', 'OVERDUE_DIGEST', 'TASK')
                     AND attempts = 0 AND uncertain_count = 0 AND (state = 'READY' OR (state = 'CLAIMED' AND token = $2))
                   ORDER BY token NULLS LAST, id LIMIT 5000 FOR UPDATE SKIP LOCKED),
               gathered AS (
                   UPDATE outbox o SET
                       state = 'GATHERED', token = NULL, lease_until = NULL, next_attempt_at = $3, detail = $4,
                       subject = '', message_id = '', message = NULL
                   FROM waiting w WHERE w.id = o.id
                   RETURNING o.id, o.user_id, w.token),
               due AS (
                   INSERT INTO digests (address, user_id, due_at)
                   SELECT $1, min(user_id), $3 FROM gathered HAVING count(*) > 0
                   ON CONFLICT (address) DO UPDATE SET due_at = excluded.due_at WHERE digests.due_at > excluded.due_at)
               SELECT id AS "id!" FROM gathered WHERE token IS NOT NULL"#,
            address,
            token,
            until,
            detail
        )
        .fetch_all(&self.deliveries)
        .await
        .map_err(|error| StoreError::new("gather messages", error))?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Puts a claimed message on the wire: re-checks that it is still true, keeps the bytes of the first attempt, renews the
    /// lease, and counts the attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_sending(
        &self,
        id: Uuid,
        token: Uuid,
        rendering: &Rendering,
        now: DateTime<Utc>,
        lease: Duration,
    ) -> Result<Begun, StoreError> {
        let row = sqlx::query!(
            r#"WITH claim AS (
                   SELECT m.id,
                       message_holds(m.kind, m.order_id, m.visit_sequence, m.due_at, m.created_at, m.facts, $4) AS holds
                   FROM outbox m
                   WHERE m.id = $1 AND m.token = $2 AND m.state = 'CLAIMED' AND m.lease_until > clock_timestamp()
                   FOR UPDATE OF m),
               begun AS (
                   UPDATE outbox m SET
                       state = 'SENDING', lease_until = clock_timestamp() + make_interval(secs => $3),
                       attempts = m.attempts + 1, first_attempt_at = COALESCE(m.first_attempt_at, $4),
                       subject = CASE WHEN m.message IS NULL THEN $5 ELSE m.subject END,
                       message_id = CASE WHEN m.message IS NULL THEN $6 ELSE m.message_id END,
                       message = COALESCE(m.message, $7)
                   FROM claim WHERE claim.id = m.id AND claim.holds
                   RETURNING m.message, m.attempts, m.first_attempt_at)
               SELECT claim.holds AS "holds!", begun.message AS "message?", begun.attempts AS "attempts?",
                      begun.first_attempt_at AS "first_attempt_at?"
               FROM claim LEFT JOIN begun ON true"#,
            id,
            token,
            interval(lease),
            now,
            rendering.subject,
            rendering.message_id,
            rendering.bytes
        )
        .fetch_optional(&self.deliveries)
        .await
        .map_err(|error| StoreError::new("begin sending", error))?;
        Ok(match row {
            None => Begun::Lost,
            Some(row) => match (row.message, row.attempts, row.first_attempt_at) {
                (Some(bytes), Some(attempt), Some(first_attempt_at)) if row.holds => {
                    Begun::Sending { bytes, attempt, first_attempt_at }
                }
                _ => Begun::Untrue,
            },
        })
    }

    /// Settles a message for good: moves it to the delivery record as `SENT`, `FAILED` or `WITHDRAWN`. False when the claim had
    /// been lost; then nothing changes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle(
        &self,
        id: Uuid,
        token: Uuid,
        state: &'static str,
        detail: &str,
        attempt: Option<&Attempt>,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"WITH gone AS (
                   DELETE FROM outbox WHERE id = $1 AND token = $2
                   RETURNING id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence,
                       due_at, facts, attempts, uncertain_count, subject, message_id, message, created_at,
                       channel, rule),
               tried AS (
                   INSERT INTO delivery_attempts (delivery_id, number, ended_at, outcome, reply)
                   SELECT id, $5, $6, $7, $8 FROM gone WHERE $5::integer IS NOT NULL)
               INSERT INTO deliveries (
                   id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                   facts, state, attempts, uncertain_count, detail, subject, message_id, message, created_at, settled_at, channel,
                   rule)
               SELECT id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                   facts, $3, attempts, uncertain_count, $4, subject, message_id, message, created_at, $6, channel, rule
               FROM gone"#,
            id,
            token,
            state,
            cut(detail),
            attempt.map(|attempt| attempt.number),
            now,
            attempt.map(|attempt| attempt.outcome),
            attempt.map(|attempt| cut(&attempt.reply))
        )
        .execute(&self.deliveries)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| StoreError::new("settle a message", error))
    }

    /// Puts a message back for another attempt: `READY`, or `UNCERTAIN` with a record that explains an extra copy. False when
    /// the claim had been lost.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_back(
        &self,
        id: Uuid,
        token: Uuid,
        uncertain: bool,
        next_attempt_at: DateTime<Utc>,
        attempt: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        sqlx::query!(
            r#"WITH back AS (
                   UPDATE outbox SET
                       state = CASE WHEN $3 THEN 'UNCERTAIN' ELSE 'READY' END, token = NULL, lease_until = NULL,
                       uncertain_count = uncertain_count + CASE WHEN $3 THEN 1 ELSE 0 END, next_attempt_at = $4, detail = $8
                   WHERE id = $1 AND token = $2 AND state = 'SENDING'
                   RETURNING id)
               INSERT INTO delivery_attempts (delivery_id, number, ended_at, outcome, reply)
               SELECT id, $5, $6, $7, $8 FROM back"#,
            id,
            token,
            uncertain,
            next_attempt_at,
            attempt.number,
            now,
            attempt.outcome,
            cut(&attempt.reply)
        )
        .execute(&self.deliveries)
        .await
        .map(|done| done.rows_affected() == 1)
        .map_err(|error| StoreError::new("put a message back", error))
    }

    /// Gives claimed messages back untried, and a message whose conversation never opened, whose attempt does not count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn release(
        &self,
        token: Uuid,
        next_attempt_at: Option<DateTime<Utc>>,
        detail: &str,
    ) -> Result<u64, StoreError> {
        sqlx::query!(
            "UPDATE outbox SET
                 attempts = attempts - CASE WHEN state = 'SENDING' THEN 1 ELSE 0 END,
                 first_attempt_at = CASE WHEN state = 'SENDING' AND attempts = 1 THEN NULL ELSE first_attempt_at END,
                 state = CASE WHEN uncertain_count > 0 THEN 'UNCERTAIN' ELSE 'READY' END, token = NULL, lease_until = NULL,
                 next_attempt_at = COALESCE($2, next_attempt_at), detail = CASE WHEN $3 = '' THEN detail ELSE $3 END
             WHERE token = $1",
            token,
            next_attempt_at,
            cut(detail)
        )
        .execute(&self.deliveries)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| StoreError::new("release messages", error))
    }

    /// Takes back what senders that are gone had claimed: untried messages become ready; one that was on the wire is uncertain,
    /// with a record. The lease is longer than any attempt can take, so nobody can still finish it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        sqlx::query!(
            r#"WITH lapsed AS (
                   SELECT id, state FROM outbox
                   WHERE state IN ('CLAIMED', 'SENDING') AND lease_until <= clock_timestamp()
                   ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED),
               back AS (
                   UPDATE outbox m SET
                       state = CASE WHEN l.state = 'SENDING' OR m.uncertain_count > 0 THEN 'UNCERTAIN' ELSE 'READY' END,
                       token = NULL, lease_until = NULL,
                       uncertain_count = m.uncertain_count + CASE WHEN l.state = 'SENDING' THEN 1 ELSE 0 END,
                       next_attempt_at = LEAST(m.next_attempt_at, $1)
                   FROM lapsed l WHERE l.id = m.id
                   RETURNING m.id, m.attempts, l.state),
               tried AS (
                   INSERT INTO delivery_attempts (delivery_id, number, ended_at, outcome, reply)
                   SELECT id, attempts, $1, 'UNCERTAIN', 'the sender ended while the message was on the wire'
                   FROM back WHERE state = 'SENDING')
               SELECT count(*) AS "count!" FROM back"#,
            now
        )
        .fetch_one(&self.deliveries)
        .await
        .map(|row| u64::try_from(row.count).unwrap_or(0))
        .map_err(|error| StoreError::new("take back messages", error))
    }
}
