//! `andon people leave`: sets a user inactive, after it showed what that does.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use prost_types::FieldMask;

use super::users::{Handover, changed_text, update};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write, new_request_id},
        failure::Failure,
        json,
    },
    grpc::proto::v1::{UpdateUserRequest, User},
};

/// Who leaves, and who gets what they leave.
#[derive(Args)]
pub struct Leave {
    /// Id of the user
    user: String,
    #[command(flatten)]
    handover: Handover,
    /// Do not ask; needed where there is no terminal, unless --expected-plan is given
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    write: Write,
}

/// Sets a user inactive. It shows the plan first, asks, and then does exactly that plan; without a terminal to ask on it does
/// nothing, unless it is told not to ask, or which plan was looked at.
///
/// # Errors
/// `Usage` when nobody can be asked; the refusals of `UpdateUser`; `PLAN_CHANGED` when the world changed after it was shown.
pub async fn run(caller: &Caller, leave: Leave) -> Result<Answer, Failure> {
    let preview = leave.write.preview;
    let asks = !preview && !leave.yes && leave.handover.expected_plan.is_empty();
    if asks && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        let text = "there is no terminal to ask on: look at what it does with --preview, and do it with --yes; nothing was changed";
        return Err(Failure::Usage(text.to_owned()));
    }
    let mut request = request(leave);
    if asks {
        let look = UpdateUserRequest { request_id: new_request_id(), validate_only: true, ..request.clone() };
        let shown = update(caller, look).await?;
        if !confirmed(&changed_text(&shown, true, false))? {
            return Ok(Answer::text("Nothing changed."));
        }
        request.expected_plan = shown.plan.unwrap_or_default().fingerprint;
    }
    let changed = update(caller, request).await?;
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateUserResponse", &changed)));
    }
    Ok(Answer::text(changed_text(&changed, preview, caller.colour)))
}

fn request(leave: Leave) -> UpdateUserRequest {
    UpdateUserRequest {
        request_id: leave.write.request_id(),
        user: Some(User { id: leave.user, inactive: true, etag: leave.handover.etag, ..User::default() }),
        update_mask: Some(FieldMask { paths: vec!["inactive".to_owned()] }),
        validate_only: leave.write.preview,
        reassign_to: leave.handover.reassign_to,
        expected_plan: leave.handover.expected_plan,
    }
}

/// Shows the text and asks; on standard error, since standard output is for the answer.
fn confirmed(text: &str) -> Result<bool, Failure> {
    let terminal = |error: io::Error| Failure::file("terminal", &error);
    let mut out = io::stderr().lock();
    write!(out, "{text}\nCarry it out? (y/N) ").and_then(|()| out.flush()).map_err(terminal)?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(terminal)?;
    Ok(is_yes(&line))
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_counts() {
        assert!(is_yes("y\n") && is_yes(" YES\n"));
        assert!(!is_yes("\n") && !is_yes("") && !is_yes("no\n") && !is_yes("yn\n"));
    }
}
