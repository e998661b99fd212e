//! What differs between an entry of the catalogue and what a file wants it to be.

use super::{compare_types::compare_types, entry::Entry};
use crate::{
    cli::{
        dates,
        plant::{WEEKDAYS, alert_fields, exception_line, hours, literal},
        triggers, words,
    },
    grpc::proto::v1::{Calendar, DayHours, Department, Role, Stage, Trigger, User},
};

/// One thing that differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Difference {
    /// Key in the file, with dots.
    pub field: String,
    /// In TOML; `None` = it is added.
    pub before: Option<String>,
    /// In TOML; `None` = it goes.
    pub after: Option<String>,
    /// What else there is to say.
    pub note: String,
}

/// All that differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Fields to set, as the API names them.
    pub mask: Vec<&'static str>,
    /// For people.
    pub differences: Vec<Difference>,
}

/// Compares two entries of one kind.
pub fn compare(before: &Entry, after: &Entry) -> Comparison {
    let mut found = Comparison::default();
    match (before, after) {
        (Entry::Stages(before), Entry::Stages(after)) => compare_stages(&mut found, before, after),
        (Entry::Calendar(before), Entry::Calendar(after)) => compare_calendars(&mut found, before, after),
        (Entry::User(before), Entry::User(after)) => compare_users(&mut found, before, after),
        (Entry::Department(before), Entry::Department(after)) => compare_departments(&mut found, before, after),
        (Entry::OrderType(before), Entry::OrderType(after)) => compare_types(&mut found, before, after),
        (Entry::Trigger(before), Entry::Trigger(after)) => compare_triggers(&mut found, before, after),
        _ => {}
    }
    found
}

impl Comparison {
    /// A field that has to be set when what it says in TOML differs.
    pub fn field(&mut self, path: &'static str, key: &str, before: String, after: String) {
        if before != after {
            self.mask.push(path);
            self.differ(key, Some(before), Some(after));
        }
    }

    /// A text.
    pub fn text(&mut self, path: &'static str, key: &str, before: &str, after: &str) {
        self.field(path, key, literal(before), literal(after));
    }

    /// A list of ids.
    pub fn ids(&mut self, path: &'static str, key: &str, before: &[String], after: &[String]) {
        self.field(path, key, listed(before), listed(after));
    }

    /// A list of which each line tells one element.
    pub fn lines(&mut self, path: &'static str, key: &str, before: &[String], after: &[String]) {
        if before == after {
            return;
        }
        self.mask.push(path);
        let known = self.differences.len();
        for gone in without(before, after) {
            self.differ(key, Some(gone), None);
        }
        for new in without(after, before) {
            self.differ(key, None, Some(new));
        }
        if self.differences.len() == known {
            self.differences.push(Difference {
                field: key.to_owned(),
                note: "in another order".to_owned(),
                ..Difference::default()
            });
        }
    }

    /// Something that differs, for people.
    pub fn differ(&mut self, key: &str, before: Option<String>, after: Option<String>) {
        self.differences.push(Difference { field: key.to_owned(), before, after, note: String::new() });
    }
}

/// `[a, b]`.
pub fn listed<T: AsRef<str>>(ids: &[T]) -> String {
    format!("[{}]", ids.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
}

/// The elements that are not in the other list, or not as often.
fn without(all: &[String], other: &[String]) -> Vec<String> {
    let mut left = other.to_vec();
    let mut only = Vec::new();
    for it in all {
        match left.iter().position(|there| there == it) {
            Some(place) => drop(left.swap_remove(place)),
            None => only.push(it.clone()),
        }
    }
    only
}

fn compare_triggers(found: &mut Comparison, before: &Trigger, after: &Trigger) {
    let (before, after) = (triggers::to_value(before), triggers::to_value(after));
    for field in [
        "name",
        "description",
        "event",
        "days",
        "repeat_days",
        "order_types",
        "statuses",
        "condition",
        "actions",
        "enabled",
    ] {
        let line = |value: &serde_json::Value| value.get(field).map_or_else(|| "not set".to_owned(), triggers::inline);
        found.field(field, field, line(&before), line(&after));
    }
}

fn compare_stages(found: &mut Comparison, before: &[Stage], after: &[Stage]) {
    let line = |it: &Stage| format!("{} ({}, {})", it.id, literal(&it.name), it.colour);
    let lines = |all: &[Stage]| all.iter().map(line).collect::<Vec<_>>();
    found.lines("stages", "stages", &lines(before), &lines(after));
}

fn compare_calendars(found: &mut Comparison, before: &Calendar, after: &Calendar) {
    found.text("name", "name", &before.name, &after.name);
    found.text("zone", "zone", &before.zone, &after.zone);
    let week = |week: &[DayHours]| week.iter().map(hours).collect::<Vec<_>>();
    let (week_before, week_after) = (week(&before.week), week(&after.week));
    if week_before != week_after {
        found.mask.push("week");
        for (day, (before, after)) in WEEKDAYS.iter().zip(week_before.into_iter().zip(week_after)) {
            if before != after {
                found.differ(&format!("week.{day}"), Some(before), Some(after));
            }
        }
    }
    let exceptions = |it: &Calendar| it.exceptions.iter().map(exception_line).collect::<Vec<_>>();
    found.lines("exceptions", "exceptions", &exceptions(before), &exceptions(after));
    let until = |it: &Calendar| literal(&dates::show(it.maintained_until_date));
    found.field("maintained_until_date", "maintained_until", until(before), until(after));
}

fn compare_users(found: &mut Comparison, before: &User, after: &User) {
    found.text("display_name", "name", &before.display_name, &after.display_name);
    found.text("email", "email", &before.email, &after.email);
    found.ids("roles", "roles", &roles(before.roles()), &roles(after.roles()));
    found.text("language", "language", &before.language, &after.language);
    found.text("zone", "zone", &before.zone, &after.zone);
    let alerts = |it: &User| it.alerts.as_ref().map(alert_fields).unwrap_or_default();
    let (alerts_before, alerts_after) = (alerts(before), alerts(after));
    if alerts_before != alerts_after {
        found.mask.push("alerts");
        for key in ["pace", "paces", "digest_at", "calendar", "skip_own"] {
            let part = |all: &[(&str, String)]| all.iter().find(|(name, _)| *name == key).map(|(_, text)| text.clone());
            let (before, after) = (part(&alerts_before), part(&alerts_after));
            if before != after {
                found.differ(&format!("alerts.{key}"), before, after);
            }
        }
    }
    found.field("inactive", "inactive", before.inactive.to_string(), after.inactive.to_string());
}

fn roles(roles: impl Iterator<Item = Role>) -> Vec<String> {
    roles.map(|role| words::word(role.as_str_name(), "ROLE_")).collect()
}

fn compare_departments(found: &mut Comparison, before: &Department, after: &Department) {
    found.text("name", "name", &before.name, &after.name);
    found.ids("managers", "managers", &before.managers, &after.managers);
    found.ids("members", "members", &before.members, &after.members);
    found.text("calendar", "calendar", &before.calendar, &after.calendar);
    found.field("inactive", "inactive", before.inactive.to_string(), after.inactive.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plant::given::wanted;

    fn told(found: &Comparison) -> Vec<String> {
        let side = |it: &Option<String>| it.clone().unwrap_or_else(|| "none".to_owned());
        let line = |it: &Difference| format!("{}: {} -> {}{}", it.field, side(&it.before), side(&it.after), it.note);
        found.differences.iter().map(line).collect()
    }

    fn users(before: &str, after: &str) -> Comparison {
        let user = |more: &str| {
            let mut it = wanted(&format!("[[users]]\nid='anna'\n{more}"));
            Entry::User(it.users.remove("anna").expect("there"))
        };
        compare(&user(before), &user(after))
    }

    #[test]
    fn every_field_of_a_user_is_compared() {
        let before = "name='Anna'\nroles=['manager','admin']";
        assert_eq!(users(before, before), Comparison::default());
        let after = "name='A \"B\"'\nemail='a@b'\nroles=['admin','manager']\nlanguage='de'\nzone='UTC'\ninactive=true\n\
                     alerts={pace='digest',digest_at=['06:30']}";
        let found = users(before, after);
        assert_eq!(found.mask, ["display_name", "email", "roles", "language", "zone", "alerts", "inactive"]);
        assert_eq!(told(&found)[0], "name: \"Anna\" -> \"A \\\"B\\\"\"");
        assert_eq!(told(&found)[2], "roles: [manager, admin] -> [admin, manager]");
        let expected = ["alerts.pace: none -> \"digest\"", "alerts.digest_at: none -> [\"06:30\"]"];
        assert_eq!(told(&found)[5..7], expected);
    }

    fn calendars(before: &str, after: &str) -> Comparison {
        let calendar = |more: &str| {
            let mut it = wanted(&format!("[[calendars]]\nid='c'\nname='C'\nzone='UTC'\n{more}"));
            Entry::Calendar(it.calendars.remove("c").expect("there"))
        };
        compare(&calendar(before), &calendar(after))
    }

    #[test]
    fn days_and_exceptions_of_a_calendar_are_told_one_by_one() {
        let before = "week={monday='open'}\nexceptions=[{name='A',from='01-01'},{name='B',from='2026-02-02'}]";
        let after = "week={monday=['08:00-12:00']}\nexceptions=[{name='B',from='2026-02-02',to='2026-02-02'}]";
        let found = calendars(before, after);
        assert_eq!(found.mask, ["week", "exceptions"]);
        let expected =
            ["week.monday: \"open\" -> [\"08:00-12:00\"]", "exceptions: { name = \"A\", from = \"01-01\" } -> none"];
        assert_eq!(told(&found), expected);
    }

    #[test]
    fn another_order_is_a_difference() {
        let before = "week={}\nexceptions=[{name='A',from='01-01'},{name='B',from='01-01',hours='open'}]";
        let after = "week={}\nexceptions=[{name='B',from='01-01',hours='open'},{name='A',from='01-01'}]";
        let found = calendars(before, after);
        assert_eq!(
            (found.mask.as_slice(), told(&found)[0].as_str()),
            (&["exceptions"][..], "exceptions: none -> nonein another order")
        );
    }

    #[test]
    fn a_department_without_a_calendar_differs_from_one_with() {
        let department = |more: &str| {
            let mut it = wanted(&format!("[[departments]]\nid='d'\nname='D'\n{more}"));
            Entry::Department(it.departments.remove("d").expect("there"))
        };
        let found = compare(&department("calendar='c'\nmembers=['a']"), &department("managers=['a']"));
        assert_eq!(found.mask, ["managers", "members", "calendar"]);
        assert_eq!(told(&found)[2], "calendar: \"c\" -> \"\"");
    }
}
