//! One entry of the catalogue, whatever it is.

use std::fmt;

use crate::grpc::proto::v1::{Calendar, Department, OrderType, Stage, Trigger, User, trigger_action::Action};

/// What an entry is, in the order in which one can name another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The list of stages.
    Stages,
    /// A calendar.
    Calendar,
    /// A user.
    User,
    /// A department.
    Department,
    /// An order type.
    OrderType,
    /// A trigger.
    Trigger,
}

impl Kind {
    /// `calendar`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stages => "stages",
            Self::Calendar => "calendar",
            Self::User => "user",
            Self::Department => "department",
            Self::OrderType => "type",
            Self::Trigger => "trigger",
        }
    }
}

/// Which entry: its kind, and its id where there are several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// Empty for the list of stages.
    pub id: String,
}

impl Key {
    /// That of an entry with an id.
    pub fn new(kind: Kind, id: &str) -> Self {
        Self { kind, id: id.to_owned() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.id.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{}", self.kind.word(), self.id)
    }
}

/// An entry as the API has it.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The whole list.
    Stages(Vec<Stage>),
    /// A calendar.
    Calendar(Calendar),
    /// A user.
    User(User),
    /// A department.
    Department(Department),
    /// An order type.
    OrderType(OrderType),
    /// A trigger.
    Trigger(Trigger),
}

impl Entry {
    /// Which one it is.
    pub fn key(&self) -> Key {
        match self {
            Self::Stages(_) => Key::new(Kind::Stages, ""),
            Self::Calendar(it) => Key::new(Kind::Calendar, &it.id),
            Self::User(it) => Key::new(Kind::User, &it.id),
            Self::Department(it) => Key::new(Kind::Department, &it.id),
            Self::OrderType(it) => Key::new(Kind::OrderType, &it.id),
            Self::Trigger(it) => Key::new(Kind::Trigger, &it.id),
        }
    }

    /// Whether it cannot be chosen.
    pub fn is_inactive(&self) -> bool {
        match self {
            Self::Stages(_) | Self::Calendar(_) | Self::Trigger(_) => false,
            Self::User(it) => it.inactive,
            Self::Department(it) => it.inactive,
            Self::OrderType(it) => it.inactive,
        }
    }

    /// The same entry, to be chosen.
    pub fn activated(mut self) -> Self {
        match &mut self {
            Self::Stages(_) | Self::Calendar(_) | Self::Trigger(_) => {}
            Self::User(it) => it.inactive = false,
            Self::Department(it) => it.inactive = false,
            Self::OrderType(it) => it.inactive = false,
        }
        self
    }

    /// What it names. Stages are not among them: a status may name one that is not listed.
    pub fn names(&self) -> Vec<Key> {
        let mut names = Vec::new();
        let mut name = |kind: Kind, id: &str| {
            if !id.is_empty() {
                names.push(Key::new(kind, id));
            }
        };
        match self {
            Self::Stages(_) | Self::Calendar(_) | Self::User(_) | Self::Trigger(_) => {}
            Self::Department(it) => {
                it.managers.iter().chain(&it.members).for_each(|id| name(Kind::User, id));
                name(Kind::Calendar, &it.calendar);
            }
            Self::OrderType(it) => {
                name(Kind::Calendar, &it.calendar);
                for status in &it.statuses {
                    name(Kind::Department, &status.default_department);
                    name(Kind::User, &status.default_user);
                }
            }
        }
        if let Self::Trigger(it) = self {
            let mut name = |kind: Kind, id: &String| names.extend((!id.is_empty()).then(|| Key::new(kind, id)));
            it.order_types.iter().for_each(|id| name(Kind::OrderType, id));
            it.condition.iter().flat_map(|it| &it.departments).for_each(|id| name(Kind::Department, id));
            for action in &it.actions {
                match &action.action {
                    Some(Action::Email(email)) => {
                        let to = email.to.clone().unwrap_or_default();
                        to.users.iter().for_each(|id| name(Kind::User, id));
                        to.departments.iter().for_each(|id| name(Kind::Department, id));
                    }
                    Some(Action::Task(task)) => {
                        name(Kind::User, &task.user);
                        name(Kind::Department, &task.department);
                    }
                    Some(Action::Webhook(_)) | None => {}
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}
