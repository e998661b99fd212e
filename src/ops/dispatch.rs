//! Dispatch: takes messages from the outbox and hands them to the mail server.
//!
//! Protocol, per message; each line is a transaction of its own, and none is open while SMTP talks:
//!
//! | step | state after | a crash right after it |
//! |---|---|---|
//! | claim (token, lease) | claimed | the lease ends, the message is ready again |
//! | render, re-check, begin | sending, bytes kept | the lease ends: **uncertain**, since the bytes may have left |
//! | talk | sending | the same |
//! | settle with the token | sent, failed, withdrawn (moved to the delivery record), ready or uncertain | nothing to repeat |
//!
//! The lease is longer than an attempt can take (every step of the conversation has its deadline), and beginning renews it, so a
//! message whose lease has ended is in nobody's hands. Settling a message whose claim was lost changes nothing.
//!
//! A message that was claimed and not tried may be gathered for a digest instead, when there are too many for one person (`brake`).
//!
//! A fault of the transport (unreachable, TLS, authentication) stops all lanes for a while, and costs no message an attempt.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Plant, kill_point};
use crate::{
    domain::alerts::{backoff::Backoff, digest, message::MessageFacts},
    mail::{Delivery, Envelope, MailLane, Mailer, Outgoing, bare_address, render, thread_of},
    store::{
        StoreError,
        outbox::{Attempt, Begun, Claimed, Rendering},
    },
};

/// Messages that a lane claims at once.
const CLAIM_MAX: i64 = 10;
/// Messages that come to nothing one after the other before their destination is given a rest.
const FAILURES_MAX: u32 = 5;

/// How messages leave this plant.
pub struct Post {
    /// Who carries them.
    pub mailer: Box<dyn Mailer>,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
    /// Right-hand side of every Message-ID.
    pub domain: String,
    /// Address of an order's page, with `{number}` or `{id}`.
    pub link_pattern: Option<String>,
    /// BCP 47 tag of the plant's language.
    pub language: String,
    /// How retries are spaced.
    pub backoff: Backoff,
    /// How long a claim lasts; longer than an attempt can take.
    pub lease: Duration,
    /// Whether the transport is given a rest.
    pub breaker: Breaker,
}

impl std::fmt::Debug for Post {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Post").field("domain", &self.domain).field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// Stops all lanes while the transport is down.
#[derive(Debug, Default)]
pub struct Breaker {
    open: Mutex<Option<(Instant, u32)>>,
    failures: AtomicU32,
}

impl Breaker {
    /// Whether messages may be sent now.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).is_none_or(|(until, _)| Instant::now() >= until)
    }

    pub(super) fn trip(&self, backoff: &Backoff, jitter: f64) -> Duration {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let times = open.map_or(1, |(_, times)| times + 1);
        // A tenth of the pause of a message: the server is asked again soon, and no message pays for it.
        let pause = backoff.pause(times, jitter).div_f64(10.0).min(Duration::from_mins(1));
        *open = Some((Instant::now() + pause, times));
        pause
    }

    pub(super) fn reset(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Rests for so long, as the other side asked.
    pub(super) fn rest(&self, pause: Duration) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Some((Instant::now() + pause, open.map_or(0, |(_, times)| times)));
    }

    /// Takes note of a message that came to nothing; the fifth in a row, and each after it, makes for a rest.
    pub(super) fn failed(&self, backoff: &Backoff, jitter: f64) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
            self.trip(backoff, jitter);
        }
    }
}

/// What one run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DispatchReport {
    /// Messages that were claimed.
    pub claimed: usize,
    /// Messages that the mail server took.
    pub sent: usize,
    /// Messages that wait for another attempt.
    pub put_back: usize,
    /// Messages that failed or were withdrawn.
    pub ended: usize,
}

/// One sender: its connection and its randomness.
pub struct Sender {
    lane: Box<dyn MailLane>,
    random: fastrand::Rng,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sender")
    }
}

impl Sender {
    /// A sender for this post.
    #[must_use]
    pub fn new(post: &Post, seed: u64) -> Self {
        Self { lane: post.mailer.lane(), random: fastrand::Rng::with_seed(seed) }
    }

    /// Says goodbye to the mail server.
    pub async fn close(&mut self) {
        self.lane.close().await;
    }

    /// Claims a few messages and sends them, one after the other. `stop` is asked before each: what is left is given back.
    ///
    /// # Errors
    /// When the database fails; what was claimed comes back when the lease ends.
    pub async fn run(
        &mut self,
        plant: &Plant,
        post: &Post,
        stop: impl Fn() -> bool,
    ) -> Result<DispatchReport, StoreError> {
        let mut report = DispatchReport::default();
        if !post.breaker.closed() {
            return Ok(report);
        }
        let (database_now, _) = plant.store.clock_and_version().await?;
        let now = plant.clock.now(database_now);
        let token = plant.next_id(now);
        let mut claimed = plant.store.claim_messages(token, now, post.lease, CLAIM_MAX).await?;
        let claimed_at = Instant::now();
        kill_point("dispatch-after-claim");
        report.claimed = claimed.len();
        brake(plant, &mut claimed, token, now).await?;
        for message in claimed {
            if stop() {
                plant.store.release(token, None, "").await?;
                break;
            }
            if !self.send(plant, post, &message, token, (now, claimed_at), &mut report).await? {
                break;
            }
        }
        Ok(report)
    }

    /// One message; false when the transport is down and the rest was given back.
    async fn send(
        &mut self,
        plant: &Plant,
        post: &Post,
        message: &Claimed,
        token: Uuid,
        (claimed, claimed_at): (DateTime<Utc>, Instant),
        report: &mut DispatchReport,
    ) -> Result<bool, StoreError> {
        // Messages of one claim are sent one after the other: what those before it took has passed.
        let clock = || claimed + TimeDelta::from_std(claimed_at.elapsed()).unwrap_or_default();
        let now = clock();
        let rendering = match rendering(post, message) {
            Ok(rendering) => rendering,
            Err(reason) => {
                plant.store.settle(message.id, token, "FAILED", &reason, None, now).await?;
                report.ended += 1;
                return Ok(true);
            }
        };
        let begun = plant.store.begin_sending(message.id, token, &rendering, now, post.lease).await?;
        let (bytes, attempt, first_attempt_at) = match begun {
            Begun::Sending { bytes, attempt, first_attempt_at } => (bytes, attempt, first_attempt_at),
            Begun::Untrue => {
                let reason = match &message.facts {
                    MessageFacts::Task(_) => {
                        "the task was closed or given to somebody else before the message was sent"
                    }
                    _ => "the order moved on before the message was sent",
                };
                plant.store.settle(message.id, token, "WITHDRAWN", reason, None, now).await?;
                report.ended += 1;
                return Ok(true);
            }
            Begun::Lost => return Ok(true),
        };
        kill_point("dispatch-before-send");
        let outgoing = Outgoing {
            from: bare_address(&post.from).unwrap_or_default(),
            to: message.address.clone(),
            message: bytes,
        };
        let started = Instant::now();
        let delivery = self.lane.send(&outgoing).await;
        kill_point("dispatch-after-send");
        let now = clock();
        if !matches!(delivery, Delivery::TransportDown { .. }) {
            post.breaker.reset();
        }
        let (outcome, reply) = describe(&delivery);
        tracing::info!(message = %message.id, outcome, attempt, took_ms = started.elapsed().as_millis(), "message");
        let record = Attempt { number: attempt, outcome, reply: reply.to_owned() };
        let tries = u32::try_from(attempt).unwrap_or(1);
        let next = now + TimeDelta::from_std(post.backoff.pause(tries, self.random.f64())).unwrap_or_default();
        let given_up = now >= first_attempt_at + TimeDelta::from_std(post.backoff.give_up_after).unwrap_or_default();
        match delivery {
            Delivery::Sent { .. } => {
                plant.store.settle(message.id, token, "SENT", reply, Some(&record), now).await?;
                report.sent += 1;
            }
            Delivery::RefusedForGood { .. } => {
                plant.store.settle(message.id, token, "FAILED", reply, Some(&record), now).await?;
                report.ended += 1;
            }
            Delivery::RefusedForNow { .. } | Delivery::NotSent { .. } | Delivery::Uncertain { .. } if given_up => {
                let reason = format!("attempts used up: {reply}");
                plant.store.settle(message.id, token, "FAILED", &reason, Some(&record), now).await?;
                report.ended += 1;
            }
            Delivery::RefusedForNow { .. } | Delivery::NotSent { .. } => {
                plant.store.put_back(message.id, token, false, next, &record, now).await?;
                report.put_back += 1;
            }
            Delivery::Uncertain { .. } => {
                plant.store.put_back(message.id, token, true, next, &record, now).await?;
                report.put_back += 1;
            }
            Delivery::TransportDown { reason } => {
                let pause = post.breaker.trip(&post.backoff, self.random.f64());
                tracing::warn!(%reason, pause_s = pause.as_secs_f32(), "the mail transport is down");
                plant.store.release(token, None, &reason).await?;
                report.put_back += 1;
                return Ok(false);
            }
        }
        kill_point("dispatch-after-settle");
        Ok(true)
    }
}

fn describe(delivery: &Delivery) -> (&'static str, &str) {
    match delivery {
        Delivery::Sent { reply } => ("SENT", reply),
        Delivery::RefusedForNow { reply } => ("REFUSED_FOR_NOW", reply),
        Delivery::RefusedForGood { reply } => ("REFUSED_FOR_GOOD", reply),
        Delivery::NotSent { reason } => ("NOT_SENT", reason),
        Delivery::Uncertain { reason } => ("UNCERTAIN", reason),
        Delivery::TransportDown { reason } => ("TRANSPORT_DOWN", reason),
    }
}

/// The bytes of the first attempt; those of an earlier one are kept by the store.
fn rendering(post: &Post, message: &Claimed) -> Result<Rendering, String> {
    if message.message.is_some() {
        return Ok(Rendering { subject: String::new(), message_id: String::new(), bytes: Vec::new() });
    }
    let message_id = format!("{}@{}", message.id, post.domain);
    let envelope = Envelope {
        id: message.id,
        from: post.from.clone(),
        to_name: message.recipient_name.clone(),
        to_address: message.address.clone(),
        message_id: message_id.clone(),
        date: message.created_at,
        thread: thread_of(&message.facts, message.order_id, &message.address, &post.domain),
        link_pattern: post.link_pattern.clone(),
        language: post.language.clone(),
    };
    let rendered = render(&message.facts, &envelope).map_err(|error| error.to_string())?;
    Ok(Rendering { subject: rendered.subject, message_id, bytes: rendered.bytes })
}

/// Gathers what would be too much for one person, or has waited through an outage of the mail server: it is told by a digest.
/// Digests are not counted, nor what waits for one. So a person gets at most as many single messages within the time as are allowed,
/// and a digest at its end.
async fn brake(plant: &Plant, claimed: &mut Vec<Claimed>, token: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut addresses: Vec<String> = claimed.iter().map(|message| message.address.clone()).collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        return Ok(());
    }
    let settings = &plant.settings;
    let since = now - settings.storm_window;
    let crowds = plant.store.crowds(&addresses, since, now - settings.outage_after, settings.storm_messages).await?;
    for crowd in crowds {
        let (until, why) = if crowd.waited > 1 {
            (now, digest::WAITED)
        } else {
            (crowd.first_at.unwrap_or(now) + settings.storm_window, digest::STORM)
        };
        let gathered = plant.store.gather(&crowd.address, token, until, why).await?;
        tracing::info!(address = %crowd.address, claimed = gathered.len(), why, "messages were gathered");
        claimed.retain(|message| !gathered.contains(&message.id));
    }
    Ok(())
}

/// Takes back what senders that are gone had claimed. Returns how many messages.
///
/// # Errors
/// When the database fails.
pub async fn take_back(plant: &Plant) -> Result<u64, StoreError> {
    let (database_now, _) = plant.store.clock_and_version().await?;
    plant.store.take_back(plant.clock.now(database_now)).await
}
