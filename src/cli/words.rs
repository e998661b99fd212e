//! Facts of the API in words for people.

use std::fmt::Write as _;

use prost_types::Duration;

use super::dates;
use crate::grpc::proto::{
    Date,
    v1::{
        Acknowledgement, Assessment, DueCause, DueSource, Effects, FieldChange, Health, Note, NoteKind, Order,
        Projection, QueuedMessage, Visit,
    },
};

/// The text without control characters other than line ends, a space for each tab, and without those characters that turn the
/// direction of the text around them: what others wrote must not steer the terminal.
pub fn clean(text: &str) -> String {
    let steers =
        |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = text.chars().map(|letter| if letter == '\t' { ' ' } else { letter });
    shown.filter(|letter| *letter == '\n' || !steers(*letter)).collect()
}

/// The name of an enum value for people: `word("STATUS_KIND_NON_STANDARD", "STATUS_KIND_")` is `non-standard`.
pub fn word(value: &str, prefix: &str) -> String {
    value.strip_prefix(prefix).unwrap_or(value).to_ascii_lowercase().replace('_', "-")
}

/// A count with its noun: `1 order`, `2 orders`; thousands set apart.
pub fn count(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `4 503`.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Who has an order: `anna (machining)`, one of both, or `nobody`.
pub fn holder(user: &str, department: &str) -> String {
    match (user, department) {
        ("", "") => "nobody".to_owned(),
        ("", only) | (only, "") => only.to_owned(),
        (user, department) => format!("{user} ({department})"),
    }
}

/// How an order stands: `closed`, `3 days late`, `overdue`, or empty.
pub fn standing(order: &Order) -> String {
    match (order.closed, order.overdue, usize::try_from(order.days_late).unwrap_or(0)) {
        (true, ..) => "closed".to_owned(),
        (_, true, 0) => "overdue".to_owned(),
        (_, true, days) => count(days, "day") + " late",
        _ => String::new(),
    }
}

/// Stands behind a date that was counted beyond the maintained holidays.
const BEYOND: &str = " ~";
/// What that mark means.
pub const BEYOND_LEGEND: &str =
    "~ beyond the holidays that its calendar maintains: the date may move (andon orders explain)";

/// A date with its weekday, marked when it was counted beyond the maintained holidays.
pub fn marked_date(date: Option<Date>, beyond_holidays: bool) -> String {
    let mark = if beyond_holidays && date.is_some() { BEYOND } else { "" };
    dates::show_with_weekday(date) + mark
}

/// Whether a table or page that shows these orders has a date with that mark.
pub fn any_beyond<'a>(orders: impl IntoIterator<Item = &'a Order>) -> bool {
    orders.into_iter().any(|order| {
        let due = order.visit.as_ref().is_some_and(|visit| visit.beyond_holidays && !order.closed);
        let projected = order.projection.as_ref();
        due || projected.is_some_and(|it| it.finish_beyond_holidays || it.target_beyond_holidays)
    })
}

/// What is special about a visit: `skipped`, `rework`, `resumed`, `not complete`, `late`.
pub fn remarks(visit: &Visit) -> String {
    let left = visit.leave_time.is_some();
    let marks = [
        (visit.skipped, "skipped"),
        (visit.rework, "rework"),
        (visit.resumed, "resumed"),
        (left && !visit.completed && !visit.skipped, "not complete"),
        (visit.overdue, if left { "left late" } else { "overdue" }),
    ];
    let marks: Vec<_> = marks.into_iter().filter_map(|(holds, mark)| holds.then_some(mark)).collect();
    marks.join(", ")
}

/// `Packing, due 2026-01-07 Wed (rework)`.
pub fn opened(visit: &Visit) -> String {
    let mut text = clean(&visit.status_name);
    match visit.due_date {
        Some(_) => {
            let _ = write!(text, ", due {}", marked_date(visit.due_date, visit.beyond_holidays));
        }
        None => text.push_str(", no due date"),
    }
    let remarks = remarks(visit);
    if !remarks.is_empty() {
        let _ = write!(text, " ({remarks})");
    }
    text
}

/// `Milling (completed 2026-01-05)` or `Milling (not complete)`.
pub fn closed(visit: &Visit) -> String {
    let how = if visit.completed { format!("completed {}", dates::show(visit.completed_date)) } else { remarks(visit) };
    let how = how.trim_end();
    if how.is_empty() { clean(&visit.status_name) } else { format!("{} ({how})", clean(&visit.status_name)) }
}

/// Where a due date came from; empty when it is not said.
pub fn due_source(source: DueSource) -> &'static str {
    match source {
        DueSource::Unspecified => "",
        DueSource::Plan => "planned from the order date",
        DueSource::Entry => "counted from entry",
        DueSource::Manual => "set by hand",
        DueSource::Delivery => "planned back from the delivery date",
    }
}

/// Why a due date changed; empty when it is not said.
pub fn due_cause(cause: DueCause) -> &'static str {
    match cause {
        DueCause::Unspecified => "",
        DueCause::Manual => "set by hand",
        DueCause::Cleared => "given back to the rule",
        DueCause::OrderDate => "the order date changed",
        DueCause::Cycle => "the cycle was edited",
        DueCause::DeliveryDate => "the delivery date changed",
        DueCause::Method => "the schedule method changed",
        DueCause::Calendar => "the calendar changed",
    }
}

/// `2026-01-07 Wed`, or `none`.
pub fn due(visit: Option<&Visit>) -> String {
    match visit.and_then(|visit| visit.due_date) {
        None => "none".to_owned(),
        date => dates::show_with_weekday(date),
    }
}

/// One field that changed: `delivery date 2026-01-07 -> 2026-01-09`, `title set to Shaft`, `title Shaft removed`.
pub fn field_change(change: &FieldChange) -> String {
    let field = change.field.replace('_', " ");
    let text = match (change.before.as_str(), change.after.as_str()) {
        ("", after) => format!("{field} set to {after}"),
        (before, "") => format!("{field} {before} removed"),
        (before, after) => format!("{field} {before} -> {after}"),
    };
    clean(&text)
}

/// `ahead`, `on target`, `late`; empty when it is not said.
pub fn health(health: Health) -> &'static str {
    match health {
        Health::Unspecified => "",
        Health::Ahead => "ahead",
        Health::OnTarget => "on target",
        Health::Late => "late",
    }
}

/// `late by 3 days`, `on target`, `on target (-1 day)` within the tolerance, `ahead by 2 days`: business days.
pub fn projection(projection: &Projection) -> String {
    let slack = projection.slack_business_days;
    let days = count(usize::try_from(slack.unsigned_abs()).unwrap_or(0), "day");
    match (projection.health(), slack) {
        (Health::Ahead | Health::Late, slack) if slack != 0 => format!("{} by {days}", health(projection.health())),
        (Health::OnTarget, slack) if slack < 0 => format!("on target (-{days})"),
        (Health::OnTarget, slack) if slack > 0 => format!("on target (+{days})"),
        (said, _) => health(said).to_owned(),
    }
}

/// `anna says: late, 2026-03-02 09:14`; empty when nobody said anything.
pub fn assessment(assessment: &Assessment) -> String {
    match health(assessment.health()) {
        "" => String::new(),
        said => {
            format!("{} says: {said}, {}", clean(&assessment.author), dates::show_instant(assessment.time.as_ref()))
        }
    }
}

/// A length of time in its two greatest units: `3 d 4 h`, `2 h 5 min`, `12 min`; seconds are dropped, negative is none.
pub fn time_span(span: &Duration) -> String {
    let minutes = u64::try_from(span.seconds).unwrap_or(0) / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let parts = match (days, hours, minutes) {
        (0, 0, minutes) => [(minutes, "min"), (0, "")],
        (0, hours, minutes) => [(hours, "h"), (minutes, "min")],
        (days, hours, _) => [(days, "d"), (hours, "h")],
    };
    let shown = |place: usize, amount: u64| place == 0 || amount > 0;
    let parts: Vec<_> = parts
        .iter()
        .enumerate()
        .filter(|(place, (amount, _))| shown(*place, *amount))
        .map(|(_, (amount, unit))| format!("{amount} {unit}"))
        .collect();
    parts.join(" ")
}

/// Who is written to.
pub fn recipient(message: &QueuedMessage) -> String {
    if message.user.is_empty() {
        clean(&message.address)
    } else {
        clean(&format!("{} <{}>", message.user, message.address))
    }
}

/// One line for each thing that a change did, indented by two.
pub fn effects(effects: &Effects) -> String {
    let mut lines = String::new();
    for change in &effects.changes {
        let _ = writeln!(lines, "  {}", field_change(change));
    }
    if let Some(visit) = &effects.closed_visit {
        let _ = writeln!(lines, "  closed {}", closed(visit));
    }
    if !effects.skipped_visits.is_empty() {
        let names: Vec<_> = effects.skipped_visits.iter().map(|visit| clean(&visit.status_name)).collect();
        let _ = writeln!(lines, "  skipped {}", names.join(", "));
    }
    if let Some(visit) = &effects.opened_visit {
        let _ = writeln!(lines, "  opened {}", opened(visit));
    }
    if effects.days_given_back > 0 {
        let days = usize::try_from(effects.days_given_back).unwrap_or(0);
        let _ = writeln!(lines, "  gave back {} for time on hold", count(days, "business day"));
    }
    for message in &effects.messages {
        let digest = message.digest_time.as_ref();
        let with =
            digest.map_or_else(String::new, |at| format!(", with the digest of {}", dates::show_instant(Some(at))));
        let _ = writeln!(lines, "  message to {} ({}{with})", recipient(message), word(&message.kind, ""));
    }
    for task in &effects.tasks {
        let holder = holder(&task.user, &task.department);
        let _ = writeln!(lines, "  task for {holder}: {}", clean(&task.title));
    }
    for warning in &effects.warnings {
        let _ = writeln!(lines, "  warning: {}", clean(warning));
    }
    lines
}

/// A note with author and time; its marks before the text; further lines indented.
pub fn note(note: &Note) -> String {
    let marks = note_marks(note);
    let marks = if marks.is_empty() { marks } else { format!("[{marks}] ") };
    let text = clean(&note.text).replace('\n', "\n    ");
    format!("{}  {}: {marks}{text}", dates::show_instant(note.time.as_ref()), clean(&note.author))
}

/// What is special about a note: `open question`, `decision`, `says late`.
pub fn note_marks(note: &Note) -> String {
    let kind = match note.kind() {
        NoteKind::Unspecified | NoteKind::Note => String::new(),
        NoteKind::Question if note.open => "open question".to_owned(),
        kind => word(kind.as_str_name(), "NOTE_KIND_"),
    };
    let said = match health(note.assessment()) {
        "" => String::new(),
        said => format!("says {said}"),
    };
    [kind, said].into_iter().filter(|mark| !mark.is_empty()).collect::<Vec<_>>().join(", ")
}

/// `acknowledged it`, `snoozed it until ...: the cutter comes on Monday`, `took back the acknowledgement`.
pub(super) fn acknowledged(it: Option<&Acknowledgement>) -> String {
    let Some(it) = it else { return "took back the acknowledgement".to_owned() };
    let mut text = match &it.until_time {
        Some(until) => format!("snoozed it until {}", dates::show_instant(Some(until))),
        None => "acknowledged it".to_owned(),
    };
    if !it.note.is_empty() {
        text.push_str(": ");
        text.push_str(&it.note);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::MadeTask;

    fn visit(name: &str) -> Visit {
        Visit { status_name: name.into(), ..Visit::default() }
    }

    #[test]
    fn effects_are_told_in_order() {
        let date = |day| Some(Date { year: 2026, month: 1, day });
        let told = effects(&Effects {
            closed_visit: Some(Visit { completed: true, completed_date: date(5), ..visit("Milling") }),
            skipped_visits: vec![visit("Turning"), visit("Check")],
            opened_visit: Some(Visit { due_date: date(7), rework: true, ..visit("Packing") }),
            messages: vec![QueuedMessage {
                user: "anna".into(),
                address: "anna@example.com".into(),
                kind: "ADVANCED".into(),
                ..QueuedMessage::default()
            }],
            days_given_back: 1,
            warnings: vec!["the due date lies on a closed day".into()],
            changes: vec![FieldChange { field: "order_date".into(), after: "2026-01-02".into(), ..Default::default() }],
            tasks: vec![MadeTask { title: "Call the customer".into(), user: "bob".into(), ..MadeTask::default() }],
        });
        assert_eq!(
            told,
            "  order date set to 2026-01-02\n  closed Milling (completed 2026-01-05)\n  skipped Turning, Check\n  \
             opened Packing, due 2026-01-07 Wed (rework)\n  gave back 1 business day for time on hold\n  \
             message to anna <anna@example.com> (advanced)\n  task for bob: Call the customer\n  warning: the due date lies on a closed day\n"
        );
    }

    #[test]
    fn a_date_beyond_the_maintained_holidays_is_marked() {
        let date = Some(Date { year: 2027, month: 1, day: 12 });
        let visit = Visit { due_date: date, beyond_holidays: true, ..visit("Milling") };
        assert_eq!(opened(&visit), "Milling, due 2027-01-12 Tue ~");
        assert_eq!((marked_date(date, false), marked_date(None, true)), ("2027-01-12 Tue".into(), String::new()));
        let order = Order { visit: Some(visit), ..Order::default() };
        assert!(any_beyond([&order]) && !any_beyond([&Order { closed: true, ..order.clone() }]));
        let projection = Projection { finish_beyond_holidays: true, ..Projection::default() };
        assert!(any_beyond([&Order { projection: Some(projection), visit: None, ..order }]));
    }

    #[test]
    fn a_foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("red\u{1b}[31m\u{7}\nnext"), "red[31m\nnext");
        assert_eq!(clean("\u{202e}lla\u{2066} well\tdone"), "lla well done");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!((grouped(0), grouped(999), grouped(4503)), ("0".into(), "999".into(), "4 503".into()));
        assert_eq!(grouped(1_000_000), "1 000 000");
    }

    #[test]
    fn lateness_is_told_in_days() {
        let late = |days_late| standing(&Order { overdue: true, days_late, ..Order::default() });
        assert_eq!((late(0), late(1), late(2)), ("overdue".into(), "1 day late".into(), "2 days late".into()));
    }

    #[test]
    fn a_field_change_tells_before_and_after() {
        let told = |before: &str, after: &str| {
            let field = "vendor_reference".into();
            field_change(&FieldChange { field, before: before.into(), after: after.into() })
        };
        assert_eq!(told("", "V1"), "vendor reference set to V1");
        assert_eq!(told("V1", ""), "vendor reference V1 removed");
        assert_eq!(told("V1", "V\u{1b}2"), "vendor reference V1 -> V2");
    }

    #[test]
    fn a_time_span_is_told_in_its_two_greatest_units() {
        let told = |seconds| time_span(&Duration { seconds, nanos: 0 });
        assert_eq!((told(-1), told(59), told(60)), ("0 min".into(), "0 min".into(), "1 min".into()));
        assert_eq!((told(3_599), told(3_600)), ("59 min".into(), "1 h".into()));
        assert_eq!((told(86_399), told(86_400)), ("23 h 59 min".into(), "1 d".into()));
        assert_eq!(told(86_400 * 3 + 3_600 * 4 + 59), "3 d 4 h");
    }

    #[test]
    fn health_is_told_with_its_slack() {
        let told = |health: Health, slack_business_days| {
            projection(&Projection { health: health.into(), slack_business_days, ..Projection::default() })
        };
        assert_eq!(told(Health::Late, -3), "late by 3 days");
        assert_eq!(told(Health::Ahead, 1), "ahead by 1 day");
        assert_eq!(told(Health::OnTarget, 0), "on target");
        assert_eq!(told(Health::OnTarget, -1), "on target (-1 day)");
        assert_eq!(told(Health::Unspecified, 0), "");
    }

    #[test]
    fn an_open_question_is_marked() {
        let question = Note { kind: NoteKind::Question.into(), open: true, ..Note::default() };
        assert_eq!(note_marks(&question), "open question");
        let answered = Note { open: false, assessment: Health::Late.into(), ..question };
        assert_eq!(note_marks(&answered), "question, says late");
    }
}
