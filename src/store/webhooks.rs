//! Webhooks: their rows and secrets, what is due for each, and the causes by which triggers have acted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError, catalogue_edit::CatalogueEdit, catalogue_rows::guard, outbox::Claimed};
use crate::domain::{
    alerts::{
        message::MessageFacts,
        webhook::{SECRETS_MAX, SigningSecret},
    },
    edit::WrittenWebhook,
};

/// A secret as its row holds it.
#[derive(Serialize, Deserialize)]
struct SecretRow {
    secret: String,
    /// Until when it signs; `None` = as long as it is the current one.
    until: Option<DateTime<Utc>>,
}

impl CatalogueEdit {
    /// Writes a webhook. A new secret goes before those that still sign.
    pub(super) async fn write_webhook(&mut self, written: &WrittenWebhook) -> Result<(), StoreError> {
        let webhook = &written.webhook;
        let given = written.secret.as_ref();
        let old_until = given.map(|it| it.accept_old_until);
        let done = sqlx::query!(
            r#"INSERT INTO webhooks (id, spec, secrets, version, created_at, updated_at)
            VALUES ($1, $2, CASE WHEN $3::jsonb IS NULL THEN '[]' ELSE jsonb_build_array($3::jsonb) END, $5, $6, $7)
            ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, version = excluded.version,
                updated_at = excluded.updated_at,
                secrets = CASE WHEN $3::jsonb IS NULL THEN webhooks.secrets ELSE jsonb_build_array($3::jsonb) || COALESCE((
                    SELECT jsonb_agg(jsonb_set(s.it, '{until}',
                        to_jsonb(LEAST($4::timestamptz, (s.it ->> 'until')::timestamptz))) ORDER BY s.place)
                    FROM jsonb_array_elements(webhooks.secrets) WITH ORDINALITY AS s (it, place)
                    WHERE s.place < $8 AND $4::timestamptz > $7
                      AND COALESCE((s.it ->> 'until')::timestamptz > $7, true)), '[]') END
            WHERE webhooks.version = excluded.version - 1"#,
            webhook.id,
            Json(&webhook.spec) as _,
            given.map(|it| Json(SecretRow { secret: it.secret.expose().to_owned(), until: None })) as _,
            old_until,
            webhook.version,
            webhook.created_at,
            webhook.updated_at,
            i64::try_from(SECRETS_MAX).unwrap_or(i64::MAX)
        )
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::new("write a webhook", error))?;
        guard("write a webhook", done.rows_affected() == 1)
    }
}

impl Store {
    /// The secrets that sign what a webhook sends at `now`, the current one first.
    ///
    /// # Errors
    /// When the database fails, or a row holds what is never written.
    pub async fn webhook_secrets(&self, id: &str, now: DateTime<Utc>) -> Result<Vec<SigningSecret>, StoreError> {
        let secrets = sqlx::query_scalar!("SELECT secrets FROM webhooks WHERE id = $1", id)
            .fetch_optional(&self.deliveries)
            .await
            .map_err(|error| StoreError::new("read the secrets of a webhook", error))?;
        // What is wrong is not shown: it may be a secret all the same.
        let impossible = || StoreError::impossible("webhooks", "secrets", id);
        let rows: Vec<SecretRow> =
            secrets.map_or(Ok(Vec::new()), |json| serde_json::from_value(json).map_err(|_| impossible()))?;
        let sign = rows.iter().filter(|row| row.until.is_none_or(|until| now < until));
        // What is wrong is not shown: it may be a secret all the same.
        sign.map(|row| {
            SigningSecret::parse(&row.secret).ok_or_else(|| StoreError::impossible("webhooks", "secrets", id))
        })
        .collect()
    }

    /// Of these addresses, those for which a message is due at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn due_addresses(&self, addresses: &[String], now: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar!(
            r#"SELECT a.address AS "address!" FROM UNNEST($1::text[]) WITH ORDINALITY AS a (address, place)
               WHERE EXISTS (
                   SELECT FROM outbox m
                   WHERE m.channel = 'WEBHOOK' AND m.address = a.address AND m.state IN ('READY', 'UNCERTAIN')
                     AND m.next_attempt_at <= $2)
               ORDER BY a.place"#,
            addresses,
            now
        )
        .fetch_all(&self.deliveries)
        .await
        .map_err(|error| StoreError::new("look for calls that are due", error))
    }

    /// Claims up to `limit` messages to one webhook that are due at `now`, for `lease`: of each order only the first that is not
    /// finished, so that an order is told in the order of what happened.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_calls(
        &self,
        address: &str,
        token: Uuid,
        now: DateTime<Utc>,
        lease: Duration,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let rows = sqlx::query!(
            r#"UPDATE outbox SET state = 'CLAIMED', token = $1, lease_until = clock_timestamp() + make_interval(secs => $2)
               WHERE id IN (
                   SELECT m.id FROM outbox m
                   WHERE m.channel = 'WEBHOOK' AND m.address = $5 AND m.state IN ('READY', 'UNCERTAIN')
                     AND m.next_attempt_at <= $3
                     AND NOT EXISTS (
                         SELECT FROM outbox e
                         WHERE e.channel = 'WEBHOOK' AND e.address = m.address AND e.order_id = m.order_id AND e.seq < m.seq)
                   ORDER BY m.next_attempt_at, m.seq LIMIT $4 FOR UPDATE SKIP LOCKED)
               RETURNING id, seq, recipient_name, address, order_id, facts AS "facts: Json<MessageFacts>", message, attempts,
                   created_at"#,
            token,
            lease.as_secs_f64(),
            now,
            limit,
            address
        )
        .fetch_all(&self.deliveries)
        .await
        .map_err(|error| StoreError::new("claim calls", error))?;
        let mut claimed: Vec<(i64, Claimed)> = rows
            .into_iter()
            .map(|row| {
                let message = Claimed {
                    id: row.id,
                    recipient_name: row.recipient_name,
                    address: row.address,
                    order_id: row.order_id,
                    facts: row.facts.0,
                    message: row.message,
                    attempts: row.attempts,
                    created_at: row.created_at,
                };
                (row.seq, message)
            })
            .collect();
        claimed.sort_by_key(|(seq, _)| *seq);
        Ok(claimed.into_iter().map(|(_, message)| message).collect())
    }

    /// Settles as `FAILED` what is ready for a webhook since before `before`: its destination was down all the time. At most
    /// 1 000 at once; returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn give_up_calls(
        &self,
        address: &str,
        before: DateTime<Utc>,
        detail: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        sqlx::query!(
            r#"WITH old AS (
                   SELECT id FROM outbox
                   WHERE channel = 'WEBHOOK' AND address = $1 AND state IN ('READY', 'UNCERTAIN') AND next_attempt_at < $2
                     AND created_at < $2
                     -- What waited while it was disabled has its whole time from then on.
                     AND NOT EXISTS (SELECT FROM webhooks w WHERE 'webhook:' || w.id = $1 AND w.updated_at >= $2)
                   ORDER BY next_attempt_at, seq LIMIT 1000 FOR UPDATE SKIP LOCKED),
               gone AS (
                   DELETE FROM outbox m USING old WHERE m.id = old.id
                   RETURNING m.id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence,
                       due_at, facts, attempts, uncertain_count, subject, message_id, message, created_at, channel, rule)
               INSERT INTO deliveries (
                   id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                   facts, state, attempts, uncertain_count, detail, subject, message_id, message, created_at, settled_at, channel,
                   rule)
               SELECT id, dedup_key, kind, user_id, recipient_name, address, order_id, order_number, visit_sequence, due_at,
                   facts, 'FAILED', attempts, uncertain_count, $3, subject, message_id, message, created_at, $4, channel, rule
               FROM gone"#,
            address,
            before,
            detail.chars().filter(|c| *c != '\0').take(500).collect::<String>(),
            now
        )
        .execute(&self.deliveries)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| StoreError::new("give up calls", error))
    }

    /// The triggers that have acted for each of these causes: those that are recorded, and the one that sent the message which
    /// the cause names.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn acted_triggers(&self, causes: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>, StoreError> {
        let messages: Vec<Uuid> = causes.iter().filter_map(|cause| cause.parse().ok()).collect();
        let rows = sqlx::query!(
            r#"SELECT cause AS "cause!", rule AS "rule!" FROM (
                   SELECT cause, rule FROM trigger_causes WHERE cause = ANY ($1)
                   UNION ALL
                   SELECT id::text, rule FROM outbox WHERE id = ANY ($2) AND rule <> ''
                   UNION ALL
                   SELECT id::text, rule FROM deliveries WHERE id = ANY ($2) AND rule <> '') AS acted
               ORDER BY 1, 2 LIMIT 100000"#,
            causes,
            &messages
        )
        .fetch_all(&self.calls)
        .await
        .map_err(|error| StoreError::new("look for what has acted", error))?;
        let mut acted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in rows {
            acted.entry(row.cause).or_default().insert(row.rule);
        }
        Ok(acted)
    }

    /// Forgets causes by which triggers acted before `before`; at most 10 000 at once. Returns how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_causes(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        sqlx::query!(
            "DELETE FROM trigger_causes WHERE (cause, rule) IN (
                 SELECT cause, rule FROM trigger_causes WHERE acted_at < $1 ORDER BY acted_at LIMIT 10000)",
            before
        )
        .execute(&self.calls)
        .await
        .map(|done| done.rows_affected())
        .map_err(|error| StoreError::new("forget causes", error))
    }
}
