//! Webhooks: how they leave this plant, their edits, and a test call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Failure, Plant,
    catalogue::{catalogue, row_of},
    dispatch::Breaker,
    edit::{Count, Done, Write, run},
};
use crate::{
    domain::{
        alerts::{
            backoff::Backoff,
            destination::Destination,
            webhook::{SigningSecret, Webhook},
        },
        catalogue::Catalogue,
        edit::{Change, NewSecret, WebhookEdit, rotate_secret as with_secret},
        refusal::{Kind, Refusal},
        violation::Violation,
    },
    webhook::{Call, Called, Caller, new_secret, render_test},
};

/// Destinations whose state is kept; beyond it those that are in order are forgotten.
const BREAKERS_MAX: usize = 1_000;

/// How webhooks leave this plant.
#[derive(Debug)]
pub struct Hooks {
    /// Who makes the calls.
    pub caller: Caller,
    /// How retries are spaced.
    pub backoff: Backoff,
    /// How long a claim lasts; longer than a call can take.
    pub lease: Duration,
    /// How long a secret that was replaced signs as well.
    pub overlap: Duration,
    /// Calls of one webhook at the same time.
    pub lanes: usize,
    breakers: Mutex<HashMap<String, Arc<Breaker>>>,
    /// Lanes at work, by webhook.
    busy: Mutex<HashMap<String, usize>>,
}

impl Hooks {
    /// Nothing is under way yet.
    #[must_use]
    pub fn new(caller: Caller, backoff: Backoff, lease: Duration, overlap: Duration, lanes: usize) -> Self {
        let (breakers, busy) = (Mutex::default(), Mutex::default());
        Self { caller, backoff, lease, overlap, lanes: lanes.max(1), breakers, busy }
    }

    /// The breaker of the destination of a URL: webhooks with the same host and port share it.
    pub(super) fn breaker(&self, url: &str) -> Arc<Breaker> {
        let name = Destination::parse(url).map_or_else(|_| url.to_owned(), |to| to.to_string());
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if breakers.len() >= BREAKERS_MAX {
            breakers.retain(|_, breaker| !breaker.closed());
        }
        Arc::clone(breakers.entry(name).or_default())
    }

    /// A free lane of a webhook; it is free again when this is dropped.
    pub(super) fn lane(self: &Arc<Self>, webhook: &str) -> Option<Lane> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = busy.entry(webhook.to_owned()).or_default();
        if *lanes >= self.lanes {
            return None;
        }
        *lanes += 1;
        Some(Lane { hooks: Arc::clone(self), webhook: webhook.to_owned() })
    }
}

/// A lane of a webhook that is at work.
#[derive(Debug)]
pub struct Lane {
    pub(super) hooks: Arc<Hooks>,
    /// Id of the webhook.
    pub(super) webhook: String,
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut busy = self.hooks.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lanes) = busy.get_mut(&self.webhook) {
            *lanes -= 1;
            if *lanes == 0 {
                busy.remove(&self.webhook);
            }
        }
    }
}

/// A webhook after an edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEdited {
    /// The webhook.
    pub webhook: Webhook,
    /// A secret that it got. It is answered once: a repeated call is answered without.
    #[serde(skip)]
    pub secret: Option<SigningSecret>,
    /// Until when the secrets before it sign as well.
    pub old_until: Option<DateTime<Utc>>,
}

/// What a destination said to a test call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// `webhook-id` of the call.
    pub id: String,
    /// What became of it.
    pub called: Called,
    /// How long it took.
    pub took: Duration,
}

/// Creates a webhook.
///
/// # Errors
/// As `WebhookEdit::create`; `RequestIdReused`; when the database fails.
pub async fn create_webhook(
    plant: &Arc<Plant>,
    hooks: &Arc<Hooks>,
    edit: WebhookEdit,
    write: Write,
) -> Result<WebhookEdited, Failure> {
    let secret = new_secret().map_err(Failure::GivenUp)?;
    let hooks = Arc::clone(hooks);
    let decide = move |catalogue: &Catalogue, now| edit.create(&secret, hooks.caller.allow(), catalogue, now);
    run(plant, write, Count::Nothing, decide, |done| {
        let edited = edited(done);
        WebhookEdited { old_until: None, ..edited }
    })
    .await
}

/// Changes a webhook.
///
/// # Errors
/// As `WebhookEdit::update`; `RequestIdReused`; when the database fails.
pub async fn update_webhook(
    plant: &Arc<Plant>,
    hooks: &Arc<Hooks>,
    edit: WebhookEdit,
    write: Write,
) -> Result<Webhook, Failure> {
    let hooks = Arc::clone(hooks);
    let decide = move |catalogue: &Catalogue, now| edit.update(hooks.caller.allow(), catalogue, now);
    run(plant, write, Count::Nothing, decide, edited).await.map(|edited| edited.webhook)
}

/// Gives a webhook another secret. The old ones sign as well for `overlap`, or as long as the configuration says.
///
/// # Errors
/// `NotFound`, `EtagMismatch`; `RequestIdReused`; when the database fails.
pub async fn rotate_secret(
    plant: &Arc<Plant>,
    hooks: &Arc<Hooks>,
    (id, etag): (String, Option<String>),
    overlap: Option<Duration>,
    write: Write,
) -> Result<WebhookEdited, Failure> {
    let secret = new_secret().map_err(Failure::GivenUp)?;
    let overlap = TimeDelta::from_std(overlap.unwrap_or(hooks.overlap)).unwrap_or_default();
    let decide = move |catalogue: &Catalogue, now: DateTime<Utc>| {
        let new = NewSecret { secret: secret.clone(), accept_old_until: now + overlap };
        with_secret(&id, etag.as_deref(), new, catalogue, now)
    };
    run(plant, write, Count::Nothing, decide, edited).await
}

fn edited(done: &Done<'_>) -> WebhookEdited {
    let written = row_of(done, |change| if let Change::Webhook(it) = change { Some(it) } else { None });
    let (secret, old_until) = written.secret.map(|it| (it.secret, it.accept_old_until)).unzip();
    WebhookEdited { webhook: written.webhook, secret, old_until }
}

/// Makes a signed test call to a webhook, enabled or not, and also while its destination is given a rest, which ends when the call
/// is taken. The call is not kept.
///
/// # Errors
/// `NotFound`; `Invalid` when webhooks are off; when the database fails.
pub async fn test_webhook(plant: &Plant, hooks: &Hooks, id: &str) -> Result<Tested, Failure> {
    let catalogue = catalogue(plant).await?;
    let webhook =
        catalogue.webhooks.get(id).ok_or_else(|| Refusal::NotFound { kind: Kind::Webhook, id: id.to_owned() })?;
    let allowed = Destination::parse(&webhook.spec.url).and_then(|to| hooks.caller.allow().check(&to));
    if let Err(why) = allowed {
        let violation = Violation { field: "id".into(), description: format!("is of a webhook whose URL {why}") };
        return Err(Refusal::Invalid(vec![violation]).into());
    }
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now);
    let secrets = plant.store.webhook_secrets(id, now).await?;
    let message = plant.next_id(now);
    let rendered = render_test(id, message, now);
    let call = Call {
        url: &webhook.spec.url,
        id: message.to_string(),
        timestamp: now.timestamp(),
        cause: rendered.cause,
        body: &rendered.bytes,
        secrets: &secrets,
    };
    let started = Instant::now();
    let called = hooks.caller.call(&call).await;
    let took = started.elapsed();
    if matches!(called, Called::Sent { .. }) {
        hooks.breaker(&webhook.spec.url).reset();
    }
    tracing::info!(webhook = id, outcome = super::calls::describe(&called).0, took_ms = took.as_millis(), "test call");
    Ok(Tested { id: call.id, called, took })
}
