//! The history of an order as a story: who did what, when, and what came of it.

use std::fmt::Write as _;

use prost_types::{Duration, Timestamp};

use super::history::{by, consequences, interrupted_dates, reason};
use crate::{
    cli::{
        dates,
        sheet::{Tone, indented, terminal_width, toned},
        words,
    },
    grpc::proto::v1::{DueSource, HistoryEntry, HistoryKind, Note, NoteKind, Visit},
};

/// Entries that are told unless all are asked for.
const SHOWN_MAX: usize = 40;
/// Columns of the margin with the time of an entry.
const WHEN_WIDTH: usize = 18;
/// Letters of a question that are repeated above its answer.
const QUESTION_MAX: usize = 60;

/// A line of the story and how it stands out.
type Line = (String, Tone);

/// The story, oldest first: all of it, or the end of a long one with how much stands before. `visits` tell what was skipped.
pub fn told(entries: &[HistoryEntry], visits: &[Visit], all: bool, colour: bool) -> String {
    let hidden = if all { 0 } else { entries.len().saturating_sub(SHOWN_MAX) };
    let mut text = String::new();
    if hidden > 0 {
        let (noun, verb) = if hidden == 1 { ("entry", "is") } else { ("entries", "are") };
        let _ = writeln!(text, "{} earlier {noun} {verb} hidden; --all shows them.\n", words::grouped(hidden));
    }
    let width = terminal_width();
    for (place, entry) in entries.iter().enumerate().skip(hidden) {
        let before = place.checked_sub(1).and_then(|place| entries.get(place));
        let when = dates::show_instant(entry.time.as_ref());
        text.push_str(&paragraph(&when, lines(entry, before, &entries[..place], visits), width, colour));
    }
    text
}

/// The time, and beside it the lines, each as deep as it was.
fn paragraph(when: &str, lines: Vec<Line>, width: Option<usize>, colour: bool) -> String {
    let mut text = String::new();
    let mut when = Some(when);
    for (line, tone) in lines {
        let line = words::clean(&line);
        let words = line.trim_start_matches(' ');
        for shown in indented(words, WHEN_WIDTH + line.len() - words.len(), width) {
            let (margin, rest) = shown.split_at(WHEN_WIDTH);
            let margin = when.take().map_or_else(|| margin.to_owned(), |when| format!("{when:<WHEN_WIDTH$}"));
            let shown = toned(&margin, Tone::Faint, colour) + &toned(rest, tone, colour);
            let _ = writeln!(text, "{}", shown.trim_end());
        }
    }
    text
}

/// One entry: what happened, then what belongs to it, indented.
fn lines(entry: &HistoryEntry, before: Option<&HistoryEntry>, earlier: &[HistoryEntry], visits: &[Visit]) -> Vec<Line> {
    let mut lines = vec![headline(entry, earlier)];
    let mut more = Vec::new();
    if entry.kind() != HistoryKind::DueDateChanged {
        more.extend(entry.closed_visit.as_ref().map(|visit| stay(visit, entry.time.as_ref())));
    }
    more.extend(skipped(entry, visits));
    if matches!(entry.kind(), HistoryKind::Updated) && entry.changes.len() > 1 {
        more.extend(entry.changes.iter().map(words::field_change));
    }
    more.extend(reason(entry));
    lines.extend(more.into_iter().map(|text| (format!("  {text}"), Tone::Plain)));
    if let Some(note) = &entry.note {
        if entry.kind() != HistoryKind::Noted {
            lines.push((format!("  {}:", wrote(note, earlier)), Tone::Plain));
        }
        lines.extend(note.text.lines().map(|line| (format!("    {line}"), Tone::Plain)));
        lines.extend(judged(note).map(|text| (format!("  {text}"), Tone::Plain)));
    }
    lines.extend(consequences(entry, before).into_iter().map(|text| (format!("  {text}"), Tone::Faint)));
    lines
}

fn headline(entry: &HistoryEntry, earlier: &[HistoryEntry]) -> Line {
    let who = if entry.actor.is_empty() { "somebody".to_owned() } else { by(entry) };
    let opened = entry.opened_visit.as_ref();
    let step = step(entry.closed_visit.as_ref(), opened);
    let text = match entry.kind() {
        HistoryKind::Unspecified => format!("{who} did something that this program does not know"),
        HistoryKind::Created => format!("{who} created it in {}", opened.map(entered).unwrap_or_default()),
        HistoryKind::Advanced => format!("{who} moved it {step}"),
        HistoryKind::Noted => match &entry.note {
            Some(note) if note.author == entry.actor || note.author == entry.on_behalf_of => {
                let import = if entry.imported { " (import)" } else { "" };
                format!("{}{import}:", wrote(note, earlier))
            }
            Some(note) => format!("{} (entered by {who}):", wrote(note, earlier)),
            None => format!("{who} wrote a note"),
        },
        HistoryKind::Overdue => {
            let status = opened.map_or("", |visit| visit.status_name.as_str());
            return (format!("overdue in {status}: it was due {}", words::due(opened)), Tone::Alarm);
        }
        HistoryKind::DueDateChanged if !entry.interrupted_status.is_empty() => {
            format!("{who} changed the due date {}", waiting_changed(entry))
        }
        HistoryKind::DueDateChanged => format!("{who} changed the due date {}", dates_changed(entry)),
        HistoryKind::Updated => match entry.changes.as_slice() {
            [change] => format!("{who} changed {}", words::field_change(change)),
            _ => format!("{who} changed:"),
        },
        HistoryKind::TypeChanged => {
            let changes: Vec<_> = entry.changes.iter().map(words::field_change).collect();
            let changes = if changes.is_empty() { "the type".to_owned() } else { changes.join(", ") };
            format!("{who} changed {changes}: it went {step}")
        }
        HistoryKind::Alerted => format!("the trigger '{}' fired", entry.trigger),
        HistoryKind::Acknowledged => format!("{who} {}", words::acknowledged(entry.acknowledgement.as_ref())),
        HistoryKind::Followed => format!(
            "{who} changed who follows it: {}",
            entry.changes.iter().map(words::field_change).collect::<Vec<_>>().join(", ")
        ),
        HistoryKind::CycleEdited => {
            let same = entry.closed_visit.as_ref().map(|visit| &visit.status) == opened.map(|visit| &visit.status);
            match (&entry.closed_visit, opened) {
                (Some(closed), None) => format!("{who} edited the cycle: that closed it in {}", closed.status_name),
                (_, Some(opened)) if same => {
                    format!("{who} edited the cycle: that closed it in {}", opened.status_name)
                }
                _ => format!("{who} edited the cycle: that moved it {step}"),
            }
        }
    };
    (text, Tone::Plain)
}

/// `from Milling to Packing, due 2026-01-09 Fri (planned from the order date)`.
fn step(closed: Option<&Visit>, opened: Option<&Visit>) -> String {
    let from = closed.map_or_else(String::new, |visit| format!("from {} ", visit.status_name));
    format!("{from}to {}", opened.map(entered).unwrap_or_default())
}

/// The status that was entered, with its due date and where that came from; `rework` and `resumed` where it is so.
fn entered(visit: &Visit) -> String {
    let marks = [(visit.rework, ", as rework"), (visit.resumed, ", resumed")];
    let marks: String = marks.into_iter().filter_map(|(holds, mark)| holds.then_some(mark)).collect();
    let due = match (visit.due_date, visit.due_source()) {
        (None, _) => ", no due date".to_owned(),
        (_, DueSource::Unspecified) => format!(", due {}", words::due(Some(visit))),
        (_, source) => format!(", due {} ({})", words::due(Some(visit)), words::due_source(source)),
    };
    format!("{}{marks}{due}", visit.status_name)
}

/// How long the status that was left had the order: `1 d 2 h in Milling, completed 2026-01-05, left late`.
fn stay(visit: &Visit, entry_time: Option<&Timestamp>) -> String {
    let left = visit.leave_time.as_ref().or(entry_time);
    let spent = match (&visit.enter_time, left) {
        (Some(enter), Some(leave)) => {
            let span = Duration { seconds: leave.seconds - enter.seconds, nanos: 0 };
            format!("{} in {}", words::time_span(&span), visit.status_name)
        }
        _ => format!("left {}", visit.status_name),
    };
    let completed = match (visit.completed, visit.completed_date) {
        (true, Some(date)) => format!(", completed {}", dates::show(Some(date))),
        (true, None) => ", completed".to_owned(),
        (false, _) => ", not complete".to_owned(),
    };
    let late = if visit.overdue { ", left late" } else { "" };
    format!("{spent}{completed}{late}")
}

/// The statuses that a move jumped over: the skipped visits between the one it closed and the one it opened.
fn skipped(entry: &HistoryEntry, visits: &[Visit]) -> Option<String> {
    let (closed, opened) = (entry.closed_visit.as_ref()?, entry.opened_visit.as_ref()?);
    let between = closed.sequence + 1..opened.sequence;
    let names: Vec<_> = visits
        .iter()
        .filter(|visit| visit.skipped && between.contains(&visit.sequence))
        .map(|visit| visit.status_name.as_str())
        .collect();
    (!names.is_empty()).then(|| format!("skipped {}", names.join(", ")))
}

fn dates_changed(entry: &HistoryEntry) -> String {
    let (before, after) = (entry.closed_visit.as_ref(), entry.opened_visit.as_ref());
    let status = after.map_or_else(String::new, |visit| format!("of {}: ", visit.status_name));
    let cause = match words::due_cause(entry.due_cause()) {
        "" => String::new(),
        cause => format!(", {cause}"),
    };
    match before {
        Some(_) => format!("{status}{} -> {}{cause}", words::due(before), words::due(after)),
        None => format!("{status}{}{cause}", words::due(after)),
    }
}

/// `of Milling, to which it comes back: 2026-01-07 Wed -> 2026-01-09 Fri, the calendar changed`.
fn waiting_changed(entry: &HistoryEntry) -> String {
    let (before, after) = interrupted_dates(entry);
    let cause = match words::due_cause(entry.due_cause()) {
        "" => String::new(),
        cause => format!(", {cause}"),
    };
    format!("of {}, to which it comes back: {before} -> {after}{cause}", entry.interrupted_status_name)
}

/// `anna asked`, `anna answered "which drawing?"`.
fn wrote(note: &Note, earlier: &[HistoryEntry]) -> String {
    let what = match note.kind() {
        NoteKind::Unspecified | NoteKind::Note => "wrote".to_owned(),
        NoteKind::Question => "asked".to_owned(),
        NoteKind::Decision => "decided".to_owned(),
        NoteKind::Answer => {
            let mut notes = earlier.iter().filter_map(|entry| entry.note.as_ref());
            notes
                .find(|it| it.id == note.answers)
                .map_or_else(|| "answered".to_owned(), |question| format!("answered \"{}\"", beginning(&question.text)))
        }
    };
    format!("{} {what}", note.author)
}

/// The first line of a text, cut where it is long.
fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let cut: String = line.chars().take(QUESTION_MAX).collect();
    if cut.len() < text.trim_end().len() { cut.trim_end().to_owned() + "..." } else { cut }
}

/// What the author of a note said about how the order stands.
fn judged(note: &Note) -> Option<String> {
    let said = words::health(note.assessment());
    (!said.is_empty()).then(|| format!("in their judgement: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::{
        Date,
        v1::{DueCause, FieldChange, Health},
    };

    fn visit(sequence: i32, name: &str) -> Visit {
        let due_date = Some(Date { year: 2026, month: 1, day: sequence + 4 });
        Visit {
            sequence,
            status: name.to_ascii_lowercase(),
            status_name: name.into(),
            due_date,
            due_source: DueSource::Plan.into(),
            enter_time: Some(Timestamp { seconds: 0, nanos: 0 }),
            ..Visit::default()
        }
    }

    fn moved(kind: HistoryKind) -> HistoryEntry {
        let closed =
            Visit { completed: true, leave_time: Some(Timestamp { seconds: 93_600, nanos: 0 }), ..visit(1, "Milling") };
        HistoryEntry {
            kind: kind.into(),
            actor: "erp".into(),
            on_behalf_of: "anna".into(),
            closed_visit: Some(closed),
            opened_visit: Some(visit(3, "Packing")),
            ..HistoryEntry::default()
        }
    }

    fn noted(id: &str, kind: NoteKind, text: &str) -> HistoryEntry {
        let note =
            Note { id: id.into(), author: "anna".into(), kind: kind.into(), text: text.into(), ..Note::default() };
        HistoryEntry {
            kind: HistoryKind::Noted.into(),
            actor: "anna".into(),
            note: Some(note),
            ..HistoryEntry::default()
        }
    }

    fn texts(entry: &HistoryEntry, earlier: &[HistoryEntry], visits: &[Visit]) -> Vec<String> {
        lines(entry, earlier.last(), earlier, visits).into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn a_move_tells_who_where_how_long_and_what_was_skipped() {
        let entry = HistoryEntry { reason: "urgent".into(), ..moved(HistoryKind::Advanced) };
        let skipped = Visit { skipped: true, ..visit(2, "Turning") };
        assert_eq!(
            texts(&entry, &[], &[visit(1, "Milling"), skipped, visit(3, "Packing")]),
            [
                "erp for anna moved it from Milling to Packing, due 2026-01-07 Wed (planned from the order date)",
                "  1 d 2 h in Milling, completed",
                "  skipped Turning",
                "  reason: urgent",
            ]
        );
    }

    #[test]
    fn an_answer_repeats_its_question() {
        let question = noted("1", NoteKind::Question, "which drawing?\nA or B");
        let mut answer = noted("2", NoteKind::Answer, "A");
        if let Some(note) = &mut answer.note {
            note.answers = "1".into();
            note.assessment = Health::Late.into();
        }
        assert_eq!(texts(&question, &[], &[]), ["anna asked:", "    which drawing?", "    A or B"]);
        assert_eq!(
            texts(&answer, &[question], &[]),
            ["anna answered \"which drawing?...\":", "    A", "  in their judgement: late"]
        );
    }

    #[test]
    fn a_due_date_tells_both_dates_and_its_cause() {
        let entry = HistoryEntry {
            due_cause: DueCause::OrderDate.into(),
            opened_visit: Some(visit(4, "Milling")),
            ..moved(HistoryKind::DueDateChanged)
        };
        assert_eq!(
            texts(&entry, &[], &[]),
            ["erp for anna changed the due date of Milling: 2026-01-05 Mon -> 2026-01-08 Thu, the order date changed"]
        );
    }

    #[test]
    fn a_due_date_that_it_waits_for_tells_to_what_it_comes_back() {
        let change = FieldChange {
            field: "interrupted_due_date".into(),
            before: "2026-01-07".into(),
            after: "2026-01-09T10:00:00Z".into(),
        };
        let entry = HistoryEntry {
            kind: HistoryKind::DueDateChanged.into(),
            actor: "erp".into(),
            due_cause: DueCause::Calendar.into(),
            changes: vec![change],
            interrupted_status: "milling".into(),
            interrupted_status_name: "Milling".into(),
            ..HistoryEntry::default()
        };
        let [told] = texts(&entry, &[], &[]).try_into().expect("one line");
        let expected = "erp changed the due date of Milling, to which it comes back: 2026-01-07 Wed -> 2026-01-0";
        assert!(told.starts_with(expected) && told.ends_with(", the calendar changed"), "{told}");
    }

    #[test]
    fn fields_types_and_cycles_that_change_are_told() {
        let change = |field: &str| FieldChange { field: field.into(), before: "a".into(), after: "b".into() };
        let entry = |kind, changes| HistoryEntry { changes, ..moved(kind) };
        let updated = HistoryEntry {
            closed_visit: None,
            opened_visit: None,
            ..entry(HistoryKind::Updated, vec![change("title")])
        };
        assert_eq!(texts(&updated, &[], &[]), ["erp for anna changed title a -> b"]);
        let updated = HistoryEntry { changes: vec![change("title"), change("product")], ..updated };
        assert_eq!(texts(&updated, &[], &[]), ["erp for anna changed:", "  title a -> b", "  product a -> b"]);
        let typed = texts(&entry(HistoryKind::TypeChanged, vec![change("order_type")]), &[], &[]);
        assert!(typed[0].starts_with("erp for anna changed order type a -> b: it went from Milling to Packing"));
        let edited = texts(&moved(HistoryKind::CycleEdited), &[], &[]);
        assert!(edited[0].starts_with("erp for anna edited the cycle: that moved it from Milling to Packing"));
        let closed = HistoryEntry { opened_visit: None, ..moved(HistoryKind::CycleEdited) };
        assert!(texts(&closed, &[], &[])[0].ends_with("that closed it in Milling"));
    }

    #[test]
    fn overdue_stands_out() {
        let entry = HistoryEntry { closed_visit: None, ..moved(HistoryKind::Overdue) };
        assert!(headline(&entry, &[]) == ("overdue in Packing: it was due 2026-01-07 Wed".into(), Tone::Alarm));
    }

    #[test]
    fn a_long_story_is_cut_at_its_beginning() {
        let entries: Vec<_> = (0..42).map(|number| noted("", NoteKind::Note, &format!("<{number}>"))).collect();
        let text = told(&entries, &[], false, false);
        assert!(text.starts_with("2 earlier entries are hidden; --all shows them.\n"), "{text}");
        assert!(!text.contains("<1>") && text.contains("<2>") && text.contains("<41>"), "{text}");
        let all = told(&entries, &[], true, false);
        assert!(all.contains("<0>") && !all.contains("hidden"));
    }

    #[test]
    fn a_foreign_text_cannot_steer_the_terminal() {
        let entry = HistoryEntry { actor: "a\u{1b}[2J".into(), ..noted("", NoteKind::Note, "x\u{1b}]0;y\u{7}") };
        assert!(!told(&[entry], &[], true, false).contains(['\u{1b}', '\u{7}']));
    }

    #[test]
    fn a_narrow_terminal_keeps_texts_indented() {
        let lines =
            vec![("anna wrote:".to_owned(), Tone::Plain), ("    12.5 or 12.7 at both ends?".to_owned(), Tone::Plain)];
        assert_eq!(
            paragraph("2026-01-05 08:00", lines, Some(44), false),
            "2026-01-05 08:00  anna wrote:\n                      12.5 or 12.7 at both\n                      ends?\n"
        );
    }
}
