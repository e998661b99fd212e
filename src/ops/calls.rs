//! Calls: takes messages to webhooks from the outbox and makes them.
//!
//! The protocol is that of `dispatch`, whose steps and states it shares: claim, begin, call, settle, each a transaction of its
//! own, none open while HTTP talks. What is different:
//!
//! * Every webhook has lanes of its own, so that a slow destination holds up nobody else.
//! * Of each order only the first message that is not finished is claimed, so that a webhook is told of an order in the order of
//!   what happened. One that failed is finished: it holds up nothing, and comes after what waits when it is retried.
//! * A message without an answer is called again with the same `webhook-id`: a receiver knows it by that.
//! * A destination that is down, or not allowed, gets a rest and costs no message an attempt. One that refuses or stays silent
//!   five times in a row gets a rest as well. What has waited longer than a message may, for a destination that is down, failed.

use std::{sync::Arc, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Plant,
    dispatch::DispatchReport,
    kill_point,
    webhooks::{Hooks, Lane},
};
use crate::{
    domain::alerts::{
        fire::WEBHOOK_PREFIX,
        webhook::{SigningSecret, Webhook},
    },
    store::{
        StoreError,
        outbox::{Attempt, Begun, Claimed, Rendering},
    },
    webhook::{Call, Called, RetryAfter, render},
};

/// Messages that a lane claims at once: few, since the last of them waits for those before it.
const CLAIM_MAX: i64 = 4;

/// Looks for webhooks that have something due: the lanes that may go to work for them.
///
/// # Errors
/// When the database fails.
pub async fn look(plant: &Plant, hooks: &Arc<Hooks>) -> Result<Vec<Lane>, StoreError> {
    if hooks.caller.allow().is_empty() {
        return Ok(Vec::new());
    }
    let (database_now, version) = plant.store.clock_and_version().await?;
    let catalogue = plant.snapshot.at(version, &plant.store).await?;
    let may_be_called = |webhook: &&Arc<Webhook>| webhook.spec.enabled && hooks.breaker(&webhook.spec.url).closed();
    let addresses: Vec<String> =
        catalogue.webhooks.values().filter(may_be_called).map(|webhook| address(&webhook.id)).collect();
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let due = plant.store.due_addresses(&addresses, plant.clock.now(database_now)).await?;
    let ids = due.iter().filter_map(|address| address.strip_prefix(WEBHOOK_PREFIX));
    Ok(ids.flat_map(|id| std::iter::from_fn(move || hooks.lane(id))).collect())
}

fn address(webhook: &str) -> String {
    format!("{WEBHOOK_PREFIX}{webhook}")
}

/// What a run of a lane works with.
struct Run<'a> {
    plant: &'a Plant,
    hooks: &'a Hooks,
    webhook: &'a Webhook,
    secrets: Vec<SigningSecret>,
    token: Uuid,
    /// When the messages were claimed, by the plant's clock and by that of the process.
    claimed: (DateTime<Utc>, Instant),
    random: &'a mut fastrand::Rng,
}

/// Makes what calls are due for the webhook of a lane, until none is left, its destination needs a rest, or `stop` says so.
///
/// # Errors
/// When the database fails; what was claimed comes back when the lease ends.
pub async fn run(plant: &Plant, lane: &Lane, stop: impl Fn() -> bool) -> Result<DispatchReport, StoreError> {
    let hooks = &lane.hooks;
    let mut random = fastrand::Rng::with_seed(plant.fork_ids().seed());
    let mut report = DispatchReport::default();
    while !stop() {
        let (database_now, version) = plant.store.clock_and_version().await?;
        let catalogue = plant.snapshot.at(version, &plant.store).await?;
        let Some(webhook) = catalogue.webhooks.get(&lane.webhook).filter(|webhook| webhook.spec.enabled) else { break };
        if !hooks.breaker(&webhook.spec.url).closed() {
            break;
        }
        let now = plant.clock.now(database_now);
        let token = plant.next_id(now);
        let messages = plant.store.claim_calls(&address(&webhook.id), token, now, hooks.lease, CLAIM_MAX).await?;
        let claimed = (now, Instant::now());
        kill_point("call-after-claim");
        if messages.is_empty() {
            break;
        }
        report.claimed += messages.len();
        let secrets = plant.store.webhook_secrets(&webhook.id, now).await?;
        let mut run = Run { plant, hooks, webhook, secrets, token, claimed, random: &mut random };
        for message in messages {
            if stop() {
                plant.store.release(token, None, "").await?;
                break;
            }
            if !run.make(&message, &mut report).await? {
                break;
            }
        }
    }
    Ok(report)
}

impl Run<'_> {
    /// One message; false when the destination needs a rest and what was left was given back.
    async fn make(&mut self, message: &Claimed, report: &mut DispatchReport) -> Result<bool, StoreError> {
        let (store, token) = (&self.plant.store, self.token);
        let now = self.now();
        let Some(rendered) = render(&message.facts, message.id, message.created_at) else {
            store.settle(message.id, token, "FAILED", "nothing to tell a program", None, now).await?;
            report.ended += 1;
            return Ok(true);
        };
        let id = message.id.to_string();
        let rendering = Rendering { subject: rendered.subject, message_id: id.clone(), bytes: rendered.bytes };
        let begun = store.begin_sending(message.id, token, &rendering, now, self.hooks.lease).await?;
        let (bytes, attempt, first_attempt_at) = match begun {
            Begun::Sending { bytes, attempt, first_attempt_at } => (bytes, attempt, first_attempt_at),
            Begun::Untrue => {
                let reason = "the order moved on before the message was sent";
                store.settle(message.id, token, "WITHDRAWN", reason, None, now).await?;
                report.ended += 1;
                return Ok(true);
            }
            Begun::Lost => return Ok(true),
        };
        kill_point("call-before-send");
        let call = Call {
            url: &self.webhook.spec.url,
            id,
            timestamp: now.timestamp(),
            cause: rendered.cause,
            body: &bytes,
            secrets: &self.secrets,
        };
        let started = Instant::now();
        let called = self.hooks.caller.call(&call).await;
        kill_point("call-after-send");
        let (outcome, reply) = describe(&called);
        let (webhook, took_ms) = (&self.webhook.id, started.elapsed().as_millis());
        tracing::info!(message = %message.id, webhook, outcome, attempt, took_ms, "call");
        let record = Attempt { number: attempt, outcome, reply: reply.to_owned() };
        let goes_on = self.settle(message, &called, &record, first_attempt_at, report).await?;
        kill_point("call-after-settle");
        Ok(goes_on)
    }

    async fn settle(
        &mut self,
        message: &Claimed,
        called: &Called,
        record: &Attempt,
        first_attempt_at: DateTime<Utc>,
        report: &mut DispatchReport,
    ) -> Result<bool, StoreError> {
        let (store, token, now) = (&self.plant.store, self.token, self.now());
        let (backoff, breaker) = (&self.hooks.backoff, self.hooks.breaker(&self.webhook.spec.url));
        let tries = u32::try_from(record.number).unwrap_or(1);
        let pause = TimeDelta::from_std(backoff.pause(tries, self.random.f64())).unwrap_or_default();
        let give_up_after = TimeDelta::from_std(backoff.give_up_after).unwrap_or_default();
        match called {
            Called::Sent { reply } => {
                breaker.reset();
                store.settle(message.id, token, "SENT", reply, Some(record), now).await?;
                report.sent += 1;
                Ok(true)
            }
            Called::RefusedForGood { reply } => {
                breaker.reset();
                store.settle(message.id, token, "FAILED", reply, Some(record), now).await?;
                report.ended += 1;
                Ok(true)
            }
            Called::Down { reason } => {
                let rest = breaker.trip(backoff, self.random.f64());
                tracing::warn!(webhook = self.webhook.id, rest_s = rest.as_secs_f32(), "a destination is down");
                store.release(token, None, reason).await?;
                report.put_back += 1;
                let detail = format!("given up: {reason}");
                let gave_up = store.give_up_calls(&message.address, now - give_up_after, &detail, now).await?;
                report.ended += usize::try_from(gave_up).unwrap_or_default();
                Ok(false)
            }
            Called::RefusedForNow { reply, .. }
            | Called::NotSent { reason: reply }
            | Called::Uncertain { reason: reply } => {
                let (asked, failing) = match called {
                    Called::RefusedForNow { after, overloaded, .. } => (self.asked(*after, now), *overloaded),
                    _ => (None, true),
                };
                if now >= first_attempt_at + give_up_after {
                    let reason = format!("attempts used up: {reply}");
                    store.settle(message.id, token, "FAILED", &reason, Some(record), now).await?;
                    report.ended += 1;
                } else {
                    let next = now + asked.map_or(pause, |asked| asked.max(pause));
                    let uncertain = matches!(called, Called::Uncertain { .. });
                    store.put_back(message.id, token, uncertain, next, record, now).await?;
                    report.put_back += 1;
                }
                if let Some(asked) = asked.filter(|_| failing) {
                    breaker.rest(asked.to_std().unwrap_or_default());
                } else if failing {
                    breaker.failed(backoff, self.random.f64());
                } else {
                    breaker.reset();
                }
                if breaker.closed() {
                    return Ok(true);
                }
                store.release(token, None, "").await?;
                Ok(false)
            }
        }
    }

    /// Messages of one claim are sent one after the other: what those before it took has passed.
    fn now(&self) -> DateTime<Utc> {
        self.claimed.0 + TimeDelta::from_std(self.claimed.1.elapsed()).unwrap_or_default()
    }

    /// The pause that a destination asked for, as far as it is granted: never longer than a message waits at most.
    fn asked(&self, after: Option<RetryAfter>, now: DateTime<Utc>) -> Option<TimeDelta> {
        let asked = match after? {
            RetryAfter::Pause(pause) => TimeDelta::from_std(pause).unwrap_or(TimeDelta::MAX),
            RetryAfter::At(at) => at - now,
        };
        let most = TimeDelta::from_std(self.hooks.backoff.max).unwrap_or_default();
        Some(asked.clamp(TimeDelta::zero(), most))
    }
}

/// Name and words of an outcome, as they are recorded.
#[must_use]
pub fn describe(called: &Called) -> (&'static str, &str) {
    match called {
        Called::Sent { reply } => ("SENT", reply),
        Called::RefusedForNow { reply, .. } => ("REFUSED_FOR_NOW", reply),
        Called::RefusedForGood { reply } => ("REFUSED_FOR_GOOD", reply),
        Called::NotSent { reason } => ("NOT_SENT", reason),
        Called::Uncertain { reason } => ("UNCERTAIN", reason),
        Called::Down { reason } => ("TRANSPORT_DOWN", reason),
    }
}
