//! The rows of one order become its past: visits with their notes.

use chrono::{DateTime, NaiveDateTime, Utc};
use prost_types::Timestamp;

use crate::grpc::proto::v1::{ImportedNote, ImportedOrder, ImportedVisit, NewOrder};

/// One row of a log, understood.
#[derive(Clone, Debug)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// When, as it was written; rows are sorted by it.
    pub local: NaiveDateTime,
    /// When.
    pub at: DateTime<Utc>,
    /// Id of the status.
    pub status: String,
    /// Who.
    pub author: String,
    /// All facts of the row.
    pub text: String,
}

/// One order with its past, and where in the file it comes from.
pub struct Past {
    /// What is sent.
    pub order: ImportedOrder,
    /// The line of each note of each visit.
    lines: Vec<Vec<u64>>,
}

impl Past {
    /// Sorts the rows by time, those of one time as they stand in the file, and opens a visit wherever the status changes.
    pub fn new(fields: NewOrder, mut rows: Vec<Row>) -> Self {
        rows.sort_by_key(|row| row.local);
        let mut past = Self { order: ImportedOrder { order: Some(fields), visits: Vec::new() }, lines: Vec::new() };
        for visit in rows.chunk_by(|row, next| row.status == next.status) {
            past.lines.push(visit.iter().map(|row| row.line).collect());
            past.order.visits.push(ImportedVisit {
                status: visit[0].status.clone(),
                enter_time: Some(timestamp(visit[0].at)),
                notes: visit.iter().map(note).collect(),
                not_complete: false,
            });
        }
        past
    }

    /// Number of the order.
    pub fn number(&self) -> &str {
        self.order.order.as_ref().map_or("", |order| order.number.as_str())
    }

    /// Rows it comes from.
    pub fn row_count(&self) -> usize {
        self.lines.iter().map(Vec::len).sum()
    }

    /// First and last line of the order in the file.
    pub fn span(&self) -> (u64, u64) {
        let lines = || self.lines.iter().flatten().copied();
        (lines().min().unwrap_or(0), lines().max().unwrap_or(0))
    }

    /// The line that the path of a wrong field points at: `order.visits[2].notes[0].text` and the like.
    pub fn line_of(&self, field: &str) -> Option<u64> {
        let visit = self.lines.get(index_after(field, "visits[")?)?;
        visit.get(index_after(field, "notes[").unwrap_or(0)).copied()
    }
}

fn index_after(field: &str, list: &str) -> Option<usize> {
    let (_, rest) = field.split_once(list)?;
    rest.split_once(']')?.0.parse().ok()
}

fn note(row: &Row) -> ImportedNote {
    ImportedNote { author: row.author.clone(), time: Some(timestamp(row.at)), text: row.text.clone() }
}

fn timestamp(at: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(at.timestamp_subsec_nanos().min(999_999_999)).expect("below 10^9");
    Timestamp { seconds: at.timestamp(), nanos }
}

/// A row for the tests of this folder, `minute` minutes after an arbitrary midnight.
#[cfg(test)]
pub fn row(line: u64, minute: i64, status: &str) -> Row {
    let at = DateTime::from_timestamp(1_327_881_600 + minute * 60, 0).expect("an instant");
    let (status, author, text) = (status.to_owned(), "anna".to_owned(), format!("line {line}"));
    Row { line, local: at.naive_utc(), at, status, author, text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn visits(past: &Past) -> Vec<(&str, usize)> {
        past.order.visits.iter().map(|visit| (visit.status.as_str(), visit.notes.len())).collect()
    }

    #[test]
    fn a_change_of_status_opens_a_visit_and_a_loop_back_opens_it_again() {
        let rows = vec![row(2, 0, "cut"), row(3, 5, "cut"), row(4, 9, "mill"), row(5, 20, "cut")];
        let past = Past::new(NewOrder::default(), rows);
        assert_eq!(visits(&past), [("cut", 2), ("mill", 1), ("cut", 1)]);
        assert_eq!(past.order.visits[1].enter_time.map(|it| it.seconds), Some(1_327_881_600 + 540));
    }

    #[test]
    fn rows_of_one_time_stay_as_they_stand_in_the_file() {
        let past = Past::new(NewOrder::default(), vec![row(2, 7, "mill"), row(3, 7, "cut"), row(4, 1, "cut")]);
        assert_eq!(visits(&past), [("cut", 1), ("mill", 1), ("cut", 1)]);
        assert_eq!((past.row_count(), past.span()), (3, (2, 4)));
    }

    #[test]
    fn a_wrong_field_leads_to_its_line() {
        let past = Past::new(NewOrder::default(), vec![row(2, 0, "cut"), row(3, 1, "cut"), row(9, 2, "mill")]);
        assert_eq!(past.line_of("order.visits[0].notes[1].text"), Some(3));
        assert_eq!(past.line_of("visits[1].enter_time"), Some(9));
        assert_eq!(past.line_of("order.number"), None);
        assert_eq!(past.line_of("visits[7].status"), None);
    }

    proptest! {
        #[test]
        fn no_row_is_lost_and_time_never_runs_back(steps in prop::collection::vec((0_i64..50, 0_usize..3), 1..60)) {
            let statuses = ["cut", "mill", "pack"];
            let rows: Vec<_> =
                steps.iter().zip(2..).map(|((minute, status), line)| row(line, *minute, statuses[*status])).collect();
            let past = Past::new(NewOrder::default(), rows);
            let notes: Vec<_> = past.order.visits.iter().flat_map(|visit| &visit.notes).collect();
            prop_assert_eq!(notes.len(), steps.len());
            prop_assert!(notes.is_sorted_by_key(|note| note.time.map(|it| it.seconds)));
            prop_assert!(past.order.visits.windows(2).all(|pair| pair[0].status != pair[1].status));
            prop_assert!(past.order.visits.iter().all(|visit| visit.enter_time == visit.notes[0].time));
        }
    }
}
