//! Asks the daemon, before anything is changed, what each step would do.

use super::{
    call::{Answered, Foreseen, How, call, reason},
    compare::compare,
    entry::Entry,
    progress::Progress,
    steps::{Plan, Step},
};
use crate::cli::{caller::Caller, failure::Failure};

/// Exit code of a failure after which it is not known what the daemon would say.
const UNREACHABLE: u8 = 4;

/// Asks about every step. A step after which the daemon would have what it has is none.
///
/// # Errors
/// No connection. What would be refused stands in the plan.
pub async fn foresee(caller: &Caller, plan: &mut Plan, progress: &Progress) -> Result<(), Failure> {
    let mut steps = Vec::new();
    for mut step in std::mem::take(&mut plan.steps) {
        step.foreseen = ask(caller, &step).await?;
        progress.advance();
        if changes_nothing(&step) {
            plan.unchanged.push(step.key());
        } else {
            steps.push(step);
        }
    }
    plan.steps = steps;
    plan.unchanged.sort_unstable();
    Ok(())
}

async fn ask(caller: &Caller, step: &Step) -> Result<Foreseen, Failure> {
    if step.needs.contains(&step.key()) {
        return Ok(Foreseen::Later);
    }
    let how = How { etag: &step.etag, validate_only: true, expected_plan: "" };
    match call(caller, step, how).await {
        Ok(answered) if is_provisional(step) => Ok(Foreseen::Likely(answered)),
        Ok(answered) => Ok(Foreseen::Certain(answered)),
        Err(failure) => refused(step, failure),
    }
}

/// Days and people of a cycle that earlier steps change may change what it does to orders.
fn is_provisional(step: &Step) -> bool {
    !step.needs.is_empty() && !step.creates() && matches!(step.entry, Entry::OrderType(_))
}

fn refused(step: &Step, failure: Failure) -> Result<Foreseen, Failure> {
    let waits = !step.needs.is_empty() && matches!(reason(&failure).as_str(), "NOT_FOUND" | "INACTIVE");
    match failure {
        _ if waits => Ok(Foreseen::Later),
        Failure::Refused { .. } if failure.exit_code() != UNREACHABLE => Ok(Foreseen::Refused(failure)),
        failure => Err(failure),
    }
}

fn changes_nothing(step: &Step) -> bool {
    let (Some(before), Foreseen::Certain(Answered { entry: Some(after), .. })) = (&step.before, &step.foreseen) else {
        return false;
    };
    compare(before, after).mask.is_empty()
}
