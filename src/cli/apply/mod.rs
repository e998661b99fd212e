//! `andon apply`: brings a plant to what files say, and shows first what that means.
//!
//! What is there is read through the API and compared with the files; the daemon is asked what each difference would do; the
//! plan is shown and agreed to; then exactly that is done, or it stops and says so. A second run changes nothing.

mod call;
mod carry_out;
mod compare;
mod compare_types;
mod entry;
mod foresee;
mod in_json;
mod progress;
mod steps;
mod told;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::Args;

use self::{
    call::Foreseen,
    carry_out::{Outcome, Stop, carry_out},
    progress::Progress,
    steps::{Plan, missing},
};
use super::{
    answer::Answer,
    ask::{ask, can_ask},
    caller::Caller,
    failure::{Failure, IN_PART},
    plant::{Catalogue, Wanted},
};

const REFUSED: u8 = 1;
const WOULD_CHANGE: u8 = 6;

/// What to apply, and how.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Apply {
    /// Plant file; `-` reads standard input; may be repeated. docs/plant-file.md describes it
    #[arg(short, long = "file", required = true, value_name = "FILE.toml")]
    files: Vec<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Show the plan; change nothing
    #[arg(long, visible_alias = "dry-run", conflicts_with = "yes")]
    preview: bool,
    /// Show the plan, change nothing, and end with exit code 6 if there are changes
    #[arg(long, conflicts_with_all = ["yes", "preview"])]
    check: bool,
    /// Plan the due dates of open orders anew, except manual ones, in types whose durations, cycle or calendar change
    #[arg(long = "apply-to-open")]
    open_orders: bool,
}

impl Plan {
    /// Refusals that are foreseen.
    pub(self) fn refused(&self) -> impl Iterator<Item = &Failure> {
        self.steps.iter().filter_map(|step| match &step.foreseen {
            Foreseen::Refused(failure) => Some(failure),
            _ => None,
        })
    }
}

/// Applies plant files.
///
/// # Errors
/// `Usage` for a file that cannot be read or names what is not there, and when nobody can be asked; no connection. What the
/// daemon refuses stands in the answer, with its exit code.
pub async fn run(caller: &Caller, apply: &Apply) -> Result<Answer, Failure> {
    let wanted = Wanted::read(&apply.files)?;
    let present = Catalogue::fetch(caller).await?;
    let missing = missing(&present, &wanted);
    if !missing.is_empty() {
        return Err(Failure::Usage(missing.join("\n  ")));
    }
    let mut plan = Plan::new(&present, &wanted, apply.open_orders);
    let progress = Progress::new(plan.steps.len(), "checking", caller.json);
    foresee::foresee(caller, &mut plan, &progress).await?;
    progress.finish();
    if plan.steps.is_empty() || plan.refused().next().is_some() || apply.preview || apply.check {
        return Ok(shown(caller, &plan, apply.check));
    }
    agreed(caller, apply, &plan)?;
    let progress = Progress::new(plan.steps.len(), "applying", caller.json);
    let agree = |question: &str| apply.yes || ask(question);
    let outcome = carry_out(caller, &plan, agree, &progress).await;
    progress.finish();
    let answer = if caller.json {
        Answer::json(&in_json::value(&plan, Some(&outcome)))
    } else {
        Answer::text(told::outcome(&plan, &outcome))
    };
    Ok(answer.with_exit_code(exit_code(&outcome)))
}

/// The plan as the answer.
fn shown(caller: &Caller, plan: &Plan, check: bool) -> Answer {
    let answer = if caller.json { Answer::json(&in_json::value(plan, None)) } else { Answer::text(told::plan(plan)) };
    let exit_code = match plan.refused().next() {
        Some(failure) => failure.exit_code(),
        None if check && !plan.steps.is_empty() => WOULD_CHANGE,
        None => 0,
    };
    answer.with_exit_code(exit_code)
}

/// Shows the plan, and goes on only if that is wanted.
fn agreed(caller: &Caller, apply: &Apply, plan: &Plan) -> Result<(), Failure> {
    if !caller.json {
        let mut out = io::stdout().lock();
        // A reader that went away wants no plan.
        let _ = out.write_all(told::plan(plan).as_bytes()).and_then(|()| out.flush());
    }
    if apply.yes {
        return Ok(());
    }
    let refuse = |why: &str| Err(Failure::Usage(format!("{why}; nothing was changed")));
    if caller.json || !can_ask() || apply.files.iter().any(|file| file.as_os_str() == "-") {
        return refuse("there is no terminal to ask on: look at the plan with --preview, and apply it with --yes");
    }
    if ask("Apply?") { Ok(()) } else { refuse("the answer was no") }
}

fn exit_code(outcome: &Outcome) -> u8 {
    match &outcome.stopped {
        None => 0,
        Some(_) if outcome.done > 0 => IN_PART,
        Some(Stop::Refused(failure)) => failure.exit_code(),
        Some(Stop::Declined) => REFUSED,
    }
}
