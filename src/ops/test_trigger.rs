//! Runs a trigger over what has happened. Reads only, and a bounded number of orders.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Failure, Plant, catalogue::catalogue};
use crate::domain::{
    alerts::{
        message::{Channel, MessageFacts},
        replay::{Firing, Record, replay},
        template,
        trigger::{Action, Event, Trigger},
    },
    order::Context,
    refusal::{Kind, Refusal},
};
use crate::mail::{Letter, letter};
use crate::store::facts::OrderRef;

/// Orders that a test looks at; the newest.
pub const TESTED_ORDERS_MAX: i64 = 2_000;
/// Entries of one order that a test reads.
const ENTRIES_MAX: i64 = 1_000;
/// Days that are looked at when nothing is said.
const DAYS_BACK: i64 = 30;

/// What is tested.
#[derive(Debug)]
pub enum Tested {
    /// A trigger as it is.
    Stored(String),
    /// A trigger as it could be; it has been checked.
    Given(Box<Trigger>),
}

/// What a test found.
#[derive(Debug)]
pub struct TestReport {
    /// The latest first.
    pub firings: Vec<Firing>,
    /// Orders that were looked at.
    pub orders: usize,
    /// What the caller should know.
    pub warnings: Vec<String>,
    /// The mail of the latest firing, else one about a sample order; `None` when the trigger sends none.
    pub letter: Option<Letter>,
}

/// Runs a trigger over the record of the orders that were open between two instants.
///
/// # Errors
/// `NotFound` (the trigger, the order); when the database fails.
pub async fn test_trigger(
    plant: &Plant,
    tested: Tested,
    (from, to): (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    order: Option<&OrderRef>,
) -> Result<TestReport, Failure> {
    let catalogue = catalogue(plant).await?;
    let mut trigger = match tested {
        Tested::Given(trigger) => *trigger,
        Tested::Stored(id) => {
            let found = catalogue.triggers.get(&id).map(|it| it.as_ref().clone());
            found.ok_or(Refusal::NotFound { kind: Kind::Trigger, id })?
        }
    };
    trigger.active_since = DateTime::UNIX_EPOCH;
    trigger.spec.enabled = true;
    let (database_now, _) = plant.store.clock_and_version().await?;
    let now = plant.clock.now(database_now);
    // What happens at this very instant has happened.
    let end = now + TimeDelta::microseconds(1);
    let to = to.map_or(end, |to| to.min(end));
    let from = from.unwrap_or(to - TimeDelta::days(DAYS_BACK));
    let orders = match order {
        Some(order) => vec![super::orders::get_order(plant, order).await?.orders],
        None => plant.store.orders_open_between(&trigger.spec.order_types, (from, to), TESTED_ORDERS_MAX).await?,
    };
    let mut warnings = Vec::new();
    if i64::try_from(orders.len()).is_ok_and(|count| count == TESTED_ORDERS_MAX) {
        warnings.push(format!("only the newest {TESTED_ORDERS_MAX} orders of that time were looked at"));
    }
    if trigger.spec.event == Event::HealthChanged {
        warnings.push("health is not part of the record, so what it was in the past cannot be told".to_owned());
    }
    let mut ids = plant.fork_ids();
    let mut report = TestReport { firings: Vec::new(), orders: orders.len(), warnings, letter: None };
    for order in orders {
        let visits = plant.store.list_visits(order.id, 0, ENTRIES_MAX).await?;
        let history = plant.store.list_history(order.id, 0, ENTRIES_MAX).await?;
        let record = Record { order, visits, history };
        let fallback = &plant.settings.fallback;
        let mut cx = Context { catalogue: &catalogue, now, ids: &mut ids, actor: "", fallback, cause: "" };
        report.firings.extend(replay(&trigger, &record, (from, to), &mut cx));
    }
    report.firings.sort_by_key(|firing| std::cmp::Reverse((firing.at, firing.order.id)));
    let mails = report.firings.iter().flat_map(|firing| &firing.told.messages);
    let told = mails.into_iter().find(|message| message.channel == Channel::Mail).map(|message| message.facts.clone());
    report.letter = told.or_else(|| sample(&trigger)).map(|facts| letter(&facts, "", None));
    Ok(report)
}

/// What the first mail of a trigger would tell of a sample order.
fn sample(trigger: &Trigger) -> Option<MessageFacts> {
    let action = trigger.spec.actions.iter().find_map(|action| match action {
        Action::Email(email) => Some(email),
        Action::Task(_) | Action::Webhook(_) => None,
    })?;
    let (mut happened, recipient) = template::sample(trigger.spec.event);
    happened.trigger.clone_from(&trigger.id);
    happened.trigger_name.clone_from(&trigger.spec.name);
    happened.subject = template::render(&action.subject, &happened, &recipient).unwrap_or_default();
    happened.text = template::render(&action.body, &happened, &recipient).unwrap_or_default();
    Some(MessageFacts::Happened(Box::new(happened)))
}
