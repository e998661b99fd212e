//! Facts of the API in words for people.

use std::fmt::Write as _;

use super::dates;
use crate::grpc::proto::v1::{Effects, Note, NoteKind, Order, QueuedMessage, Visit};

/// The text without control characters other than line ends: what others wrote must not steer the terminal.
pub fn clean(text: &str) -> String {
    text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect()
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
            let _ = write!(text, ", due {}", dates::show_with_weekday(visit.due_date));
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
        let _ = writeln!(lines, "  message to {} ({})", recipient(message), word(&message.kind, ""));
    }
    for warning in &effects.warnings {
        let _ = writeln!(lines, "  warning: {}", clean(warning));
    }
    lines
}

/// A note with author and time; `question` and the like before the text; further lines indented.
pub fn note(note: &Note) -> String {
    let kind = match note.kind() {
        NoteKind::Unspecified | NoteKind::Note => String::new(),
        kind => format!("[{}] ", word(kind.as_str_name(), "NOTE_KIND_")),
    };
    let text = clean(&note.text).replace('\n', "\n    ");
    format!("{}  {}: {kind}{text}", dates::show_instant(note.time.as_ref()), clean(&note.author))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::Date;

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
            ..Effects::default()
        });
        assert_eq!(
            told,
            "  closed Milling (completed 2026-01-05)\n  skipped Turning, Check\n  \
             opened Packing, due 2026-01-07 Wed (rework)\n  gave back 1 business day for time on hold\n  \
             message to anna <anna@example.com> (advanced)\n  warning: the due date lies on a closed day\n"
        );
    }

    #[test]
    fn a_foreign_text_cannot_steer_the_terminal() {
        assert_eq!(clean("red\u{1b}[31m\u{7}\nnext"), "red[31m\nnext");
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
}
