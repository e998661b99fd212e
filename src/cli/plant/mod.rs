//! The catalogue of a plant as TOML: one thing to a file, or a whole plant in one.

mod alerts;
mod calendars;
mod people;
mod text;
mod types;
mod whole;

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};

#[cfg(test)]
pub use self::whole::tests as given;
pub use self::{
    alerts::{PaceName, TimeOfDay, pace_word, time_of_day, topic_name},
    calendars::{CalendarFile, WEEKDAYS},
    people::{DepartmentFile, RoleName, UserFile},
    text::{alert_fields, exception_line, hours, literal, move_line, written},
    types::{Clock, Kind, TypeFile},
    whole::{Catalogue, Wanted, kept_calendar, kept_stage, kept_type},
};
use super::failure::Failure;
use crate::grpc::proto::v1::Stage;

const FILE_BYTES_MAX: u64 = 4 << 20;

/// A whole plant.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlantFile {
    /// Columns of the board in their order; not given = they stay as they are.
    pub stages: Option<Vec<StageFile>>,
    /// Business calendars.
    #[serde(default)]
    pub calendars: Vec<CalendarFile>,
    /// People.
    #[serde(default)]
    pub users: Vec<UserFile>,
    /// Departments with their managers and members.
    #[serde(default)]
    pub departments: Vec<DepartmentFile>,
    /// Order types with their statuses.
    #[serde(default)]
    pub types: Vec<TypeFile>,
    /// Triggers, with the fields of the API.
    #[serde(default)]
    pub triggers: Vec<serde_json::Value>,
}

/// A column of the board.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageFile {
    id: String,
    name: String,
    #[serde(default)]
    colour: String,
}

impl StageFile {
    /// As the API has it.
    pub fn to_message(&self) -> Stage {
        Stage { id: self.id.clone(), name: self.name.clone(), colour: self.colour.clone() }
    }
}

/// Reads a TOML file.
///
/// # Errors
/// `Usage`: it cannot be read, is larger than 4 MiB, or is wrong; with line and column.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    let file = fs::File::open(path).map_err(|error| Failure::file(path, &error))?;
    read_from(file, &path.display().to_string())
}

/// Reads a TOML file; `-` is standard input.
///
/// # Errors
/// As `read`.
pub fn read_or_stdin<T: DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    if path.as_os_str() == "-" { read_from(io::stdin(), "standard input") } else { read(path) }
}

fn read_from<T: DeserializeOwned>(source: impl io::Read, name: &str) -> Result<T, Failure> {
    let mut text = String::new();
    source.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| Failure::file(name, &error))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!("{name}: larger than 4 MiB")));
    }
    toml::from_str(&text).map_err(|error| Failure::Usage(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        let read: Result<PlantFile, _> = read_from(text.as_bytes(), "plant.toml");
        read.err().expect("refused").text(false)
    }

    #[test]
    fn an_unknown_key_is_told_with_its_place() {
        let text = refused("[[users]]\nid = 'anna'\nname = 'Anna'\ncolor = 'red'\n");
        assert!(text.contains("plant.toml") && text.contains("line 4, column 1") && text.contains("color"), "{text}");
        let text = refused("[[types]]\nid='t'\nname='T'\ncalendar='c'\nstatuses=[\n  {id='a',name='A',days=2},\n]\n");
        assert!(text.contains("line 6, column") && text.contains("days"), "{text}");
    }

    #[test]
    fn statuses_and_moves_are_read_in_both_notations() {
        let text = "[[types]]\nid='t'\nname='T'\ncalendar='c'\n[[types.statuses]]\nid='a'\nname='A'\n\
                    [[types.moves]]\nto='a'\nroles=['manager']\n";
        let plant: PlantFile = read_from(text.as_bytes(), "x").unwrap_or_else(|it| panic!("{}", it.text(false)));
        let message = plant.types[0].to_message();
        assert_eq!((message.statuses.len(), message.moves.len(), message.moves[0].roles.len()), (1, 1, 1));
        assert!(plant.stages.is_none());
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let text = "#".repeat(usize::try_from(FILE_BYTES_MAX).expect("small") + 1);
        assert!(refused(&text).contains("larger than 4 MiB"));
    }
}
