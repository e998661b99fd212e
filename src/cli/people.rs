//! `andon people`: users and departments.

use clap::{Args, Subcommand};
use prost_types::FieldMask;
use serde_json::json;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    failure::Failure,
    json,
    plant::RoleName,
    sheet::{Sheet, Tone},
    types::{said, some_change},
    words,
};
use crate::grpc::proto::v1::{
    CreateDepartmentRequest, CreateUserRequest, Department, GetDepartmentRequest, GetUserRequest,
    ListDepartmentsRequest, ListUsersRequest, Role, UpdateDepartmentRequest, UpdateUserRequest, User,
};

/// What can be done with people.
#[derive(Subcommand)]
pub enum Verb {
    /// List users and departments
    List {
        /// Also the inactive ones
        #[arg(long)]
        all: bool,
    },
    /// Show one user, or one department
    Show {
        /// Id of the user
        id: String,
        /// The id is that of a department
        #[arg(long)]
        department: bool,
    },
    /// Create a user
    AddUser(UserFields),
    /// Change a user; what is not given stays
    SetUser(UserFields),
    /// Create a department
    AddDepartment(DepartmentFields),
    /// Change a department; what is not given stays
    SetDepartment(DepartmentFields),
}

/// The fields of a user.
#[derive(Args)]
pub struct UserFields {
    /// Id of the user
    id: String,
    /// Name as shown
    #[arg(long)]
    name: Option<String>,
    /// Address for messages; empty = gets none
    #[arg(long)]
    email: Option<String>,
    /// Role; may be repeated
    #[arg(long = "role", value_enum, value_name = "ROLE")]
    roles: Option<Vec<RoleName>>,
    /// Cannot be assigned, gets no messages
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
    #[command(flatten)]
    write: Write,
}

/// The fields of a department.
#[derive(Args)]
pub struct DepartmentFields {
    /// Id of the department
    id: String,
    /// Name as shown
    #[arg(long)]
    name: Option<String>,
    /// A user who manages it; may be repeated
    #[arg(long = "manager", value_name = "USER")]
    managers: Option<Vec<String>>,
    /// Cannot be assigned
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
    #[command(flatten)]
    write: Write,
}

impl UserFields {
    fn into_user(self) -> (User, FieldMask) {
        let mut paths = Vec::new();
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
        given("display_name", self.name.is_some());
        given("email", self.email.is_some());
        given("roles", self.roles.is_some());
        given("inactive", self.inactive.is_some());
        let user = User {
            display_name: self.name.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            roles: self.roles.unwrap_or_default().into_iter().map(|role| role.to_message().into()).collect(),
            inactive: self.inactive.unwrap_or(false),
            id: self.id,
            ..User::default()
        };
        (user, FieldMask { paths })
    }
}

impl DepartmentFields {
    fn into_department(self) -> (Department, FieldMask) {
        let mut paths = Vec::new();
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
        given("name", self.name.is_some());
        given("managers", self.managers.is_some());
        given("inactive", self.inactive.is_some());
        let department = Department {
            name: self.name.unwrap_or_default(),
            managers: self.managers.unwrap_or_default(),
            inactive: self.inactive.unwrap_or(false),
            id: self.id,
            ..Department::default()
        };
        (department, FieldMask { paths })
    }
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `PeopleService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    let mut client = caller.people().await?;
    match verb {
        Verb::List { all } => list(caller, all).await,
        Verb::Show { id, department: false } => {
            let found = client.get_user(GetUserRequest { id }).await?.into_inner();
            Ok(show_user(caller, found.user, ""))
        }
        Verb::Show { id, department: true } => {
            let found = client.get_department(GetDepartmentRequest { id }).await?.into_inner();
            Ok(show_department(caller, found.department, ""))
        }
        Verb::AddUser(fields) => {
            let (request_id, validate_only) = (fields.write.request_id(), fields.write.preview);
            let failure = Failure::of_write(&request_id);
            let (mut user, _) = fields.into_user();
            if user.display_name.is_empty() {
                user.display_name.clone_from(&user.id);
            }
            let request = CreateUserRequest { user: Some(user), request_id, validate_only };
            let created = client.create_user(request).await.map_err(failure)?.into_inner();
            Ok(show_user(caller, created.user, said("created", validate_only)))
        }
        Verb::SetUser(fields) => {
            let (request_id, validate_only) = (fields.write.request_id(), fields.write.preview);
            let failure = Failure::of_write(&request_id);
            let (user, mask) = fields.into_user();
            some_change(&mask.paths)?;
            let request = UpdateUserRequest {
                user: Some(user),
                update_mask: Some(mask),
                request_id,
                validate_only,
                ..UpdateUserRequest::default()
            };
            let changed = client.update_user(request).await.map_err(failure)?.into_inner();
            Ok(show_user(caller, changed.user, said("changed", validate_only)))
        }
        Verb::AddDepartment(fields) => {
            let (request_id, validate_only) = (fields.write.request_id(), fields.write.preview);
            let failure = Failure::of_write(&request_id);
            let (mut department, _) = fields.into_department();
            if department.name.is_empty() {
                department.name.clone_from(&department.id);
            }
            let request = CreateDepartmentRequest { department: Some(department), request_id, validate_only };
            let created = client.create_department(request).await.map_err(failure)?.into_inner();
            Ok(show_department(caller, created.department, said("created", validate_only)))
        }
        Verb::SetDepartment(fields) => {
            let (request_id, validate_only) = (fields.write.request_id(), fields.write.preview);
            let failure = Failure::of_write(&request_id);
            let (department, mask) = fields.into_department();
            some_change(&mask.paths)?;
            let request = UpdateDepartmentRequest {
                department: Some(department),
                update_mask: Some(mask),
                request_id,
                validate_only,
            };
            let changed = client.update_department(request).await.map_err(failure)?.into_inner();
            Ok(show_department(caller, changed.department, said("changed", validate_only)))
        }
    }
}

async fn list(caller: &Caller, include_inactive: bool) -> Result<Answer, Failure> {
    let mut client = caller.people().await?;
    let users = client.list_users(ListUsersRequest { include_inactive }).await?.into_inner().users;
    let departments = client.list_departments(ListDepartmentsRequest { include_inactive }).await?.into_inner();
    let departments = departments.departments;
    if caller.json {
        return Ok(Answer::json(&json!({
            "users": json::list("User", &users),
            "departments": json::list("Department", &departments),
        })));
    }
    if users.is_empty() && departments.is_empty() {
        return Ok(Answer::text("Nobody yet. `andon people add-user ID` adds somebody, `andon seed` a sample."));
    }
    Ok(Answer::text(format!(
        "{}\n\n{}",
        user_table(&users, caller.colour),
        department_table(&departments, caller.colour)
    )))
}

fn show_user(caller: &Caller, user: Option<User>, said: &str) -> Answer {
    let user = user.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("User", &user));
    }
    let said = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    Answer::text(said + &user_table(&[user], caller.colour))
}

fn show_department(caller: &Caller, department: Option<Department>, said: &str) -> Answer {
    let department = department.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("Department", &department));
    }
    let said = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    Answer::text(said + &department_table(&[department], caller.colour))
}

fn user_table(users: &[User], colour: bool) -> String {
    let mut sheet = Sheet::new(&["USER", "NAME", "ADDRESS", "ROLES", ""], colour);
    sheet.keep_whole(0);
    for user in users {
        let roles = user.roles().map(|role: Role| words::word(role.as_str_name(), "ROLE_"));
        let roles = roles.collect::<Vec<_>>().join(", ");
        sheet.toned_row(tone_of(user.inactive, [&user.id, &user.display_name, &user.email, &roles]));
    }
    sheet.fitted()
}

fn department_table(departments: &[Department], colour: bool) -> String {
    let mut sheet = Sheet::new(&["DEPARTMENT", "NAME", "MANAGERS", ""], colour);
    sheet.keep_whole(0);
    for it in departments {
        sheet.toned_row(tone_of(it.inactive, [&it.id, &it.name, &it.managers.join(", ")]));
    }
    sheet.fitted()
}

fn tone_of<const N: usize>(inactive: bool, cells: [&String; N]) -> Vec<(String, Tone)> {
    let tone = if inactive { Tone::Faint } else { Tone::Plain };
    let mark = if inactive { "inactive" } else { "" };
    cells.into_iter().cloned().chain([mark.to_owned()]).map(|text| (text, tone)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inactive_people_are_marked() {
        let user = User { id: "anna".into(), inactive: true, roles: vec![Role::Manager.into()], ..User::default() };
        let text = user_table(&[user], false);
        assert!(text.contains("anna") && text.contains("manager") && text.contains("inactive"), "{text}");
    }
}
