//! A whole catalogue in the messages of the API: as a daemon has it, and as files want it.

use std::{collections::BTreeMap, path::PathBuf};

use super::{PlantFile, StageFile, UserFile, read_or_stdin};
use crate::{
    cli::{caller::Caller, failure::Failure, triggers::from_value},
    grpc::proto::v1::{
        Calendar, Department, ListCalendarsRequest, ListDepartmentsRequest, ListOrderTypesRequest, ListStagesRequest,
        ListTriggersRequest, ListUsersRequest, OrderType, Stage, StatusClock, StatusKind, Trigger, User,
    },
};

const COLOUR_DEFAULT: &str = "#808080";

/// What a daemon has, also what is inactive; by id.
#[derive(Default)]
pub struct Catalogue {
    /// In the order of the board.
    pub stages: Vec<Stage>,
    /// Version of the list of stages.
    pub stages_etag: String,
    /// Business calendars.
    pub calendars: BTreeMap<String, Calendar>,
    /// People.
    pub users: BTreeMap<String, User>,
    /// Departments.
    pub departments: BTreeMap<String, Department>,
    /// Order types with their statuses.
    pub types: BTreeMap<String, OrderType>,
    /// Triggers.
    pub triggers: BTreeMap<String, Trigger>,
}

/// What files ask for; what they do not name stays as it is.
#[derive(Default)]
pub struct Wanted {
    /// The whole list, when it is given.
    pub stages: Option<Vec<Stage>>,
    /// Business calendars.
    pub calendars: BTreeMap<String, Calendar>,
    /// People.
    pub users: BTreeMap<String, User>,
    /// Departments.
    pub departments: BTreeMap<String, Department>,
    /// Order types with their statuses.
    pub types: BTreeMap<String, OrderType>,
    /// Triggers.
    pub triggers: BTreeMap<String, Trigger>,
    /// By type: from the id of a status that goes to the id of the one that gets its orders.
    pub replacements: BTreeMap<String, BTreeMap<String, String>>,
}

impl Catalogue {
    /// Reads all of it.
    ///
    /// # Errors
    /// No connection.
    pub async fn fetch(caller: &Caller) -> Result<Self, Failure> {
        let (mut types, mut calendars) = (caller.types().await?, caller.calendars().await?);
        let mut people = caller.people().await?;
        let stages = types.list_stages(ListStagesRequest {}).await?.into_inner();
        let calendars = calendars.list_calendars(ListCalendarsRequest {}).await?.into_inner().calendars;
        let users = people.list_users(ListUsersRequest { include_inactive: true }).await?.into_inner().users;
        let departments = ListDepartmentsRequest { include_inactive: true };
        let departments = people.list_departments(departments).await?.into_inner().departments;
        let triggers = caller.triggers().await?.list_triggers(ListTriggersRequest {}).await?.into_inner().triggers;
        let types = types.list_order_types(ListOrderTypesRequest { include_inactive: true }).await?.into_inner();
        Ok(Self {
            stages: stages.stages.into_iter().map(kept_stage).collect(),
            stages_etag: stages.etag,
            calendars: calendars.into_iter().map(|it| (it.id.clone(), kept_calendar(it))).collect(),
            users: users.into_iter().map(|it| (it.id.clone(), it)).collect(),
            departments: departments.into_iter().map(|it| (it.id.clone(), it)).collect(),
            types: types.order_types.into_iter().map(|it| (it.id.clone(), kept_type(it))).collect(),
            triggers: triggers.into_iter().map(|it| (it.id.clone(), it)).collect(),
        })
    }
}

impl Wanted {
    /// Reads plant files, one after the other.
    ///
    /// # Errors
    /// `Usage`: a file cannot be read or is wrong, or something is named twice.
    pub fn read(files: &[PathBuf]) -> Result<Self, Failure> {
        let mut wanted = Self::default();
        for path in files {
            let file = read_or_stdin(path)?;
            wanted.add(&file).map_err(|cause| Failure::Usage(format!("{}: {cause}", path.display())))?;
        }
        Ok(wanted)
    }

    /// Adds what a file asks for.
    ///
    /// # Errors
    /// A sentence: something is named twice, or is wrong in itself.
    pub fn add(&mut self, file: &PlantFile) -> Result<(), String> {
        if let Some(stages) = &file.stages {
            let stages = stages.iter().map(StageFile::to_message).map(kept_stage).collect();
            if self.stages.replace(stages).is_some() {
                return Err("the stages are one list, and were given before".to_owned());
            }
        }
        for it in &file.calendars {
            let message = it.to_message().map_err(|failure| failure.text(false).replacen("andon: ", "", 1))?;
            once("calendar", &it.id, self.calendars.insert(it.id.clone(), kept_calendar(message)).is_some())?;
        }
        for it in file.users.iter().map(UserFile::to_message) {
            once("user", &it.id.clone(), self.users.insert(it.id.clone(), it).is_some())?;
        }
        for it in &file.departments {
            let it = it.to_message();
            once("department", &it.id.clone(), self.departments.insert(it.id.clone(), it).is_some())?;
        }
        for it in &file.types {
            if let Some(status) = it.statuses.iter().find(|status| !status.activities.is_empty()) {
                return Err(format!("type {}, status {}: `activities` belong into a mapping file", it.id, status.id));
            }
            if let Some(status) = it.statuses.iter().find(|status| it.replacements.contains_key(&status.id)) {
                return Err(format!("type {}: status {} has a replacement and is still listed", it.id, status.id));
            }
            once("type", &it.id, self.types.insert(it.id.clone(), kept_type(it.to_message())).is_some())?;
            self.replacements.insert(it.id.clone(), it.replacements.clone());
        }
        for value in &file.triggers {
            let it = from_value(value.clone()).map_err(|failure| {
                let id = value.get("id").and_then(|id| id.as_str()).unwrap_or_default();
                format!("trigger {id}: {}", failure.text(false).replacen("andon: ", "", 1))
            })?;
            once("trigger", &it.id.clone(), self.triggers.insert(it.id.clone(), it).is_some())?;
        }
        Ok(())
    }
}

fn once(kind: &str, id: &str, is_there: bool) -> Result<(), String> {
    if is_there { Err(format!("{kind} {id} is there twice")) } else { Ok(()) }
}

/// As the daemon keeps a colour.
fn colour(given: &str) -> String {
    if given.is_empty() { COLOUR_DEFAULT.to_owned() } else { given.to_ascii_lowercase() }
}

/// A stage as the daemon keeps it.
pub fn kept_stage(mut it: Stage) -> Stage {
    it.colour = colour(&it.colour);
    it
}

/// A calendar as the daemon keeps it: with the last day of every exception.
pub fn kept_calendar(mut it: Calendar) -> Calendar {
    for exception in &mut it.exceptions {
        exception.to_date = exception.to_date.or(exception.from_date);
        exception.to_yearly = exception.to_yearly.or(exception.from_yearly);
        exception.hours.get_or_insert_default();
    }
    it
}

/// A type as the daemon keeps it: with every default, and without what the list of statuses tells by its order.
pub fn kept_type(mut it: OrderType) -> OrderType {
    for status in &mut it.statuses {
        status.colour = colour(&status.colour);
        status.position = 0;
        let clock = match (status.kind(), status.clock()) {
            (StatusKind::NonStandard, clock) if clock != StatusClock::Unspecified => clock,
            _ => StatusClock::Runs,
        };
        status.set_clock(clock);
    }
    it
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a file asks for.
    pub fn wanted(text: &str) -> Wanted {
        let mut wanted = Wanted::default();
        wanted.add(&toml::from_str(text).expect("toml")).expect("a sound file");
        wanted
    }

    /// What a daemon has after it took over a file; everything has version 1.
    pub fn present(text: &str) -> Catalogue {
        let mut it = wanted(text);
        let etag = || "1".to_owned();
        it.calendars.values_mut().for_each(|it| it.etag = etag());
        it.users.values_mut().for_each(|it| it.etag = etag());
        it.departments.values_mut().for_each(|it| it.etag = etag());
        it.types.values_mut().for_each(|it| it.etag = etag());
        it.triggers.values_mut().for_each(|it| it.etag = etag());
        Catalogue {
            stages: it.stages.unwrap_or_default(),
            stages_etag: etag(),
            calendars: it.calendars,
            users: it.users,
            departments: it.departments,
            types: it.types,
            triggers: it.triggers,
        }
    }

    fn refused(text: &str) -> String {
        let file = toml::from_str(text).expect("toml");
        Wanted::default().add(&file).expect_err("refused")
    }

    #[test]
    fn nothing_is_named_twice() {
        let user = "[[users]]\nid='anna'\nname='Anna'\n";
        assert_eq!(refused(&user.repeat(2)), "user anna is there twice");
        let mut wanted = Wanted::default();
        let stages = toml::from_str("stages=[]").expect("toml");
        assert!(wanted.add(&stages).is_ok() && wanted.add(&stages).is_err());
    }

    #[test]
    fn a_status_is_either_listed_or_replaced() {
        let text = "[[types]]\nid='t'\nname='T'\ncalendar='c'\nreplacements={a='b'}\nstatuses=[{id='a',name='A'}]";
        assert_eq!(refused(text), "type t: status a has a replacement and is still listed");
        let text = "[[types]]\nid='t'\nname='T'\ncalendar='c'\nstatuses=[{id='a',name='A',activities=['x']}]";
        assert!(refused(text).contains("mapping file"));
    }

    #[test]
    fn defaults_are_made_explicit() {
        let text = "stages=[{id='s',name='S',colour='#ABCDEF'}]\n[[types]]\nid='t'\nname='T'\ncalendar='c'\n\
                    statuses=[{id='a',name='A',clock='stops'},{id='h',name='H',kind='non-standard',clock='stops'}]";
        let wanted = wanted(text);
        assert_eq!(wanted.stages.expect("given")[0].colour, "#abcdef");
        let statuses = &wanted.types["t"].statuses;
        assert_eq!((statuses[0].clock(), statuses[0].colour.as_str()), (StatusClock::Runs, "#808080"));
        assert_eq!(statuses[1].clock(), StatusClock::Stops);
    }
}
