//! Edits of users, and what they are responsible for.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Change, Edited, Named, OnOrders, check_etag, check_room, faults::Faults, invalid, not_found, set, taken};
use crate::domain::{
    alerts::{
        message::Topic,
        preferences::{DIGEST_TIMES_MAX, Pace, Preferences},
    },
    catalogue::{Catalogue, User},
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Users of one plant.
pub const USERS_MAX: usize = 10_000;
/// All roles by name.
pub const ROLES: [&str; 7] = ["VIEWER", "REPORTER", "PLANNER", "MANAGER", "OPERATOR", "ADMIN", "AUDITOR"];

/// A new user, or changed fields of one; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UserEdit {
    /// Which user.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// Name.
    pub display_name: Option<String>,
    /// Address, or empty.
    pub email: Option<String>,
    /// Roles by name.
    pub roles: Option<Vec<String>>,
    /// Whether the user can be chosen.
    pub inactive: Option<bool>,
    /// BCP 47 tag, or empty.
    pub language: Option<String>,
    /// IANA zone, or empty.
    pub zone: Option<String>,
    /// How the user wants to be told.
    pub alerts: AlertsEdit,
    /// Who gets all that a user who is inactive is responsible for.
    pub reassign_to: Option<String>,
}

/// Changed preferences; `None` leaves a part as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertsEdit {
    /// For kinds that are not named in `by_topic`.
    pub pace: Option<Pace>,
    /// By kind of message.
    pub by_topic: Option<BTreeMap<Topic, Pace>>,
    /// Minutes after midnight.
    pub digest_minutes: Option<Vec<i32>>,
    /// Id of a calendar, or empty.
    pub calendar: Option<String>,
    /// No messages about what the user did.
    pub skip_own: Option<bool>,
}

impl AlertsEdit {
    fn check(&self, v: &mut Violations) {
        let times = self.digest_minutes.as_deref().unwrap_or_default();
        if times.len() > DIGEST_TIMES_MAX {
            v.add("digest_minutes", format!("at most {DIGEST_TIMES_MAX} are allowed"));
        }
        for (index, minute) in times.iter().enumerate().take(DIGEST_TIMES_MAX) {
            let field = format!("digest_minutes[{index}]");
            if !(0..24 * 60).contains(minute) {
                v.add(&field, "must be 0 to 1439 minutes after midnight");
            } else if index > 0 && times[index - 1] >= *minute {
                v.add(&field, "must be later than the one before");
            }
        }
        if let Some(calendar) = &self.calendar {
            v.id("calendar", calendar);
        }
    }

    fn check_named(&self, catalogue: &Catalogue) -> Result<(), Refusal> {
        self.calendar.as_deref().filter(|id| !id.is_empty()).map_or(Ok(()), |id| Named::Calendar(id).check(catalogue))
    }

    fn onto(&self, alerts: &mut Preferences) {
        set(&mut alerts.pace, self.pace.as_ref());
        set(&mut alerts.by_topic, self.by_topic.as_ref());
        if let Some(minutes) = &self.digest_minutes {
            alerts.digest_times = minutes.iter().filter_map(|minute| u16::try_from(*minute).ok()).collect();
        }
        set(&mut alerts.calendar, self.calendar.as_ref());
        set(&mut alerts.skip_own, self.skip_own.as_ref());
    }
}

/// What a user is responsible for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responsibilities {
    /// Open orders assigned to the user.
    pub open_orders: i64,
    /// Statuses that give orders to the user on entry, as `type/status`.
    pub default_user_of: Vec<String>,
    /// Departments that the user manages.
    pub manages: Vec<String>,
    /// Of these, active ones that nobody else who is active manages.
    pub manages_alone: Vec<String>,
    /// Departments in which the user works.
    pub member_of: Vec<String>,
    /// Open tasks assigned to the user.
    #[serde(default)]
    pub open_tasks: i64,
    /// Triggers that name the user.
    #[serde(default)]
    pub named_by_triggers: Vec<String>,
}

impl Responsibilities {
    /// Those of a user.
    #[must_use]
    pub fn of(user: &str, (open_orders, open_tasks): (i64, i64), catalogue: &Catalogue) -> Self {
        let departments = || catalogue.departments.values();
        let managed = || departments().filter(|it| it.managers.iter().any(|id| id == user));
        let alone = managed().filter(|it| {
            let other = |id: &&String| *id != user && catalogue.active_user(id).is_ok();
            !it.inactive && !it.managers.iter().any(|id| other(&id))
        });
        let statuses = catalogue.types.values().flat_map(|order_type| {
            let own = order_type.statuses.iter().filter(|status| status.default_user.as_deref() == Some(user));
            own.map(|status| format!("{}/{}", order_type.id, status.id))
        });
        Self {
            open_orders,
            default_user_of: statuses.collect(),
            manages: managed().map(|it| it.id.clone()).collect(),
            manages_alone: alone.map(|it| it.id.clone()).collect(),
            member_of: departments()
                .filter(|it| it.members.iter().any(|id| id == user))
                .map(|it| it.id.clone())
                .collect(),
            open_tasks,
            named_by_triggers: catalogue
                .triggers
                .values()
                .filter(|it| it.spec.names_user(user))
                .map(|it| it.id.clone())
                .collect(),
        }
    }
}

impl UserEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        if let Some(name) = &self.display_name {
            v.line("display_name", name, 1, 100);
        }
        if let Some(email) = self.email.as_deref()
            && !email.is_empty()
            && !is_plausible(email)
        {
            v.add("email", "must be an address of 3 to 254 characters with one '@' and without white space, or empty");
        }
        if let Some(language) = self.language.as_deref()
            && !language.is_empty()
            && !is_language(language)
        {
            v.add("language", "must be a BCP 47 tag of at most 35 characters, for example de or de-AT, or empty");
        }
        if let Some(zone) = self.zone.as_deref()
            && !zone.is_empty()
            && zone.parse::<Tz>().is_err()
        {
            v.add("zone", "must be the name of an IANA time zone, for example Europe/Vienna, or empty");
        }
        for (index, role) in self.roles.iter().flatten().enumerate() {
            let field = format!("roles[{index}]");
            if !ROLES.contains(&role.as_str()) {
                v.add(&field, "is not a known role");
            } else if self.roles.iter().flatten().take(index).any(|before| before == role) {
                v.add(&field, "is there twice");
            }
        }
        v.within("alerts.", |v| self.alerts.check(v));
    }

    /// The new user.
    ///
    /// # Errors
    /// `Invalid` when there are `USERS_MAX`, `AlreadyExists`, `NotFound` (the calendar of the digests).
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<User, Refusal> {
        let mut faults = Faults::default();
        if catalogue.users.contains_key(&self.id) {
            faults.add(Err(taken(Kind::User, &self.id)));
        }
        faults.add(check_room("user", Kind::User, catalogue.users.len(), USERS_MAX));
        faults.add(self.alerts.check_named(catalogue));
        faults.told()?;
        let blank = User {
            id: self.id.clone(),
            display_name: String::new(),
            email: String::new(),
            roles: Vec::new(),
            inactive: false,
            language: String::new(),
            zone: String::new(),
            alerts: Preferences::default(),
            version: 0,
            created_at: now,
            updated_at: now,
        };
        Ok(self.onto(blank, now))
    }

    /// The user after the change. With `reassign_to` also the statuses, departments and triggers that named the user, and the open orders
    /// and tasks that the user has, go to somebody else.
    ///
    /// # Errors
    /// `NotFound` (the user, who gets it all, the calendar of the digests), `EtagMismatch`, `Invalid` (`reassign_to` for a user who stays active, or is the
    /// same), `Inactive` (who gets it all).
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let before = catalogue.users.get(&self.id).ok_or_else(|| not_found(Kind::User, &self.id))?;
        let mut faults = Faults::default();
        faults.add(check_etag(Kind::User, self.etag.as_deref(), before.version));
        faults.add(self.alerts.check_named(catalogue));
        let user = self.onto(User::clone(before), now);
        if let Some(to) = &self.reassign_to {
            faults.add(Named::User(to).check(catalogue));
            if !user.inactive {
                let text = "is only for a user who is or becomes inactive";
                faults.add(Err(invalid("reassign_to", text.to_owned())));
            } else if *to == user.id {
                faults.add(Err(invalid("reassign_to", "must be somebody else".to_owned())));
            }
        }
        faults.told()?;
        let Some(to) = &self.reassign_to else {
            return Ok(Edited::row(Change::User(user)));
        };
        let mut changes = self.handed_over(to, catalogue, now);
        changes.push(Change::User(user));
        let on_orders = OnOrders::Reassign { from: self.id.clone(), to: to.clone() };
        Ok(Edited { changes, on_orders, warnings: Vec::new(), replan: None })
    }

    /// Statuses, departments and triggers that name the user, with the other one in the place.
    fn handed_over(&self, to: &str, catalogue: &Catalogue, now: DateTime<Utc>) -> Vec<Change> {
        let own = |it: &&Option<String>| it.as_deref() == Some(self.id.as_str());
        let types = catalogue.types.values().filter(|it| it.statuses.iter().any(|it| own(&&it.default_user)));
        let types = types.map(|it| {
            let mut order_type = super::types::touched(it.as_ref().clone(), now);
            for status in order_type.statuses.iter_mut().filter(|status| own(&&status.default_user)) {
                status.default_user = Some(to.to_owned());
            }
            Change::OrderType(order_type)
        });
        let departments = catalogue.departments.values().filter(|it| it.managers.contains(&self.id));
        let departments = departments.map(|it| {
            let mut department = it.as_ref().clone();
            let had = department.managers.iter().any(|id| id == to);
            if had {
                department.managers.retain(|id| *id != self.id);
            }
            for manager in department.managers.iter_mut().filter(|id| **id == self.id) {
                to.clone_into(manager);
            }
            department.version += 1;
            department.updated_at = now;
            Change::Department(department)
        });
        let triggers = catalogue.triggers.values().filter(|it| it.spec.names_user(&self.id)).map(|it| {
            let mut trigger = it.as_ref().clone();
            trigger.spec.replace_user(&self.id, to);
            trigger.version += 1;
            trigger.updated_at = now;
            Change::Trigger(trigger)
        });
        types.chain(departments).chain(triggers).collect()
    }

    fn onto(&self, mut user: User, now: DateTime<Utc>) -> User {
        set(&mut user.display_name, self.display_name.as_ref());
        set(&mut user.email, self.email.as_ref());
        set(&mut user.roles, self.roles.as_ref());
        set(&mut user.inactive, self.inactive.as_ref());
        set(&mut user.language, self.language.as_ref());
        set(&mut user.zone, self.zone.as_ref());
        self.alerts.onto(&mut user.alerts);
        user.version += 1;
        user.updated_at = now;
        user
    }
}

/// Whether a text can be an address: exactly one `@` with something on both sides, 3 to 254 characters, no white space or
/// control characters. Only a message that arrives proves more.
pub(super) fn is_plausible(email: &str) -> bool {
    email.chars().count() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

/// Whether a text can be a BCP 47 tag: parts of 1 to 8 letters or digits, joined by `-`, the first of 2 to 8 letters.
fn is_language(tag: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let first = tag.split('-').next().unwrap_or_default();
    tag.len() <= 35 && tag.split('-').all(part) && first.len() >= 2 && first.bytes().all(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000_000, 0).expect("a valid instant")
    }

    fn user(id: &str, inactive: bool) -> (String, Arc<User>) {
        let edit = UserEdit { id: id.into(), inactive: Some(inactive), ..UserEdit::default() };
        (id.into(), Arc::new(edit.create(&Catalogue::default(), now()).expect("allowed")))
    }

    #[test]
    fn an_address_has_one_at_sign_and_no_white_space() {
        for good in ["a@b", "anna@plant.example", &format!("{}@b", "a".repeat(252))] {
            assert!(is_plausible(good), "{good}");
        }
        for bad in ["@", "a@", "@b", "ab", "a@b@c", "a @b", "a@b\r\n", "a@\u{a0}b", &format!("{}@b", "a".repeat(253))] {
            assert!(!is_plausible(bad), "{bad}");
        }
    }

    #[test]
    fn a_language_is_a_tag_of_letters_and_digits() {
        for good in ["de", "de-AT", "sr-Latn-RS", "zh-Hant"] {
            assert!(is_language(good), "{good}");
        }
        for bad in ["d", "de_AT", "-de", "de-", "12", "de--AT", "deutschland", "de-AT\n", &"de-abcdefgh".repeat(4)] {
            assert!(!is_language(bad), "{bad}");
        }
    }

    #[test]
    fn a_role_is_known_and_there_once() {
        let roles = ["MANAGER", "ADMIN", "MANAGER", "KING"].map(String::from).to_vec();
        let mut v = Violations::new();
        UserEdit { id: "anna".into(), roles: Some(roles), ..UserEdit::default() }.check(&mut v);
        let fields: Vec<_> = v.into_found().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["roles[2]", "roles[3]"]);
    }

    #[test]
    fn times_of_digests_ascend_within_a_day() {
        let wrong = |minutes: Vec<i32>| {
            let mut v = Violations::new();
            let alerts = AlertsEdit { digest_minutes: Some(minutes), ..AlertsEdit::default() };
            UserEdit { id: "anna".into(), alerts, ..UserEdit::default() }.check(&mut v);
            v.into_found().into_iter().map(|violation| violation.field).collect::<Vec<_>>()
        };
        assert_eq!(wrong(vec![0, 1439]), Vec::<String>::new());
        let expected = [1, 2, 4].map(|index| format!("alerts.digest_minutes[{index}]"));
        assert_eq!(wrong(vec![420, 420, -1, 500, 1440]), expected);
        assert_eq!(wrong((0..12).collect()), Vec::<String>::new());
        assert_eq!(wrong((0..13).collect()), ["alerts.digest_minutes"]);
    }

    #[test]
    fn the_limit_of_users_is_refused_and_one_below_it_is_not() {
        let users = (0..USERS_MAX - 1).map(|index| user(&format!("u{index}"), false)).collect();
        let mut catalogue = Catalogue { users, ..Catalogue::default() };
        let edit = UserEdit { id: "anna".into(), ..UserEdit::default() };
        assert!(edit.create(&catalogue, now()).is_ok());
        catalogue.users.extend([user("last", false)]);
        assert!(matches!(edit.create(&catalogue, now()), Err(Refusal::Invalid(_))));
    }
}
