//! Compares the history of imported orders with the log they came from, line by line.

use super::{
    super::orders::{by_number, history_of},
    log::Log,
    past::Past,
    progress,
    report::{Report, Verdict},
};
use crate::{
    cli::{caller::Caller, dates, failure::Failure, words},
    grpc::proto::v1::{HistoryEntry, HistoryKind},
};

const DIFFERENCES_SHOWN: usize = 3;

/// Compares every order of the log.
///
/// # Errors
/// Those of reading, except that an order does not exist: that is a difference.
pub async fn run(caller: &Caller, log: &Log, report: &mut Report) -> Result<(), Failure> {
    let bar = progress(log.pasts.len());
    for past in &log.pasts {
        let verdict = match history_of(caller, &by_number(past.number())).await {
            Ok(entries) => verdict(past, &entries),
            Err(failure) if failure.is_not_found() => Verdict::Differs(vec!["there is no such order".to_owned()]),
            Err(failure) => return Err(failure),
        };
        report.add(past, verdict);
        bar.inc(1);
        bar.set_message(format!("{} differ", words::grouped(report.refused_count())));
    }
    bar.finish_and_clear();
    Ok(())
}

/// One imported fact: the opening of a visit, or a note.
#[derive(Debug, PartialEq)]
struct Fact {
    /// Status, or author and text.
    what: String,
    /// Seconds and nanoseconds.
    at: Option<(i64, i32)>,
}

impl Fact {
    fn show(fact: Option<&Self>) -> String {
        let show = |fact: &Self| {
            let at = fact.at.map(|(seconds, nanos)| prost_types::Timestamp { seconds, nanos });
            format!("{} {}", dates::show_instant(at.as_ref()), words::clean(&fact.what))
        };
        fact.map_or_else(|| "nothing".to_owned(), show)
    }
}

fn verdict(past: &Past, entries: &[HistoryEntry]) -> Verdict {
    let (wanted, found) = (of_log(past), of_history(entries));
    let pairs = (0..wanted.len().max(found.len())).map(|place| (wanted.get(place), found.get(place)));
    let differences = pairs.filter(|(wanted, found)| wanted != found);
    let told: Vec<_> = differences
        .take(DIFFERENCES_SHOWN)
        .map(|(wanted, found)| format!("log: {}; history: {}", Fact::show(wanted), Fact::show(found)))
        .collect();
    if told.is_empty() { Verdict::Equal } else { Verdict::Differs(told) }
}

fn of_log(past: &Past) -> Vec<Fact> {
    let mut facts = Vec::new();
    for visit in &past.order.visits {
        let at = visit.enter_time.map(|it| (it.seconds, it.nanos));
        facts.push(Fact { what: format!("enters {}", visit.status), at });
        facts.extend(visit.notes.iter().map(|note| Fact {
            what: format!("{}: {}", note.author, note.text),
            at: note.time.map(|it| (it.seconds, it.nanos)),
        }));
    }
    facts
}

/// The imported entries; what happened since the import is left aside.
fn of_history(entries: &[HistoryEntry]) -> Vec<Fact> {
    let mut facts = Vec::new();
    for entry in entries.iter().filter(|entry| entry.imported) {
        if matches!(entry.kind(), HistoryKind::Created | HistoryKind::Advanced) {
            facts.extend(entry.opened_visit.iter().map(|visit| Fact {
                what: format!("enters {}", visit.status),
                at: visit.enter_time.map(|it| (it.seconds, it.nanos)),
            }));
        }
        facts.extend(entry.note.iter().map(|note| Fact {
            what: format!("{}: {}", note.author, note.text),
            at: note.time.map(|it| (it.seconds, it.nanos)),
        }));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::{super::past::row, *};
    use crate::grpc::proto::v1::{ImportedVisit, NewOrder, Note, Visit};

    fn past() -> Past {
        Past::new(NewOrder::default(), vec![row(2, 0, "cut"), row(3, 5, "mill"), row(4, 9, "cut")])
    }

    /// The history that a faithful import leaves.
    fn history(visits: &[ImportedVisit]) -> Vec<HistoryEntry> {
        let mut entries = Vec::new();
        for visit in visits {
            let kind = if entries.is_empty() { HistoryKind::Created } else { HistoryKind::Advanced };
            let opened = Visit { status: visit.status.clone(), enter_time: visit.enter_time, ..Visit::default() };
            entries.push(HistoryEntry {
                kind: kind.into(),
                opened_visit: Some(opened),
                imported: true,
                ..HistoryEntry::default()
            });
            entries.extend(visit.notes.iter().map(|note| HistoryEntry {
                kind: HistoryKind::Noted.into(),
                note: Some(Note {
                    author: note.author.clone(),
                    time: note.time,
                    text: note.text.clone(),
                    ..Note::default()
                }),
                imported: true,
                ..HistoryEntry::default()
            }));
        }
        entries
    }

    #[test]
    fn a_faithful_history_is_equal_and_later_entries_do_not_matter() {
        let mut entries = history(&past().order.visits);
        entries.push(HistoryEntry { kind: HistoryKind::Overdue.into(), ..HistoryEntry::default() });
        assert_eq!(verdict(&past(), &entries), Verdict::Equal);
    }

    #[test]
    fn a_lost_line_and_a_swapped_pair_are_differences() {
        let whole = history(&past().order.visits);
        let mut lost = whole.clone();
        lost.remove(3);
        assert_ne!(verdict(&past(), &lost), Verdict::Equal);
        let mut swapped = whole;
        swapped.swap(1, 3);
        assert_ne!(verdict(&past(), &swapped), Verdict::Equal);
    }
}
