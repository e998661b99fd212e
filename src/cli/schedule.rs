//! `andon schedule`: how the company plans due dates.

use clap::Subcommand;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    duration::{Method, method_name},
    edit_plan,
    failure::Failure,
    json,
    types::said,
};
use crate::grpc::proto::v1::{GetScheduleDefaultsRequest, UpdateScheduleDefaultsRequest};

/// What can be done with the schedule of the company.
#[derive(Subcommand)]
pub enum Verb {
    /// Show how due dates are planned where neither the order nor its type says
    Show,
    /// Change it; open orders of types without a method of their own are planned anew in the background
    Set {
        /// The method
        #[arg(value_enum)]
        method: Method,
        /// Only if this is still the version of the setting
        #[arg(long, default_value = "", hide_default_value = true)]
        etag: String,
        /// Only if this is still what it does, as a preview showed it
        #[arg(long, value_name = "PLAN", default_value = "", hide_default_value = true)]
        expected_plan: String,
        #[command(flatten)]
        write: Write,
    },
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `ScheduleService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    let mut client = caller.schedule().await?;
    match verb {
        Verb::Show => {
            let found = client.get_schedule_defaults(GetScheduleDefaultsRequest {}).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("GetScheduleDefaultsResponse", &found)));
            }
            let method = method_name(found.schedule_method());
            Ok(Answer::text(format!("due dates are planned {}\netag {}\n", method.replace('-', " "), found.etag)))
        }
        Verb::Set { method, etag, expected_plan, write } => {
            let request_id = write.request_id();
            let failure = Failure::of_write(&request_id);
            let request = UpdateScheduleDefaultsRequest {
                schedule_method: method.to_message().into(),
                etag,
                request_id,
                validate_only: write.preview,
                expected_plan,
            };
            let done = client.update_schedule_defaults(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("UpdateScheduleDefaultsResponse", &done)));
            }
            let name = method_name(done.schedule_method()).replace('-', " ");
            let told = edit_plan::told(&done.plan.unwrap_or_default(), write.preview, caller.colour);
            let plan = edit_plan::in_background(done.replan).unwrap_or(told);
            Ok(Answer::text(format!("due dates are planned {name}: {}\n\n{plan}", said("changed", write.preview))))
        }
    }
}
