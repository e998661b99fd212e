//! `andon types stages`: the columns of the board in their order.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::said;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        failure::Failure,
        json,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{ListStagesRequest, Stage, UpdateStagesRequest},
};

/// What can be done with stages.
#[derive(Subcommand)]
pub enum Verb {
    /// List the stages in the order of the board
    List,
    /// Replace the whole list
    Set(Set),
}

/// The whole list.
#[derive(Args)]
pub struct Set {
    /// Each stage, in the order of the board
    #[arg(value_name = "ID=NAME[:#rrggbb]", value_parser = stage, required_unless_present = "none")]
    stages: Vec<Stage>,
    /// No stages: each is shown as statuses name it
    #[arg(long, conflicts_with = "stages")]
    none: bool,
    /// Only if this is still the version of the list
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

fn stage(text: &str) -> Result<Stage, String> {
    let (id, rest) = text.split_once('=').ok_or("expected ID=NAME or ID=NAME:#rrggbb")?;
    let (name, colour) = match rest.rsplit_once(":#") {
        Some((name, colour)) => (name, format!("#{colour}")),
        None => (rest, String::new()),
    };
    Ok(Stage { id: id.to_owned(), name: name.to_owned(), colour })
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `ListStages` and `UpdateStages`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List => {
            let found = caller.types().await?.list_stages(ListStagesRequest {}).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("ListStagesResponse", &found)));
            }
            Ok(Answer::text(list(&found.stages, &found.etag, caller.colour)))
        }
        Verb::Set(set) => {
            let request = UpdateStagesRequest {
                stages: set.stages,
                etag: set.etag,
                request_id: set.write.request_id(),
                validate_only: set.write.preview,
            };
            let failure = Failure::of_write(&request.request_id);
            let changed = caller.types().await?.update_stages(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("UpdateStagesResponse", &changed)));
            }
            let said = said("changed", set.write.preview);
            let mut text = format!("{said}\n\n{}\n", list(&changed.stages, &changed.etag, caller.colour));
            for warning in &changed.warnings {
                let _ = writeln!(text, "warning: {}", words::clean(warning));
            }
            Ok(Answer::text(text))
        }
    }
}

fn list(stages: &[Stage], etag: &str, colour: bool) -> String {
    if stages.is_empty() {
        return "No stages: each column of the board is named by its statuses.".to_owned();
    }
    let mut sheet = Sheet::new(&["#", "ID", "NAME", "COLOUR"], colour);
    (0..2).for_each(|column| sheet.keep_whole(column));
    for (place, stage) in stages.iter().enumerate() {
        sheet.toned_row([
            ((place + 1).to_string(), Tone::Faint),
            (stage.id.clone(), Tone::Plain),
            (stage.name.clone(), Tone::Plain),
            (stage.colour.clone(), Tone::of_colour(&stage.colour)),
        ]);
    }
    format!("{}\n\netag {}", sheet.fitted(), words::clean(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_read_with_and_without_colour() {
        let read = |text| stage(text).map(|it| (it.id, it.name, it.colour));
        let read_as = |id: &str, name: &str, colour: &str| Ok((id.to_owned(), name.to_owned(), colour.to_owned()));
        assert_eq!(read("shop=Shop floor"), read_as("shop", "Shop floor", ""));
        assert_eq!(read("shop=Shop: floor:#00ff00"), read_as("shop", "Shop: floor", "#00ff00"));
        assert_eq!(read("shop=A=B"), read_as("shop", "A=B", ""));
        assert!(read("shop").is_err());
    }

    #[test]
    fn stages_are_listed_with_their_place() {
        let text = list(&[stage("shop=Shop").expect("a stage")], "e1", false);
        assert!(text.contains("1  shop  Shop") && text.ends_with("etag e1"), "{text}");
    }
}
