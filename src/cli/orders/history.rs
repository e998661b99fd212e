//! `andon orders history`: everything that happened to an order.

use clap::Args;
use serde_json::json;

use super::{PAGES_MAX, Which};
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        dates,
        failure::Failure,
        json,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{HistoryEntry, HistoryKind, ListHistoryRequest, OrderRef},
};

/// Which order.
#[derive(Args)]
pub struct History {
    #[command(flatten)]
    which: Which,
}

/// Shows the history of one order.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn run(caller: &Caller, history: &History) -> Result<Answer, Failure> {
    let entries = entries(caller, &history.which.to_ref()).await?;
    if caller.json {
        return Ok(Answer::json(&json!({ "entries": json::list("HistoryEntry", &entries) })));
    }
    if entries.is_empty() {
        return Ok(Answer::text("Nothing happened to this order yet."));
    }
    let mut sheet = Sheet::new(&["#", "TIME", "WHAT", "BY"], caller.colour);
    sheet.keep_whole(1);
    for (place, entry) in entries.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| entries.get(place));
        let tone = if entry.kind() == HistoryKind::Overdue { Tone::Alarm } else { Tone::Plain };
        sheet.toned_row([
            (entry.sequence.to_string(), Tone::Faint),
            (dates::show_instant(entry.time.as_ref()), Tone::Plain),
            (what(entry, before), tone),
            (by(entry), Tone::Faint),
        ]);
    }
    Ok(Answer::text(sheet.fitted()))
}

/// The whole history of an order, oldest first.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn entries(caller: &Caller, order: &OrderRef) -> Result<Vec<HistoryEntry>, Failure> {
    let mut client = caller.orders().await?;
    let mut request = ListHistoryRequest { order: Some(order.clone()), page_size: 500, page_token: String::new() };
    let mut entries = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = client.list_history(request.clone()).await?.into_inner();
        entries.extend(page.entries);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    Ok(entries)
}

/// What happened, with the reason, a note that went with it, a new holder, and who was written to.
fn what(entry: &HistoryEntry, before: Option<&HistoryEntry>) -> String {
    let opened = entry.opened_visit.as_ref().map(words::opened).unwrap_or_default();
    let closed = entry.closed_visit.as_ref().map_or_else(String::new, |visit| words::closed(visit) + " -> ");
    let mut lines = match entry.kind() {
        HistoryKind::Unspecified | HistoryKind::Noted | HistoryKind::Followed => Vec::new(),
        HistoryKind::Created => vec![format!("created in {opened}")],
        HistoryKind::Advanced => vec![closed + &opened],
        HistoryKind::Overdue => vec![format!("overdue: {opened}")],
        HistoryKind::DueDateChanged if !entry.interrupted_status.is_empty() => vec![waiting_changed(entry)],
        HistoryKind::DueDateChanged => vec![due_changed(entry, &opened)],
        HistoryKind::Updated => vec!["fields changed".to_owned()],
        HistoryKind::TypeChanged => vec![format!("type changed: {closed}{opened}")],
        HistoryKind::CycleEdited => vec![format!("the cycle was edited: {closed}{opened}")],
        HistoryKind::Alerted => vec![format!("trigger '{}' fired", entry.trigger)],
        HistoryKind::Acknowledged => vec![words::acknowledged(entry.acknowledgement.as_ref())],
    };
    if entry.interrupted_status.is_empty() {
        lines.extend(entry.changes.iter().map(words::field_change));
    }
    lines.extend(reason(entry));
    lines.extend(entry.note.as_ref().map(|note| {
        let marks = words::note_marks(note);
        let marks = if marks.is_empty() { marks } else { format!("[{marks}] ") };
        format!("{}: {marks}{}", note.author, note.text)
    }));
    lines.extend(consequences(entry, before));
    lines.join("\n")
}

/// `due date changed: Milling, due 2026-01-09 Fri, before 2026-01-07 Wed (set by hand)`.
fn due_changed(entry: &HistoryEntry, opened: &str) -> String {
    let before =
        entry.closed_visit.as_ref().map_or_else(String::new, |it| format!(", before {}", words::due(Some(it))));
    let cause = match words::due_cause(entry.due_cause()) {
        "" => String::new(),
        cause => format!(" ({cause})"),
    };
    format!("due date changed: {opened}{before}{cause}")
}

/// `due date changed: Milling, to which it comes back, due 2026-01-09 Fri, before 2026-01-07 Wed (the calendar changed)`.
fn waiting_changed(entry: &HistoryEntry) -> String {
    let (before, after) = interrupted_dates(entry);
    let cause = match words::due_cause(entry.due_cause()) {
        "" => String::new(),
        cause => format!(" ({cause})"),
    };
    let name = words::clean(&entry.interrupted_status_name);
    format!("due date changed: {name}, to which it comes back, due {after}, before {before}{cause}")
}

/// The due date of what the order waits for, before and after: a day, or of working time an instant.
pub(super) fn interrupted_dates(entry: &HistoryEntry) -> (String, String) {
    let shown = |text: &str| match (dates::parse(text), dates::parse_instant(text)) {
        (Ok(date), _) => dates::show_with_weekday(Some(date)),
        (_, Some(instant)) => dates::show_instant(Some(&instant)),
        _ if text.is_empty() => "none".to_owned(),
        _ => words::clean(text),
    };
    entry.changes.first().map_or_else(Default::default, |change| (shown(&change.before), shown(&change.after)))
}

/// Why it was done, as whoever did it said.
pub(super) fn reason(entry: &HistoryEntry) -> Option<String> {
    (!entry.reason.is_empty()).then(|| format!("reason: {}", entry.reason))
}

/// Who has the order then, when that changed, and who was written to.
pub(super) fn consequences(entry: &HistoryEntry, before: Option<&HistoryEntry>) -> Vec<String> {
    let mut lines = Vec::new();
    let holder = (entry.assigned_user.as_str(), entry.assigned_department.as_str());
    let last_holder = before.map_or(("", ""), |it| (&it.assigned_user, &it.assigned_department));
    if holder != last_holder {
        lines.push(format!("now with {}", words::holder(holder.0, holder.1)));
    }
    for message in &entry.messages {
        lines.push(format!("message to {} ({})", words::recipient(message), words::word(&message.kind, "")));
    }
    lines.extend(entry.tasks.iter().map(|task| format!("task made: {}", task.title)));
    lines
}

/// By whom: `anna`, `erp for anna`, with `(import)` when it came in so.
pub(super) fn by(entry: &HistoryEntry) -> String {
    let mut text = entry.actor.clone();
    if !entry.on_behalf_of.is_empty() {
        text = format!("{text} for {}", entry.on_behalf_of);
    }
    if entry.imported { text + " (import)" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::{
        Date,
        v1::{DueCause, FieldChange, Note, Visit},
    };

    #[test]
    fn a_move_tells_from_where_to_where_and_why() {
        let visit = |name: &str| Some(Visit { status_name: name.into(), completed: true, ..Visit::default() });
        let entry = HistoryEntry {
            kind: HistoryKind::Advanced.into(),
            closed_visit: visit("Milling"),
            opened_visit: visit("Packing"),
            reason: "customer waits".into(),
            assigned_user: "anna".into(),
            ..HistoryEntry::default()
        };
        assert_eq!(
            what(&entry, None),
            "Milling (completed) -> Packing, no due date\nreason: customer waits\nnow with anna"
        );
        assert!(!what(&entry, Some(&entry)).contains("now with"));
    }

    #[test]
    fn a_note_stands_with_its_author() {
        let note = Note { author: "ID4932".into(), text: "9 pieces".into(), ..Note::default() };
        let entry = HistoryEntry {
            kind: HistoryKind::Noted.into(),
            note: Some(note),
            actor: "erp".into(),
            imported: true,
            ..HistoryEntry::default()
        };
        assert_eq!((what(&entry, None).as_str(), by(&entry).as_str()), ("ID4932: 9 pieces", "erp (import)"));
    }

    #[test]
    fn a_due_date_that_changed_tells_both_and_why() {
        let due = |day| {
            let date = Some(Date { year: 2026, month: 1, day });
            Some(Visit { status_name: "Milling".into(), due_date: date, ..Visit::default() })
        };
        let entry = HistoryEntry {
            kind: HistoryKind::DueDateChanged.into(),
            closed_visit: due(7),
            opened_visit: due(9),
            due_cause: DueCause::Cycle.into(),
            ..HistoryEntry::default()
        };
        assert_eq!(
            what(&entry, None),
            "due date changed: Milling, due 2026-01-09 Fri, before 2026-01-07 Wed (the cycle was edited)"
        );
    }

    #[test]
    fn changed_fields_are_told_one_by_one() {
        let change = |field: &str, before: &str, after: &str| FieldChange {
            field: field.into(),
            before: before.into(),
            after: after.into(),
        };
        let entry = HistoryEntry {
            kind: HistoryKind::Updated.into(),
            changes: vec![change("title", "", "Shaft"), change("priority", "0", "5")],
            ..HistoryEntry::default()
        };
        assert_eq!(what(&entry, None), "fields changed\ntitle set to Shaft\npriority 0 -> 5");
    }
}
