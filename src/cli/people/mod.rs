//! `andon people`: users and departments, one file for each.

mod departments;
mod leave;
mod users;

use clap::Subcommand;
use serde_json::json;

use super::{answer::Answer, caller::Caller, failure::Failure, json, sheet::Tone};
use crate::grpc::proto::v1::{ListDepartmentsRequest, ListUsersRequest};

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
    AddUser(users::Add),
    /// Change a user; what is not given stays
    SetUser(Box<users::Set>),
    /// Set a user inactive: show what they are responsible for, ask, then do exactly that
    Leave(leave::Leave),
    /// Create a department
    AddDepartment(departments::Add),
    /// Change a department; what is not given stays
    SetDepartment(departments::Set),
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `PeopleService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List { all } => list(caller, all).await,
        Verb::Show { id, department: false } => users::show(caller, id).await,
        Verb::Show { id, department: true } => departments::show(caller, id).await,
        Verb::AddUser(add) => users::add(caller, add).await,
        Verb::SetUser(set) => users::set(caller, *set).await,
        Verb::Leave(leave) => leave::run(caller, leave).await,
        Verb::AddDepartment(add) => departments::add(caller, add).await,
        Verb::SetDepartment(set) => departments::set(caller, set).await,
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
        users::table(&users, caller.colour),
        departments::table(&departments, caller.colour)
    )))
}

/// The cells of somebody or something that may be inactive, with the mark at the end.
fn marked(inactive: bool, cells: Vec<String>) -> impl Iterator<Item = (String, Tone)> {
    let tone = if inactive { Tone::Faint } else { Tone::Plain };
    let mark = if inactive { "inactive" } else { "" };
    cells.into_iter().chain([mark.to_owned()]).map(move |text| (text, tone))
}
