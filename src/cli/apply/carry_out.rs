//! Makes the calls, one after the other, until all are made or one is refused.

use std::collections::HashMap;

use super::{
    call::{Answered, Foreseen, How, call},
    entry::{Entry, Key},
    progress::Progress,
    steps::{Plan, Step},
    told,
};
use crate::cli::{caller::Caller, failure::Failure};

/// How far it came.
pub struct Outcome {
    /// Steps that were made, from the first.
    pub done: usize,
    /// What each of them did.
    pub answers: Vec<Answered>,
    /// Why the next one was not made.
    pub stopped: Option<Stop>,
}

/// Why a step was not made.
pub enum Stop {
    /// It was refused, or there was no answer.
    Refused(Failure),
    /// It would do more to live orders than was shown before, and the answer was no.
    Declined,
}

/// Carries out a plan. `agree` is asked about what a step does to live orders, when that could not be shown before.
pub async fn carry_out(caller: &Caller, plan: &Plan, agree: impl Fn(&str) -> bool, progress: &Progress) -> Outcome {
    let mut etags: HashMap<Key, String> = HashMap::new();
    let mut outcome = Outcome { done: 0, answers: Vec::new(), stopped: None };
    for step in &plan.steps {
        let etag = etags.get(&step.key()).unwrap_or(&step.etag).clone();
        match make(caller, step, &etag, &agree, progress).await {
            Ok(answered) => {
                progress.line(&told::done(step, &answered));
                etags.insert(step.key(), answered.etag.clone());
                outcome.done += 1;
                outcome.answers.push(answered);
                progress.advance();
            }
            Err(stop) => {
                outcome.stopped = Some(stop);
                break;
            }
        }
    }
    outcome
}

async fn make(
    caller: &Caller,
    step: &Step,
    etag: &str,
    agree: &impl Fn(&str) -> bool,
    progress: &Progress,
) -> Result<Answered, Stop> {
    let fingerprint = match (&step.entry, &step.foreseen) {
        (Entry::OrderType(_), Foreseen::Certain(foreseen)) => foreseen.plan.fingerprint.clone(),
        (Entry::OrderType(_), _) if !step.creates() => look_again(caller, step, etag, agree, progress).await?,
        _ => String::new(),
    };
    let how = How { etag, validate_only: false, expected_plan: &fingerprint };
    call(caller, step, how).await.map_err(Stop::Refused)
}

/// Asks what a step does now that all before it is made; when that differs from what was shown, it is shown, and asked for.
async fn look_again(
    caller: &Caller,
    step: &Step,
    etag: &str,
    agree: &impl Fn(&str) -> bool,
    progress: &Progress,
) -> Result<String, Stop> {
    let how = How { etag, validate_only: true, expected_plan: "" };
    let now = call(caller, step, how).await.map_err(Stop::Refused)?;
    let shown = match &step.foreseen {
        Foreseen::Likely(before) => before.plan.fingerprint == now.plan.fingerprint,
        _ => !told::touches_orders(&now.plan),
    };
    if !shown {
        progress.line(&format!("{}, now that what it needs is there:\n{}", step.key(), told::live_orders(&now.plan)));
        if !agree("Go on?") {
            return Err(Stop::Declined);
        }
    }
    Ok(now.plan.fingerprint)
}
