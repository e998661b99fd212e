//! A whole catalogue as the text of a plant file: sorted, without what is default, always the same for the same catalogue.

use std::fmt::Write as _;

use super::{Catalogue, WEEKDAYS, pace_word, time_of_day};
use crate::{
    cli::{dates, duration::method_name, triggers, words},
    grpc::proto::v1::{
        AlertPace, AlertPreferences, AllowedMove, Calendar, CalendarException, DayHours, Department, MonthDay,
        OrderType, Role, Stage, Status, StatusClock, StatusKind, User, WorkingInterval,
    },
};

const HEAD: &str =
    "# The configuration of a plant, written by `andon export-config`; `andon apply -f FILE` brings it into one.\n";
/// A status that needs more columns gets lines of its own, and with it all of its type.
const COLUMNS_MAX: usize = 240;
const COLOUR_DEFAULT: &str = "#808080";

/// Keys with their values in TOML.
type Fields = Vec<(&'static str, String)>;

/// The file.
pub fn written(catalogue: &Catalogue) -> String {
    let mut text = HEAD.to_owned();
    if !catalogue.stages.is_empty() {
        text.push_str("\nstages = [\n");
        for it in &catalogue.stages {
            let _ = writeln!(text, "  {},", inline(&stage(it)));
        }
        text.push_str("]\n");
    }
    catalogue.calendars.values().for_each(|it| calendar(&mut text, it));
    catalogue.users.values().for_each(|it| table(&mut text, "users", &user(it)));
    catalogue.departments.values().for_each(|it| table(&mut text, "departments", &department(it)));
    catalogue.types.values().for_each(|it| order_type(&mut text, it));
    catalogue.triggers.values().for_each(|it| text.push_str(&triggers::written(it, "triggers")));
    text
}

/// A text as a TOML string on one line.
pub fn literal(text: &str) -> String {
    format!("\"{}\"", escaped(text, false))
}

/// A text as a TOML string, over several lines when it has several.
fn prose(text: &str) -> String {
    if text.contains('\n') { format!("\"\"\"\n{}\"\"\"", escaped(text, true)) } else { literal(text) }
}

/// Every control character is escaped, also those that TOML would take as they are; line ends only when asked.
fn escaped(text: &str, keep_lines: bool) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            '\n' if keep_lines => escaped.push('\n'),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            '\r' => escaped.push_str("\\r"),
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(escaped, "\\u{:04X}", u32::from(control));
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// An exception of a calendar on one line.
pub fn exception_line(it: &CalendarException) -> String {
    inline(&exception(it))
}

/// An allowed move on one line.
pub fn move_line(it: &AllowedMove) -> String {
    inline(&allowed_move(it))
}

fn table(text: &mut String, name: &str, fields: &Fields) {
    let _ = writeln!(text, "\n[[{name}]]");
    for (key, value) in fields {
        let _ = writeln!(text, "{key} = {value}");
    }
}

fn inline(fields: &Fields) -> String {
    if fields.is_empty() {
        return "{}".to_owned();
    }
    let fields: Vec<_> = fields.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", fields.join(", "))
}

fn list(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|it| literal(it)).collect::<Vec<_>>().join(", "))
}

fn put(fields: &mut Fields, key: &'static str, text: &str) {
    if !text.is_empty() {
        fields.push((key, literal(text)));
    }
}

fn put_list(fields: &mut Fields, key: &'static str, texts: &[String]) {
    if !texts.is_empty() {
        fields.push((key, list(texts)));
    }
}

fn put_if(fields: &mut Fields, key: &'static str, holds: bool) {
    if holds {
        fields.push((key, "true".to_owned()));
    }
}

fn put_colour(fields: &mut Fields, colour: &str) {
    if colour != COLOUR_DEFAULT {
        put(fields, "colour", colour);
    }
}

fn named(id: &str, name: &str) -> Fields {
    vec![("id", literal(id)), ("name", literal(name))]
}

fn stage(it: &Stage) -> Fields {
    let mut fields = named(&it.id, &it.name);
    put_colour(&mut fields, &it.colour);
    fields
}

fn user(it: &User) -> Fields {
    let mut fields = named(&it.id, &it.display_name);
    put(&mut fields, "email", &it.email);
    put_list(&mut fields, "roles", &roles(it.roles()));
    put(&mut fields, "language", &it.language);
    put(&mut fields, "zone", &it.zone);
    let alerts = it.alerts.as_ref().map(alert_fields).unwrap_or_default();
    if !alerts.is_empty() {
        fields.push(("alerts", inline(&alerts)));
    }
    put_if(&mut fields, "inactive", it.inactive);
    fields
}

/// How a person wants to be told, without what is default.
pub fn alert_fields(it: &AlertPreferences) -> Fields {
    let mut fields = Fields::new();
    if it.pace() == AlertPace::Digest {
        put(&mut fields, "pace", &pace_word(it.pace()));
    }
    let paces: Vec<_> = it
        .paces
        .iter()
        .map(|(kind, pace)| {
            let pace = AlertPace::try_from(*pace).unwrap_or(AlertPace::Unspecified);
            format!("{} = {}", words::word(kind, ""), literal(&pace_word(pace)))
        })
        .collect();
    if !paces.is_empty() {
        fields.push(("paces", format!("{{ {} }}", paces.join(", "))));
    }
    put_list(&mut fields, "digest_at", &it.digest_minutes.iter().map(|it| time_of_day(*it)).collect::<Vec<_>>());
    put(&mut fields, "calendar", &it.calendar);
    put_if(&mut fields, "skip_own", it.skip_own);
    fields
}

fn roles(roles: impl Iterator<Item = Role>) -> Vec<String> {
    roles.map(|role| words::word(role.as_str_name(), "ROLE_")).collect()
}

fn department(it: &Department) -> Fields {
    let mut fields = named(&it.id, &it.name);
    put_list(&mut fields, "managers", &it.managers);
    put_list(&mut fields, "members", &it.members);
    put(&mut fields, "calendar", &it.calendar);
    put_if(&mut fields, "inactive", it.inactive);
    fields
}

fn calendar(text: &mut String, it: &Calendar) {
    let mut fields = named(&it.id, &it.name);
    put(&mut fields, "zone", &it.zone);
    let week = WEEKDAYS.into_iter().zip(&it.week).filter(|(_, day)| day.open);
    fields.push(("week", inline(&week.map(|(name, day)| (name, hours(day))).collect())));
    if it.maintained_until_date.is_some() {
        put(&mut fields, "maintained_until", &dates::show(it.maintained_until_date));
    }
    table(text, "calendars", &fields);
    if !it.exceptions.is_empty() {
        text.push_str("exceptions = [\n");
        for exception in &it.exceptions {
            let _ = writeln!(text, "  {},", inline(&self::exception(exception)));
        }
        text.push_str("]\n");
    }
}

/// The hours of a day: `"open"`, or `["07:00-15:30"]`.
pub fn hours(day: &DayHours) -> String {
    match (day.open, day.intervals.as_slice()) {
        (false, _) => literal("closed"),
        (true, []) => literal("open"),
        (true, intervals) => {
            let clock = |minute: i32| format!("{:02}:{:02}", minute / 60, minute % 60);
            let one = |it: &WorkingInterval| clock(it.from_minute) + "-" + &clock(it.to_minute);
            list(&intervals.iter().map(one).collect::<Vec<_>>())
        }
    }
}

fn exception(it: &CalendarException) -> Fields {
    let yearly = |day: &MonthDay| format!("{:02}-{:02}", day.month, day.day);
    let mut fields = vec![("name", literal(&it.name))];
    let (from, to) = match (&it.from_yearly, &it.to_yearly) {
        (Some(from), to) => (yearly(from), to.as_ref().map(yearly).unwrap_or_default()),
        (None, _) => (dates::show(it.from_date), dates::show(it.to_date)),
    };
    put(&mut fields, "from", &from);
    if to != from {
        put(&mut fields, "to", &to);
    }
    if let Some(hours) = it.hours.as_ref().filter(|hours| hours.open) {
        fields.push(("hours", self::hours(hours)));
    }
    fields
}

fn order_type(text: &mut String, it: &OrderType) {
    let mut fields = named(&it.id, &it.name);
    if !it.description.is_empty() {
        fields.push(("description", prose(&it.description)));
    }
    put(&mut fields, "calendar", &it.calendar);
    put(&mut fields, "schedule_method", method_name(it.schedule_method()));
    put(&mut fields, "default_status", &it.default_status);
    if it.health_tolerance_business_days != 0 {
        fields.push(("health_tolerance_business_days", it.health_tolerance_business_days.to_string()));
    }
    put_if(&mut fields, "inactive", it.inactive);
    table(text, "types", &fields);
    let short = it.statuses.iter().all(|it| inline(&status(it, literal)).chars().count() <= COLUMNS_MAX);
    if short {
        lines(text, "statuses", it.statuses.iter().map(|it| status(it, literal)));
    }
    lines(text, "moves", it.moves.iter().map(allowed_move));
    if !short {
        it.statuses.iter().for_each(|it| table(text, "types.statuses", &status(it, prose)));
    }
}

fn lines(text: &mut String, key: &str, all: impl ExactSizeIterator<Item = Fields>) {
    if all.len() == 0 {
        return;
    }
    let _ = writeln!(text, "{key} = [");
    for fields in all {
        let _ = writeln!(text, "  {},", inline(&fields));
    }
    text.push_str("]\n");
}

fn status(it: &Status, prose: impl Fn(&str) -> String) -> Fields {
    let mut fields = named(&it.id, &it.name);
    if it.kind() != StatusKind::Standard {
        put(&mut fields, "kind", &words::word(it.kind().as_str_name(), "STATUS_KIND_"));
    }
    if it.clock() != StatusClock::Runs {
        put(&mut fields, "clock", &words::word(it.clock().as_str_name(), "STATUS_CLOCK_"));
    }
    if let Some(days) = it.duration_business_days {
        fields.push(("duration_business_days", days.to_string()));
    }
    if let Some(minutes) = it.duration_working_minutes {
        fields.push(("duration_working_minutes", minutes.to_string()));
    }
    put(&mut fields, "stage", &it.stage);
    put_colour(&mut fields, &it.colour);
    put(&mut fields, "icon", &it.icon);
    put(&mut fields, "department", &it.default_department);
    put(&mut fields, "user", &it.default_user);
    put_if(&mut fields, "inactive", it.inactive);
    if !it.definition.is_empty() {
        fields.push(("definition", prose(&it.definition)));
    }
    fields
}

fn allowed_move(it: &AllowedMove) -> Fields {
    let mut fields = Fields::new();
    put(&mut fields, "from", &it.from);
    put(&mut fields, "to", &it.to);
    put_list(&mut fields, "roles", &roles(it.roles()));
    fields
}

#[cfg(test)]
mod tests {
    use super::{
        super::whole::tests::{present, wanted},
        *,
    };

    /// Everything that can stand in a file.
    const FULL: &str = r##"
        stages = [{ id = "cut", name = "Cutting", colour = "#102030" }, { id = "sew", name = "Sewing" }]
        [[calendars]]
        id = "vienna"
        name = "Vienna"
        zone = "Europe/Vienna"
        week = { monday = "open", tuesday = ["07:00-12:00", "12:30-24:00"] }
        maintained_until = "2027-12-31"
        exceptions = [
            { name = "Christmas", from = "12-25", to = "12-26" },
            { name = "New Year", from = "12-31", to = "01-01" },
            { name = "Stocktaking", from = "2026-07-03" },
            { name = "Fair", from = "2026-07-04", to = "2026-07-05", hours = ["08:00-12:00"] },
            { name = "Extra", from = "2026-08-01", hours = "open" },
        ]
        [[users]]
        id = "anna"
        name = "Anna"
        email = "anna@example.com"
        roles = ["manager", "admin"]
        language = "de-AT"
        zone = "Europe/Vienna"
        alerts = { pace = "digest", paces = { note-added = "digest", overdue = "immediate" }, digest_at = ["07:00", "15:30"], calendar = "vienna", skip_own = true }
        [[users]]
        id = "old"
        name = "Old"
        inactive = true
        [[departments]]
        id = "d"
        name = "D"
        managers = ["anna"]
        members = ["old", "anna"]
        calendar = "vienna"
        inactive = true
        [[types]]
        id = "t"
        name = "T"
        description = "Two\nlines"
        calendar = "vienna"
        default_status = "b"
        health_tolerance_business_days = 2
        inactive = true
        statuses = [
            { id = "a", name = "A", kind = "initial", duration_business_days = 0, stage = "cut", icon = "cut" },
            { id = "b", name = "B", colour = "#AbCdEf", department = "d", user = "anna", definition = "When" },
            { id = "f", name = "F", kind = "final", inactive = true },
            { id = "h", name = "H", kind = "non-standard", clock = "pauses" },
        ]
        moves = [{ to = "b" }, { from = "b", to = "f", roles = ["manager", "planner"] }]
    "##;

    fn same(text: &str) -> String {
        let first = written(&present(text));
        let again = written(&present(&first));
        assert_eq!(first, again);
        let (given, read) = (wanted(text), wanted(&first));
        assert_eq!((&given.stages, &given.calendars, &given.users), (&read.stages, &read.calendars, &read.users));
        assert_eq!((&given.departments, &given.types), (&read.departments, &read.types));
        first
    }

    #[test]
    fn a_written_file_reads_as_what_was_written() {
        let text = same(FULL);
        assert!(!text.contains("#808080") && !text.contains("false") && !text.contains("runs"), "{text}");
        assert!(text.contains("description = \"\"\"\nTwo\nlines\"\"\"\n"), "{text}");
        let alerts = "alerts = { pace = \"digest\", paces = { note-added = \"digest\", overdue = \"immediate\" }, \
                      digest_at = [\"07:00\", \"15:30\"], calendar = \"vienna\", skip_own = true }\n";
        assert!(text.contains(alerts) && text.matches("alerts =").count() == 1, "{text}");
        assert!(text.contains("  { name = \"Stocktaking\", from = \"2026-07-03\" },\n"), "{text}");
        assert!(text.contains("  { from = \"b\", to = \"f\", roles = [\"manager\", \"planner\"] },\n"), "{text}");
    }

    #[test]
    fn an_empty_plant_is_a_file_too() {
        assert_eq!(same(""), HEAD);
    }

    #[test]
    fn a_long_definition_gets_lines_of_its_own() {
        let long = "Measured against the drawing. ".repeat(9);
        let text = FULL.replace("definition = \"When\"", &format!("definition = \"{long}\\nSee there.\""));
        let text = same(&text);
        assert!(text.contains("[[types.statuses]]\nid = \"a\"\n"), "{text}");
        assert!(text.contains(&format!("definition = \"\"\"\n{long}\nSee there.\"\"\"\n")), "{text}");
        assert!(text.find("moves = [") < text.find("[[types.statuses]]"));
    }

    #[test]
    fn any_text_survives() {
        let nasty = [
            "\"",
            "\\",
            "\"\"\"",
            "''' \"\"\"\" '",
            "\\\"\\n",
            "line\nline\n",
            "\n",
            "\n\n\"",
            "tab\there",
            "\r\n",
            "\r",
            "\u{0}\u{1}\u{7f}\u{85}\u{9f}",
            "\u{8}\u{c}\u{1b}[31m",
            "äöü ß 漢字 🧵 e\u{301}",
            "\u{feff}x\u{2028}y\u{202e}z",
            " spaces ",
            "# no comment",
            "]}, {[",
            "\\u0041",
            "a\\",
            "trailing \\\n  next",
        ];
        for text in nasty.into_iter().chain([nasty.concat().as_str()]) {
            for written in [literal(text), prose(text)] {
                let read: toml::Table = format!("x = {written}").parse().unwrap_or_else(|it| panic!("{text:?}: {it}"));
                assert_eq!(read["x"].as_str(), Some(text), "{written}");
            }
            assert!(!literal(text).contains('\n'));
        }
    }

    proptest::proptest! {
        #[test]
        fn every_text_survives(text in "\\PC*|.{0,40}|[\\x00-\\x7f\"\\\\]{0,40}") {
            for written in [literal(&text), prose(&text)] {
                let read: toml::Table = format!("x = {written}").parse().expect("toml");
                proptest::prop_assert_eq!(read["x"].as_str(), Some(text.as_str()));
            }
        }
    }
}
