//! One user: shown, created, changed, and what a change does to their orders.

use std::fmt::Write as _;

use clap::{Args, ValueEnum as _};
use prost_types::FieldMask;

use super::marked;
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        edit_plan,
        failure::Failure,
        json,
        plant::{PaceName, RoleName, TimeOfDay, pace_word, time_of_day, topic_name},
        sheet::Sheet,
        types::{said, some_change},
        words,
    },
    grpc::proto::v1::{
        AlertPace, AlertPreferences, CreateUserRequest, GetUserRequest, Responsibilities, Role, UpdateUserRequest,
        UpdateUserResponse, User,
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
    #[command(flatten)]
    alerts: Alerts,
    /// Cannot be assigned, gets no messages
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
}

/// How they want to be told.
#[derive(Args)]
struct Alerts {
    /// How messages go whose kind is not named with --pace-of
    #[arg(long, value_enum, value_name = "PACE")]
    pace: Option<PaceName>,
    /// How messages of one kind go, for example overdue=digest; may be repeated; those given replace all
    #[arg(long, value_name = "KIND=PACE", value_delimiter = ',', value_parser = pace_of)]
    pace_of: Option<Vec<(String, AlertPace)>>,
    /// All kinds go as --pace says
    #[arg(long, conflicts_with = "pace_of")]
    no_pace_of: bool,
    /// When there are digests, in their own zone; those given replace all
    #[arg(long, value_name = "HH:MM", value_delimiter = ',')]
    digest_at: Option<Vec<TimeOfDay>>,
    /// Digests at 07:00
    #[arg(long, conflicts_with = "digest_at")]
    no_digest_at: bool,
    /// Digests on the open days of this calendar; empty = that of their department, else of the order
    #[arg(long, value_name = "CALENDAR")]
    alert_calendar: Option<String>,
    /// No messages about what they did themselves
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    skip_own: Option<bool>,
}

/// Reads `overdue=digest`.
fn pace_of(text: &str) -> Result<(String, AlertPace), String> {
    let (kind, pace) = text.split_once('=').ok_or("expected KIND=PACE, for example overdue=digest")?;
    let pace = PaceName::from_str(pace, true).map_err(|_| format!("`{pace}` is no pace; use immediate or digest"))?;
    Ok((topic_name(kind), pace.to_message()))
}

impl Alerts {
    /// The preferences, and the paths of what was given.
    fn into_preferences(self, paths: &mut Vec<String>) -> AlertPreferences {
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| format!("alerts.{name}")));
        given("pace", self.pace.is_some());
        given("paces", self.pace_of.is_some() || self.no_pace_of);
        given("digest_minutes", self.digest_at.is_some() || self.no_digest_at);
        given("calendar", self.alert_calendar.is_some());
        given("skip_own", self.skip_own.is_some());
        let mut minutes: Vec<_> = self.digest_at.unwrap_or_default().into_iter().map(|time| time.0).collect();
        minutes.sort_unstable();
        AlertPreferences {
            pace: self.pace.unwrap_or_default().to_message().into(),
            paces: self.pace_of.unwrap_or_default().into_iter().map(|(kind, pace)| (kind, pace.into())).collect(),
            digest_minutes: minutes,
            calendar: self.alert_calendar.unwrap_or_default(),
            skip_own: self.skip_own.unwrap_or(false),
        }
    }
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
        let alerts = self.alerts.into_preferences(&mut paths);
        let user = User {
            display_name: self.name.unwrap_or_default(),
            email: self.email.unwrap_or_default(),
            roles: self.roles.unwrap_or_default().into_iter().map(|role| role.to_message().into()).collect(),
            language: self.language.unwrap_or_default(),
            zone: self.zone.unwrap_or_default(),
            alerts: Some(alerts),
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
    let alerts = alerts_text(&user);
    let mut text = format!("{}\n\n{}\n\n{alerts}etag {etag}\n", said("changed", preview), table(&[user], colour));
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
        ("is named by the triggers", &it.named_by_triggers),
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
    let alerts = alerts_text(&user);
    Answer::text(format!("{said}{}\n\n{alerts}etag {etag}", table(&[user], caller.colour)))
}

/// How somebody is told, in lines; empty when everything comes at once.
fn alerts_text(user: &User) -> String {
    let nothing = AlertPreferences::default();
    let it = user.alerts.as_ref().unwrap_or(&nothing);
    let paces = it.paces.values().filter_map(|pace| AlertPace::try_from(*pace).ok());
    let digests = paces.chain([it.pace()]).any(|pace| pace == AlertPace::Digest);
    let mut lines = Vec::new();
    if digests {
        lines.push(format!("Messages: {}", pace_word(it.pace())));
        for (kind, pace) in &it.paces {
            let pace = AlertPace::try_from(*pace).unwrap_or(AlertPace::Unspecified);
            lines.push(format!("  {}: {}", words::word(kind, ""), pace_word(pace)));
        }
        let minutes = if it.digest_minutes.is_empty() { &[420][..] } else { &it.digest_minutes[..] };
        let times = minutes.iter().map(|minute| time_of_day(*minute)).collect::<Vec<_>>().join(", ");
        let calendar = if it.calendar.is_empty() { "their department, else of the order" } else { &it.calendar };
        lines.push(format!("Digests at {times} on the open days of {calendar}"));
    }
    lines.extend(it.skip_own.then(|| "No messages about what they did themselves".to_owned()));
    let mut text = lines.iter().fold(String::new(), |text, line| text + &words::clean(line) + "\n");
    if !text.is_empty() {
        text.push('\n');
    }
    text
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
    fn how_somebody_is_told_is_shown_when_it_is_not_at_once() {
        assert_eq!(alerts_text(&User::default()), "");
        let alerts = AlertPreferences {
            paces: [("NOTE_ADDED".to_owned(), AlertPace::Digest.into())].into(),
            skip_own: true,
            ..AlertPreferences::default()
        };
        let text = alerts_text(&User { alerts: Some(alerts), ..User::default() });
        assert_eq!(
            text,
            "Messages: immediate\n  note-added: digest\nDigests at 07:00 on the open days of their department, \
             else of the order\nNo messages about what they did themselves\n\n"
        );
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
            named_by_triggers: names(&["escalate"]),
        });
        assert_eq!(
            text,
            "Responsible so far:\n  has 1 open order\n  has 2 open tasks\n  gets orders on entry to machining/milling\n  \
             alone manages mill\n  manages paint\n  is named by the triggers escalate\n"
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
