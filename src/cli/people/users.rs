//! One user: shown, created, changed, and what a change does to their orders.

use std::fmt::Write as _;

use clap::Args;
use prost_types::FieldMask;

use super::marked;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        edit_plan,
        failure::Failure,
        json,
        plant::RoleName,
        sheet::Sheet,
        types::{said, some_change},
        words,
    },
    grpc::proto::v1::{
        CreateUserRequest, GetUserRequest, Responsibilities, Role, UpdateUserRequest, UpdateUserResponse, User,
    },
};

/// The new user.
#[derive(Args)]
pub struct Add {
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    write: Write,
}

/// What changes in the user.
#[derive(Args)]
pub struct Set {
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    handover: Handover,
    #[command(flatten)]
    write: Write,
}

/// Who gets what an inactive user was responsible for, and under which conditions.
#[derive(Args)]
pub struct Handover {
    /// With an inactive user: this one gets all that they are responsible for
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    pub reassign_to: String,
    /// Do exactly the plan that a preview showed under this fingerprint, or nothing
    #[arg(long, value_name = "FINGERPRINT", default_value = "", hide_default_value = true)]
    pub expected_plan: String,
    /// Only if this is still the version of the user
    #[arg(long, default_value = "", hide_default_value = true)]
    pub etag: String,
}

#[derive(Args)]
struct Fields {
    /// Id of the user
    id: String,
    /// Name as shown; of a new user the id, when it is not given
    #[arg(long)]
    name: Option<String>,
    /// Address for messages; empty = gets none
    #[arg(long)]
    email: Option<String>,
    /// Role; may be repeated; those given replace all
    #[arg(long = "role", value_enum, value_name = "ROLE")]
    roles: Option<Vec<RoleName>>,
    /// Takes all roles away
    #[arg(long, conflicts_with = "roles")]
    no_roles: bool,
    /// Language of messages, for example de-AT; empty = that of the plant
    #[arg(long)]
    language: Option<String>,
    /// Zone in which days and times are shown to them, for example Europe/Vienna; empty = that of the order's calendar
    #[arg(long)]
    zone: Option<String>,
    /// Cannot be assigned, gets no messages
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
}

impl Fields {
    fn into_user(self) -> (User, FieldMask) {
        let mut paths = Vec::new();
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
        given("display_name", self.name.is_some());
        given("email", self.email.is_some());
        given("roles", self.roles.is_some() || self.no_roles);
        given("language", self.language.is_some());
        given("zone", self.zone.is_some());
        given("inactive", self.inactive.is_some());
        let user = User {
            display_name: self.name.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            roles: self.roles.unwrap_or_default().into_iter().map(|role| role.to_message().into()).collect(),
            language: self.language.unwrap_or_default(),
            zone: self.zone.unwrap_or_default(),
            inactive: self.inactive.unwrap_or(false),
            id: self.id,
            ..User::default()
        };
        (user, FieldMask { paths })
    }
}

/// Shows a user.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn show(caller: &Caller, id: String) -> Result<Answer, Failure> {
    let found = caller.people().await?.get_user(GetUserRequest { id }).await?.into_inner();
    Ok(answer(caller, found.user, ""))
}

/// Creates a user.
///
/// # Errors
/// The refusals of `CreateUser`.
pub async fn add(caller: &Caller, add: Add) -> Result<Answer, Failure> {
    let (request_id, validate_only) = (add.write.request_id(), add.write.preview);
    let failure = Failure::of_write(&request_id);
    let (mut user, _) = add.fields.into_user();
    if user.display_name.is_empty() {
        user.display_name.clone_from(&user.id);
    }
    let request = CreateUserRequest { user: Some(user), request_id, validate_only };
    let created = caller.people().await?.create_user(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, created.user, said("created", validate_only)))
}

/// Changes a user.
///
/// # Errors
/// The refusals of `UpdateUser`; `Usage` when nothing is to be changed.
pub async fn set(caller: &Caller, set: Set) -> Result<Answer, Failure> {
    let (user, mask) = set.fields.into_user();
    some_change(&mask.paths)?;
    let request = UpdateUserRequest {
        user: Some(User { etag: set.handover.etag, ..user }),
        update_mask: Some(mask),
        request_id: set.write.request_id(),
        validate_only: set.write.preview,
        reassign_to: set.handover.reassign_to,
        expected_plan: set.handover.expected_plan,
    };
    let preview = request.validate_only;
    let changed = update(caller, request).await?;
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateUserResponse", &changed)));
    }
    Ok(Answer::text(changed_text(&changed, preview, caller.colour)))
}

/// Makes the call.
///
/// # Errors
/// The refusals of `UpdateUser`.
pub async fn update(caller: &Caller, request: UpdateUserRequest) -> Result<UpdateUserResponse, Failure> {
    let failure = Failure::of_write(&request.request_id);
    Ok(caller.people().await?.update_user(request).await.map_err(failure)?.into_inner())
}

/// What a change did, or would do: the user; of an inactive one also the responsibilities and the plan.
pub fn changed_text(changed: &UpdateUserResponse, preview: bool, colour: bool) -> String {
    let user = changed.user.clone().unwrap_or_default();
    let etag = words::clean(&user.etag);
    let mut text = format!("{}\n\n{}\n\netag {etag}\n", said("changed", preview), table(&[user], colour));
    if let Some(before) = &changed.responsibilities {
        let _ = write!(text, "\n{}", responsible_for(before));
    }
    let plan = changed.plan.clone().unwrap_or_default();
    if changed.responsibilities.is_some() || !plan.examples.is_empty() || !plan.warnings.is_empty() {
        let _ = write!(text, "\n{}", edit_plan::told(&plan, preview, colour));
    }
    text
}

/// What a user is responsible for, one line for each kind.
fn responsible_for(it: &Responsibilities) -> String {
    let shared = it.manages.iter().filter(|department| !it.manages_alone.contains(department));
    let shared: Vec<_> = shared.cloned().collect();
    let mut lines = Vec::new();
    if it.open_orders > 0 {
        lines.push(format!("has {}", words::count(usize::try_from(it.open_orders).unwrap_or(0), "open order")));
    }
    if it.open_tasks > 0 {
        lines.push(format!("has {}", words::count(usize::try_from(it.open_tasks).unwrap_or(0), "open task")));
    }
    let kinds = [
        ("gets orders on entry to", &it.default_user_of),
        ("alone manages", &it.manages_alone),
        ("manages", &shared),
        ("works in", &it.member_of),
    ];
    for (verb, names) in kinds {
        lines.extend((!names.is_empty()).then(|| format!("{verb} {}", names.join(", "))));
    }
    if lines.is_empty() {
        return "Responsible for nothing.\n".to_owned();
    }
    let mut text = "Responsible so far:\n".to_owned();
    for line in lines {
        let _ = writeln!(text, "  {}", words::clean(&line));
    }
    text
}

fn answer(caller: &Caller, user: Option<User>, said: &str) -> Answer {
    let user = user.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("User", &user));
    }
    let said = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    let etag = words::clean(&user.etag);
    Answer::text(format!("{said}{}\n\netag {etag}", table(&[user], caller.colour)))
}

/// Users; columns in which none has anything are left out.
pub fn table(users: &[User], colour: bool) -> String {
    let languages = users.iter().any(|user| !user.language.is_empty());
    let zones = users.iter().any(|user| !user.zone.is_empty());
    let mut headings = vec!["USER", "NAME", "ADDRESS", "ROLES"];
    headings.extend(languages.then_some("LANGUAGE"));
    headings.extend(zones.then_some("ZONE"));
    headings.push("");
    let mut sheet = Sheet::new(&headings, colour);
    sheet.keep_whole(0);
    for user in users {
        let roles = user.roles().map(|role: Role| words::word(role.as_str_name(), "ROLE_"));
        let roles = roles.collect::<Vec<_>>().join(", ");
        let mut cells = vec![user.id.clone(), user.display_name.clone(), user.email.clone(), roles];
        cells.extend(languages.then(|| user.language.clone()));
        cells.extend(zones.then(|| user.zone.clone()));
        sheet.toned_row(marked(user.inactive, cells));
    }
    sheet.fitted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::EditPlan;

    #[test]
    fn inactive_people_are_marked() {
        let user = User { id: "anna".into(), inactive: true, roles: vec![Role::Manager.into()], ..User::default() };
        let text = table(&[user], false);
        assert!(text.contains("anna") && text.contains("manager") && text.contains("inactive"), "{text}");
        assert!(!text.contains("LANGUAGE") && !text.contains("ZONE"), "{text}");
    }

    #[test]
    fn a_department_without_another_manager_stands_apart() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let text = responsible_for(&Responsibilities {
            open_orders: 1,
            default_user_of: names(&["machining/milling"]),
            manages: names(&["mill", "paint"]),
            manages_alone: names(&["mill"]),
            member_of: Vec::new(),
            open_tasks: 2,
        });
        assert_eq!(
            text,
            "Responsible so far:\n  has 1 open order\n  has 2 open tasks\n  gets orders on entry to machining/milling\n  \
             alone manages mill\n  manages paint\n"
        );
        assert_eq!(responsible_for(&Responsibilities::default()), "Responsible for nothing.\n");
    }

    #[test]
    fn a_plain_change_says_nothing_of_orders() {
        let renamed = UpdateUserResponse { plan: Some(EditPlan::default()), ..UpdateUserResponse::default() };
        assert!(!changed_text(&renamed, false, false).contains("order"));
        let left = UpdateUserResponse { responsibilities: Some(Responsibilities::default()), ..renamed };
        assert!(changed_text(&left, false, false).ends_with("\nNo live order is touched.\n"));
    }
}
