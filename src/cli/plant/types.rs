//! Order types as TOML.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::people::RoleName;
use crate::{
    cli::duration::Method,
    grpc::proto::v1::{AllowedMove, OrderType, ScheduleMethod, Status, StatusClock, StatusKind},
};

/// An order type with its statuses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeFile {
    pub id: String,
    pub name: String,
    #[serde(default)]
    description: String,
    pub calendar: String,
    /// How due dates are planned; without it as the company does.
    schedule_method: Option<Method>,
    #[serde(default)]
    default_status: String,
    /// Business days by which the finish may miss the target and still be on target.
    #[serde(default)]
    health_tolerance_business_days: i32,
    /// Takes no new orders.
    #[serde(default)]
    inactive: bool,
    /// In a plant file: from the id of a status that goes to the id of the one that gets its orders.
    #[serde(default)]
    pub replacements: BTreeMap<String, String>,
    pub statuses: Vec<StatusFile>,
    /// The moves that its orders may make; none = all.
    #[serde(default)]
    moves: Vec<MoveFile>,
}

/// A move that a type allows; without `from` from any status, without `roles` by anybody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MoveFile {
    #[serde(default)]
    from: String,
    to: String,
    #[serde(default)]
    roles: Vec<RoleName>,
}

/// A status; `kind` is `initial`, `standard` (default), `final` or `non-standard`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusFile {
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub kind: Kind,
    #[serde(default)]
    pub clock: Clock,
    duration_business_days: Option<i32>,
    duration_working_minutes: Option<i32>,
    #[serde(default)]
    definition: String,
    #[serde(default)]
    colour: String,
    #[serde(default)]
    icon: String,
    /// Id of a stage, or a column of its own.
    #[serde(default)]
    stage: String,
    #[serde(default)]
    department: String,
    #[serde(default)]
    user: String,
    /// Cannot be chosen any more.
    #[serde(default)]
    inactive: bool,
    /// In a mapping file: the texts of the log that mean this status; default: its name.
    #[serde(default)]
    pub activities: Vec<String>,
}

/// What a status is in its cycle, on the command line and in files.
#[derive(Clone, Copy, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// First of the cycle
    Initial,
    /// A step between
    #[default]
    Standard,
    /// Last of the cycle: closes the order
    Final,
    /// Beside the cycle
    NonStandard,
}

/// What the clock of a non-standard status does, on the command line and in files.
#[derive(Clone, Copy, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// Time goes on
    #[default]
    Runs,
    /// The order is on hold
    Pauses,
    /// The order is closed
    Stops,
}

impl TypeFile {
    /// As the API has it.
    pub fn to_message(&self) -> OrderType {
        OrderType {
            id: self.id.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            calendar: self.calendar.clone(),
            schedule_method: self.schedule_method.map_or(ScheduleMethod::Unspecified, Method::to_message).into(),
            default_status: self.default_status.clone(),
            health_tolerance_business_days: self.health_tolerance_business_days,
            inactive: self.inactive,
            moves: self.moves.iter().map(MoveFile::to_message).collect(),
            statuses: self.statuses.iter().map(StatusFile::to_message).collect(),
            ..OrderType::default()
        }
    }
}

impl MoveFile {
    fn to_message(&self) -> AllowedMove {
        let roles = self.roles.iter().map(|role| role.to_message().into()).collect();
        AllowedMove { from: self.from.clone(), to: self.to.clone(), roles }
    }
}

impl StatusFile {
    fn to_message(&self) -> Status {
        Status {
            id: self.id.clone(),
            name: self.name.clone(),
            definition: self.definition.clone(),
            colour: self.colour.clone(),
            icon: self.icon.clone(),
            stage: self.stage.clone(),
            default_department: self.department.clone(),
            default_user: self.user.clone(),
            duration_business_days: self.duration_business_days,
            duration_working_minutes: self.duration_working_minutes,
            kind: self.kind.to_message().into(),
            clock: self.clock.to_message().into(),
            inactive: self.inactive,
            ..Status::default()
        }
    }
}

impl Kind {
    /// As the API has it.
    pub fn to_message(self) -> StatusKind {
        match self {
            Self::Initial => StatusKind::Initial,
            Self::Standard => StatusKind::Standard,
            Self::Final => StatusKind::Final,
            Self::NonStandard => StatusKind::NonStandard,
        }
    }
}

impl Clock {
    /// As the API has it.
    pub fn to_message(self) -> StatusClock {
        match self {
            Self::Runs => StatusClock::Runs,
            Self::Pauses => StatusClock::Pauses,
            Self::Stops => StatusClock::Stops,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_standard_unless_it_says_otherwise() {
        let text = "id='t'\nname='T'\ncalendar='c'\nstatuses=[{id='a',name='A'},{id='h',name='H',kind='non-standard',clock='pauses'}]";
        let message = toml::from_str::<TypeFile>(text).expect("toml").to_message();
        assert_eq!(message.statuses[0].kind(), StatusKind::Standard);
        assert_eq!(message.statuses[0].duration_business_days, None);
        assert_eq!(message.statuses[1].clock(), StatusClock::Pauses);
    }
}
