//! How a person wants to be told, as TOML and on the command line.

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;

use crate::{
    cli::words,
    grpc::proto::v1::{AlertPace, AlertPreferences},
};

/// How a person wants to be told, for example:
///
/// ```toml
/// alerts = { pace = "digest", paces = { escalation = "immediate" }, digest_at = ["07:00", "15:30"] }
/// ```
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertsFile {
    pace: PaceName,
    /// By kind of message.
    paces: BTreeMap<String, PaceName>,
    digest_at: Vec<TimeOfDay>,
    /// Id of a calendar.
    calendar: String,
    skip_own: bool,
}

/// At once or with others, on the command line and in files.
#[derive(Clone, Copy, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum PaceName {
    /// A message of its own, at once
    #[default]
    Immediate,
    /// A line in the next digest
    Digest,
}

/// A time of day, `HH:MM` up to 23:59, in minutes after midnight.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub struct TimeOfDay(pub i32);

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str, below: i32| {
            let digits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|number| digits && (0..below).contains(number))
        };
        text.split_once(':')
            .and_then(|(hour, minute)| Some(Self(part(hour, 24)? * 60 + part(minute, 60)?)))
            .ok_or_else(|| format!("`{text}`: expected HH:MM, up to 23:59"))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl PaceName {
    /// As the API has it.
    pub fn to_message(self) -> AlertPace {
        match self {
            Self::Immediate => AlertPace::Immediate,
            Self::Digest => AlertPace::Digest,
        }
    }
}

impl AlertsFile {
    /// As the API has it.
    pub fn to_message(&self) -> AlertPreferences {
        let paces = self.paces.iter().map(|(kind, pace)| (topic_name(kind), pace.to_message().into()));
        AlertPreferences {
            pace: self.pace.to_message().into(),
            paces: paces.collect(),
            digest_minutes: self.digest_at.iter().map(|time| time.0).collect(),
            calendar: self.calendar.clone(),
            skip_own: self.skip_own,
        }
    }
}

/// A kind of message as the API has it: `note-added` is `NOTE_ADDED`.
pub fn topic_name(kind: &str) -> String {
    kind.to_ascii_uppercase().replace('-', "_")
}

/// A pace for people and files.
pub fn pace_word(pace: AlertPace) -> String {
    match pace {
        AlertPace::Unspecified => "immediate".to_owned(),
        pace => words::word(pace.as_str_name(), "ALERT_PACE_"),
    }
}

/// `07:30`.
pub fn time_of_day(minute: i32) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_written_with_a_colon_and_ends_before_midnight() {
        for (text, minute) in [("00:00", 0), ("7:05", 425), ("23:59", 1439)] {
            assert_eq!(text.parse::<TimeOfDay>().map(|it| it.0), Ok(minute), "{text}");
        }
        for wrong in ["", "7", "24:00", "07:60", "+7:00", "7:-1", "07:00:00", " 7:00"] {
            assert!(wrong.parse::<TimeOfDay>().is_err(), "{wrong}");
        }
    }
}
