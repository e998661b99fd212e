//! Users and departments as TOML.

use serde::Deserialize;

use super::alerts::AlertsFile;
use crate::grpc::proto::v1::{Department, Role, User};

/// A user; `roles` as in the API, lower case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserFile {
    id: String,
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    roles: Vec<RoleName>,
    /// BCP 47 tag; empty = that of the plant.
    #[serde(default)]
    language: String,
    /// IANA zone; empty = that of the order's calendar.
    #[serde(default)]
    zone: String,
    /// How they want to be told; not given = all at once.
    #[serde(default)]
    alerts: AlertsFile,
    /// Cannot be assigned, gets no messages.
    #[serde(default)]
    inactive: bool,
}

/// A role, on the command line and in files.
#[derive(Clone, Copy, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum RoleName {
    /// Reads
    Viewer,
    /// Reports progress
    Reporter,
    /// Plans orders
    Planner,
    /// Answers for orders
    Manager,
    /// Runs the plant's data
    Operator,
    /// Runs andon
    Admin,
    /// Reads the audit
    Auditor,
}

/// A department with the ids of its managers and members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentFile {
    id: String,
    name: String,
    #[serde(default)]
    managers: Vec<String>,
    /// Ids of those who work in it.
    #[serde(default)]
    members: Vec<String>,
    /// Id of its own calendar; empty = that of the order type.
    #[serde(default)]
    calendar: String,
    /// Cannot be assigned.
    #[serde(default)]
    inactive: bool,
}

impl RoleName {
    /// As the API has it.
    pub fn to_message(self) -> Role {
        match self {
            Self::Viewer => Role::Viewer,
            Self::Reporter => Role::Reporter,
            Self::Planner => Role::Planner,
            Self::Manager => Role::Manager,
            Self::Operator => Role::Operator,
            Self::Admin => Role::Admin,
            Self::Auditor => Role::Auditor,
        }
    }
}

impl UserFile {
    /// As the API has it.
    pub fn to_message(&self) -> User {
        User {
            id: self.id.clone(),
            display_name: self.name.clone(),
            email: self.email.clone(),
            roles: self.roles.iter().map(|role| role.to_message().into()).collect(),
            language: self.language.clone(),
            zone: self.zone.clone(),
            alerts: Some(self.alerts.to_message()),
            inactive: self.inactive,
            ..User::default()
        }
    }
}

impl DepartmentFile {
    /// As the API has it.
    pub fn to_message(&self) -> Department {
        Department {
            id: self.id.clone(),
            name: self.name.clone(),
            managers: self.managers.clone(),
            members: self.members.clone(),
            calendar: self.calendar.clone(),
            inactive: self.inactive,
            ..Department::default()
        }
    }
}
