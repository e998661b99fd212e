//! The event log: CSV rows, understood by a mapping, gathered by order.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use chrono::NaiveDateTime;

use super::{
    instants::{Certainty, instant},
    mapping::Mapping,
    past::{Past, Row},
};
use crate::{cli::failure::Failure, grpc::proto::v1::NewOrder};

/// A log is gathered in memory, since the rows of an order may lie anywhere in it.
const ROWS_MAX: usize = 2_000_000;

/// A log that was read.
#[derive(Default)]
pub struct Log {
    /// Orders that were understood, in the order of their first rows.
    pub pasts: Vec<Past>,
    /// Orders with a row that was not understood.
    pub unclear: Vec<Unclear>,
    /// All rows.
    pub rows: usize,
    /// Rows whose local time came twice.
    pub ambiguous: usize,
    /// Rows whose local time was left out.
    pub missing: usize,
}

/// An order that is not sent.
pub struct Unclear {
    /// Its number, as far as it is known.
    pub number: String,
    /// How many rows it has.
    pub rows: usize,
    /// Line and cause of each row that was not understood.
    pub causes: Vec<(u64, String)>,
}

#[derive(Default)]
struct Gathered {
    fields: Option<NewOrder>,
    rows: Vec<Row>,
    causes: Vec<(u64, String)>,
}

impl Log {
    /// Reads a file.
    ///
    /// # Errors
    /// `Usage`: it cannot be read, is no CSV, lacks a column that the mapping names, or has more than 2 million rows.
    pub fn read(path: &Path, mapping: &Mapping) -> Result<Self, Failure> {
        let bytes = fs::read(path).map_err(|error| Failure::file(path, &error))?;
        Self::parse(&bytes, mapping).map_err(|cause| Failure::Usage(format!("{}: {cause}", path.display())))
    }

    fn parse(bytes: &[u8], mapping: &Mapping) -> Result<Self, String> {
        let mut reader = csv::Reader::from_reader(bytes);
        let headings = reader.headers().map_err(|error| error.to_string())?.clone();
        let columns = mapping.columns();
        for column in [&columns.order, &columns.status, &columns.author, &columns.time] {
            if !headings.iter().any(|heading| heading == column) {
                return Err(format!("there is no column `{column}`"));
            }
        }
        let mut log = Self::default();
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut orders: Vec<(String, Gathered)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            log.rows += 1;
            if log.rows > ROWS_MAX {
                return Err(format!("more than {ROWS_MAX} rows; split it between orders"));
            }
            let line = record.position().map_or(0, |start| line_at(bytes, start));
            let cells: BTreeMap<_, _> = headings.iter().zip(record.iter()).collect();
            let number = cells[columns.order.as_str()].trim().to_owned();
            let place = *places.entry(number.clone()).or_insert_with(|| {
                orders.push((number, Gathered::default()));
                orders.len() - 1
            });
            let (number, gathered) = &mut orders[place];
            log.take(mapping, line, &cells, number, gathered);
        }
        for (number, gathered) in orders {
            log.settle(number, gathered);
        }
        Ok(log)
    }

    fn take(
        &mut self,
        mapping: &Mapping,
        line: u64,
        cells: &BTreeMap<&str, &str>,
        number: &str,
        gathered: &mut Gathered,
    ) {
        let understood = understand(mapping, line, cells).and_then(|(row, certainty)| {
            if gathered.fields.is_none() {
                gathered.fields = Some(mapping.order(number, cells)?);
            }
            Ok((row, certainty))
        });
        match understood {
            Ok((row, certainty)) => {
                self.ambiguous += usize::from(certainty == Certainty::Ambiguous);
                self.missing += usize::from(certainty == Certainty::Missing);
                gathered.rows.push(row);
            }
            Err(cause) => gathered.causes.push((line, cause)),
        }
    }

    fn settle(&mut self, number: String, gathered: Gathered) {
        match gathered.fields {
            Some(fields) if gathered.causes.is_empty() => self.pasts.push(Past::new(fields, gathered.rows)),
            _ => {
                let rows = gathered.rows.len() + gathered.causes.len();
                self.unclear.push(Unclear { number, rows, causes: gathered.causes });
            }
        }
    }
}

/// The line, from 1, on which a record begins. The reader stops between the two characters of a line end, and before empty
/// lines, so what is left of them has to be counted.
fn line_at(bytes: &[u8], start: &csv::Position) -> u64 {
    let rest = usize::try_from(start.byte()).ok().and_then(|byte| bytes.get(byte..)).unwrap_or_default();
    let ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let more = ends.filter(|byte| **byte == b'\n').count();
    start.line() + u64::try_from(more).unwrap_or(0)
}

fn understand(mapping: &Mapping, line: u64, cells: &BTreeMap<&str, &str>) -> Result<(Row, Certainty), String> {
    let columns = mapping.columns();
    if cells[columns.order.as_str()].trim().is_empty() {
        return Err(format!("column `{}` is empty", columns.order));
    }
    let activity = cells[columns.status.as_str()];
    let status = mapping.status(activity).ok_or_else(|| format!("`{activity}` means no status"))?;
    let written = cells[columns.time.as_str()];
    let local = NaiveDateTime::parse_from_str(written, mapping.time_format())
        .map_err(|_| format!("`{written}` is no time of the form {}", mapping.time_format()))?;
    let (at, certainty) = instant(mapping.zone(), local);
    let author = cells[columns.author.as_str()].trim().to_owned();
    let text = mapping.note(cells)?;
    Ok((Row { line, local, at, status: status.to_owned(), author, text }, certainty))
}

#[cfg(test)]
mod tests {
    use super::{super::mapping::small, *};

    fn log(rows: &str) -> Log {
        let text = format!("order,step,who,at,good pieces\n{rows}");
        Log::parse(text.as_bytes(), &small()).unwrap_or_else(|cause| panic!("{cause}"))
    }

    #[test]
    fn rows_are_gathered_by_order_wherever_they_lie() {
        let log =
            log("W-1,Cut,anna,2026-01-05 08:00,9\nW-2,Cut,ben,2026-01-05 08:30,1\nW-1,MILL,anna,2026-01-05 09:00,9\n");
        assert_eq!(
            log.pasts.iter().map(|past| (past.number(), past.row_count())).collect::<Vec<_>>(),
            [("W-1", 2), ("W-2", 1)]
        );
        let order = &log.pasts[0].order;
        assert_eq!(order.order.as_ref().map(|order| order.title.as_str()), Some("Run W-1"));
        assert_eq!(order.visits[1].notes[0].text, "MILL: 9 good");
        assert_eq!(order.visits[0].enter_time.map(|it| it.seconds), Some(1_767_596_400));
        assert_eq!(log.pasts[0].span(), (2, 4));
    }

    #[test]
    fn an_order_with_a_row_that_is_not_understood_is_kept_back_with_its_line() {
        let log = log("W-1,Cut,anna,2026-01-05 08:00,9\nW-1,Glue,anna,2026-01-05 09:00,9\nW-2,Cut,anna,yesterday,9\n");
        assert!(log.pasts.is_empty());
        let unclear: Vec<_> = log.unclear.iter().map(|it| (it.number.as_str(), it.rows, it.causes[0].0)).collect();
        assert_eq!(unclear, [("W-1", 2, 3), ("W-2", 1, 4)]);
        assert_eq!(log.unclear[0].causes[0].1, "`Glue` means no status");
    }

    #[test]
    fn times_in_the_nights_of_the_clock_changes_are_counted() {
        let log = log("W-1,Cut,a,2026-03-29 02:30,1\nW-1,Cut,a,2026-10-25 02:30,1\nW-1,Cut,a,2026-10-26 02:30,1\n");
        assert_eq!((log.rows, log.missing, log.ambiguous), (3, 1, 1));
    }

    #[test]
    fn lines_are_counted_alike_with_any_line_end_and_empty_lines() {
        for end in ["\n", "\r\n"] {
            let rows =
                ["order,step,who,at,good pieces", "W-1,Cut,a,2026-01-05 08:00,1", "", "W-2,Cut,a,2026-01-05 08:00,1"];
            let log = Log::parse(rows.join(end).as_bytes(), &small()).unwrap_or_else(|cause| panic!("{cause}"));
            assert_eq!(log.pasts.iter().map(Past::span).collect::<Vec<_>>(), [(2, 2), (4, 4)], "{end:?}");
        }
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let cause = Log::parse(b"order,step,at\n", &small()).err();
        assert_eq!(cause.as_deref(), Some("there is no column `who`"));
    }
}
