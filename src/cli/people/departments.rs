//! One department: shown, created, changed.

use clap::Args;
use prost_types::FieldMask;

use super::marked;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        failure::Failure,
        json,
        sheet::Sheet,
        types::{said, some_change},
        words,
    },
    grpc::proto::v1::{CreateDepartmentRequest, Department, GetDepartmentRequest, UpdateDepartmentRequest},
};

/// The new department.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    write: Write,
}

/// What changes in the department.
#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    fields: Fields,
    /// Only if this is still the version of the department
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

#[derive(Args)]
struct Fields {
    /// Id of the department
    id: String,
    /// Name as shown
    #[arg(long)]
    name: Option<String>,
    /// A user who manages it; may be repeated; empty = nobody
    #[arg(long = "manager", value_name = "USER")]
    managers: Option<Vec<String>>,
    /// A user who works in it; may be repeated; empty = nobody
    #[arg(long = "member", value_name = "USER")]
    members: Option<Vec<String>>,
    /// Id of its own calendar; empty = none
    #[arg(long)]
    calendar: Option<String>,
    /// Cannot be assigned
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
}

impl Fields {
    fn into_department(self) -> (Department, FieldMask) {
        let mut paths = Vec::new();
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
        given("name", self.name.is_some());
        given("managers", self.managers.is_some());
        given("members", self.members.is_some());
        given("calendar", self.calendar.is_some());
        given("inactive", self.inactive.is_some());
        let named = |users: Option<Vec<String>>| users.unwrap_or_default().into_iter().filter(|it| !it.is_empty());
        let department = Department {
            name: self.name.unwrap_or_default(),
            managers: named(self.managers).collect(),
            members: named(self.members).collect(),
            calendar: self.calendar.unwrap_or_default(),
            inactive: self.inactive.unwrap_or(false),
            id: self.id,
            ..Department::default()
        };
        (department, FieldMask { paths })
    }
}

/// Shows a department.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn show(caller: &Caller, id: String) -> Result<Answer, Failure> {
    let found = caller.people().await?.get_department(GetDepartmentRequest { id }).await?.into_inner();
    Ok(answer(caller, found.department, ""))
}

/// Creates a department.
///
/// # Errors
/// The refusals of `CreateDepartment`.
pub async fn add(caller: &Caller, add: Add) -> Result<Answer, Failure> {
    let (request_id, validate_only) = (add.write.request_id(), add.write.preview);
    let failure = Failure::of_write(&request_id);
    let (mut department, _) = add.fields.into_department();
    if department.name.is_empty() {
        department.name.clone_from(&department.id);
    }
    let request = CreateDepartmentRequest { department: Some(department), request_id, validate_only };
    let created = caller.people().await?.create_department(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, created.department, said("created", validate_only)))
}

/// Changes a department.
///
/// # Errors
/// The refusals of `UpdateDepartment`; `Usage` when nothing is to be changed.
pub async fn set(caller: &Caller, set: Set) -> Result<Answer, Failure> {
    let (request_id, validate_only) = (set.write.request_id(), set.write.preview);
    let failure = Failure::of_write(&request_id);
    let (department, mask) = set.fields.into_department();
    some_change(&mask.paths)?;
    let request = UpdateDepartmentRequest {
        department: Some(Department { etag: set.etag, ..department }),
        update_mask: Some(mask),
        request_id,
        validate_only,
    };
    let changed = caller.people().await?.update_department(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, changed.department, said("changed", validate_only)))
}

fn answer(caller: &Caller, department: Option<Department>, said: &str) -> Answer {
    let department = department.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("Department", &department));
    }
    let said = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    let etag = words::clean(&department.etag);
    Answer::text(format!("{said}{}\n\netag {etag}", table(&[department], caller.colour)))
}

/// Departments; columns in which none has anything are left out.
pub fn table(departments: &[Department], colour: bool) -> String {
    let calendars = departments.iter().any(|it| !it.calendar.is_empty());
    let members = departments.iter().any(|it| !it.members.is_empty());
    let mut headings = vec!["DEPARTMENT", "NAME", "MANAGERS"];
    headings.extend(members.then_some("MEMBERS"));
    headings.extend(calendars.then_some("CALENDAR"));
    headings.push("");
    let mut sheet = Sheet::new(&headings, colour);
    sheet.keep_whole(0);
    for it in departments {
        let mut cells = vec![it.id.clone(), it.name.clone(), it.managers.join(", ")];
        cells.extend(members.then(|| it.members.join(", ")));
        cells.extend(calendars.then(|| it.calendar.clone()));
        sheet.toned_row(marked(it.inactive, cells));
    }
    sheet.fitted()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_member_clears_the_list() {
        let fields = Fields {
            id: "mill".into(),
            name: None,
            managers: None,
            members: Some(vec![String::new()]),
            calendar: Some(String::new()),
            inactive: None,
        };
        let (department, mask) = fields.into_department();
        assert_eq!(mask.paths, ["members", "calendar"]);
        assert!(department.members.is_empty());
    }

    #[test]
    fn members_and_calendar_stand_only_where_there_are_some() {
        let department = Department { id: "mill".into(), managers: vec!["anna".into()], ..Department::default() };
        let text = table(std::slice::from_ref(&department), false);
        assert!(text.contains("anna") && !text.contains("MEMBERS") && !text.contains("CALENDAR"), "{text}");
        let department = Department { members: vec!["bob".into()], calendar: "vienna".into(), ..department };
        let text = table(&[department], false);
        assert!(text.contains("bob") && text.contains("vienna"), "{text}");
    }
}
