//! `andon export-config`: the whole configuration of a plant as one file that `andon apply` takes.

use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::json;

use super::{
    answer::Answer,
    caller::Caller,
    failure::Failure,
    json,
    plant::{self, Catalogue},
    words,
};

/// Where to write it.
#[derive(Args)]
pub struct ExportConfig {
    /// File to write, replaced if it is there [default: standard output]
    #[arg(short, long, value_name = "FILE.toml", conflicts_with = "json")]
    output: Option<PathBuf>,
}

/// Writes stages, calendars, users, departments and order types, also inactive ones.
///
/// # Errors
/// No connection; `Usage` when the file cannot be written.
pub async fn run(caller: &Caller, export: ExportConfig) -> Result<Answer, Failure> {
    let catalogue = Catalogue::fetch(caller).await?;
    if caller.json {
        return Ok(Answer::json(&in_json(&catalogue)));
    }
    let text = plant::written(&catalogue);
    let Some(path) = export.output else { return Ok(Answer::text(text)) };
    fs::write(&path, &text).map_err(|error| Failure::file(&path, &error))?;
    let all = [
        (catalogue.stages.len(), "stage"),
        (catalogue.calendars.len(), "calendar"),
        (catalogue.users.len(), "user"),
        (catalogue.departments.len(), "department"),
        (catalogue.types.len(), "order type"),
    ];
    let all = all.map(|(number, noun)| words::count(number, noun));
    Ok(Answer::text(format!("{}: {}", path.display(), all.join(", "))))
}

fn in_json(catalogue: &Catalogue) -> serde_json::Value {
    json!({
        "stages": json::list("Stage", &catalogue.stages),
        "calendars": catalogue.calendars.values().map(|it| json::value("Calendar", it)).collect::<Vec<_>>(),
        "users": catalogue.users.values().map(|it| json::value("User", it)).collect::<Vec<_>>(),
        "departments": catalogue.departments.values().map(|it| json::value("Department", it)).collect::<Vec<_>>(),
        "types": catalogue.types.values().map(|it| json::value("OrderType", it)).collect::<Vec<_>>(),
    })
}
