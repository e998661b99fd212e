//! Load: callers that move orders and repeat what was not answered, and the account of what they were promised.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use andon::grpc::proto::v1::{self, Advance};
use tokio::task::JoinSet;
use tonic::{
    Code,
    transport::{Channel, Endpoint},
};

use crate::support::{Api, Daemon, api::advance_with, plant::order, smtp::SmtpSink, within};

/// How long one call may go unanswered before it is repeated elsewhere.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// What callers and the test share.
#[derive(Debug, Default)]
struct Shared {
    doors: Mutex<Vec<String>>,
    stop: AtomicBool,
    answered: AtomicUsize,
    next_order: AtomicUsize,
    /// Acknowledged moves and messages by order.
    promised: Mutex<HashMap<String, (usize, Vec<String>)>>,
}

/// Callers at work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    callers: JoinSet<()>,
}

impl Load {
    /// Starts callers. Each order is created, then moved twice, each time telling Anna.
    pub fn start(callers: usize, daemons: &[&Daemon]) -> Self {
        let shared = Arc::new(Shared::default());
        *shared.doors.lock().unwrap_or_else(PoisonError::into_inner) =
            daemons.iter().map(|daemon| daemon.address.clone()).collect();
        let mut load = Self { shared, callers: JoinSet::new() };
        for caller in 0..callers {
            load.callers.spawn(call(Arc::clone(&load.shared), caller));
        }
        load
    }

    /// Where one of the daemons listens from now on.
    pub fn door(&self, index: usize, daemon: &Daemon) {
        self.shared.doors.lock().unwrap_or_else(PoisonError::into_inner)[index].clone_from(&daemon.address);
    }

    /// How many calls have been answered.
    pub fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until so many more calls have been answered.
    pub async fn goes_on(&self, limit: Duration, more: usize) {
        let wanted = self.answered() + more;
        within(limit, "calls are answered", async || (self.answered() >= wanted).then_some(())).await;
    }

    /// Lets the callers finish what they have begun; what was promised.
    pub async fn finish(mut self) -> Promised {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("a caller does not panic");
        }
        let mut promised = self.shared.promised.lock().unwrap_or_else(PoisonError::into_inner);
        Promised { orders: std::mem::take(&mut *promised) }
    }

    /// Drops the callers where they are.
    pub fn abandon(mut self) {
        self.callers.abort_all();
    }
}

async fn call(shared: Arc<Shared>, caller: usize) {
    let mut door = caller;
    let mut channels: HashMap<String, Channel> = HashMap::new();
    while !shared.stop.load(Ordering::Relaxed) {
        let name = format!("L-{:05}", shared.next_order.fetch_add(1, Ordering::Relaxed));
        for step in 0..3 {
            let messages = loop {
                let address = {
                    let doors = shared.doors.lock().unwrap_or_else(PoisonError::into_inner);
                    doors[door % doors.len()].clone()
                };
                let channel = channels.entry(address.clone()).or_insert_with(|| {
                    let endpoint = Endpoint::from_shared(address).expect("a valid address");
                    endpoint.connect_timeout(CALL_LIMIT).timeout(CALL_LIMIT).connect_lazy()
                });
                match carry_out(&Api::new(channel.clone()), &name, step).await {
                    Ok(messages) => break messages,
                    Err(status) => {
                        let repeat = [
                            Code::Unavailable,
                            Code::Unknown,
                            Code::Cancelled,
                            Code::DeadlineExceeded,
                            Code::ResourceExhausted,
                        ];
                        // Without knowing whether it was carried out: the request id makes a repetition safe.
                        assert!(repeat.contains(&status.code()), "{name}, step {step}: {status:?}");
                        door += 1;
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            };
            shared.answered.fetch_add(1, Ordering::Relaxed);
            let mut promised = shared.promised.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = promised.entry(name.clone()).or_default();
            kept.0 = step;
            kept.1.extend(messages);
        }
    }
}

/// One step of an order; the ids of the messages that it promised.
async fn carry_out(api: &Api, name: &str, step: usize) -> Result<Vec<String>, tonic::Status> {
    let request_id = format!("{name}/{step}");
    if step == 0 {
        let request =
            v1::CreateOrderRequest { order: Some(order(name)), request_id, ..v1::CreateOrderRequest::default() };
        api.orders().create_order(request).await?;
        return Ok(Vec::new());
    }
    let notify = Some(v1::Notify { users: vec!["anna".into()], ..v1::Notify::default() });
    let request = v1::AdvanceOrderRequest {
        request_id,
        ..advance_with(name, Advance { notify, reason: format!("step {step}"), ..Advance::default() })
    };
    let effects = api.orders().advance_order(request).await?.into_inner().effects.unwrap_or_default();
    Ok(effects.messages.into_iter().map(|message| message.delivery).collect())
}

/// What the callers were promised.
#[derive(Debug)]
pub struct Promised {
    orders: HashMap<String, (usize, Vec<String>)>,
}

impl Promised {
    /// How many changes.
    pub fn changes(&self) -> usize {
        self.orders.values().map(|(step, _)| step + 1).sum()
    }

    /// Every acknowledged change is there, once.
    pub async fn orders_are_kept(&self, api: &Api) {
        for (name, (step, _)) in &self.orders {
            let reasons: Vec<String> = api.history(name).await.into_iter().map(|entry| entry.reason).collect();
            let expected: Vec<String> =
                (0..=*step).map(|step| if step == 0 { String::new() } else { format!("step {step}") }).collect();
            assert_eq!(reasons, expected, "{name}");
        }
    }

    /// Every promised message is sent, was received, and each extra copy is explained by an uncertain record. Returns the
    /// number of messages and of extra copies.
    pub async fn messages_are_kept(&self, api: &Api, sink: &SmtpSink) -> (usize, usize) {
        let promised: Vec<&String> = self.orders.values().flat_map(|(_, messages)| messages).collect();
        let messages = within(Duration::from_secs(90), "all messages are sent", async || {
            let messages = api.messages().await;
            messages.iter().all(|message| message.state() == v1::DeliveryState::Sent).then_some(messages)
        })
        .await;
        let mut copies: HashMap<String, usize> = HashMap::new();
        for mail in sink.messages().into_iter().filter(|mail| mail.accepted) {
            *copies.entry(message_id(&mail.message)).or_default() += 1;
        }
        let mut extra = 0;
        let known: HashMap<&str, &v1::Delivery> =
            messages.iter().map(|message| (message.id.as_str(), message)).collect();
        for id in promised {
            assert!(known.contains_key(id.as_str()), "message {id} was promised and is gone");
        }
        for message in &messages {
            let came = copies.remove(&message.message_id).unwrap_or(0);
            assert!(came >= 1, "{} is SENT and never came", message.id);
            let more = came - 1;
            let explained = usize::try_from(message.uncertain_count).expect("not negative");
            assert!(more <= explained, "{} came {came} times with {explained} uncertain records", message.id);
            extra += more;
        }
        assert!(copies.is_empty(), "mails that nobody decided: {copies:?}");
        (messages.len(), extra)
    }
}

/// The `Message-ID` of a mail, without brackets.
pub fn message_id(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).expect("a mail has a Message-ID");
    line.trim().trim_matches(['<', '>']).to_owned()
}
