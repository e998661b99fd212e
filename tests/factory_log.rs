//! A real factory's log, imported with the command that people use, and compared line by line with what the API then tells.
//!
//! The log has its own terms and is not part of the repository: `ANDON_FACTORY_LOG` names the file, else it is looked for in
//! `../shared/data`. Where it is missing the test says so and passes.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use andon::grpc::proto::v1::HistoryKind;

use crate::support::plant::Shop;

/// Long after the log.
const NOW: &str = "2026-03-02T08:00:00Z";
const ROWS: usize = 4_503;
const ORDERS: usize = 225;

/// One row of the log, in the parts that its note tells.
struct Row {
    activity: String,
    resource: String,
    started: String,
    rest: Vec<String>,
}

fn log() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/factory-log.csv");
    let path = env::var_os("ANDON_FACTORY_LOG").map_or_else(beside, PathBuf::from);
    path.is_file().then_some(path)
}

/// The rows of each order by their start; rows of one time as they stand in the file.
fn read(path: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut orders: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for record in csv::Reader::from_path(path).expect("the log can be read").into_records() {
        let record = record.expect("a row");
        let field = |index: usize| record.get(index).unwrap_or_default().to_owned();
        let rest = vec![field(4), field(5), field(6), field(7), field(8)];
        let row = Row { activity: field(1), resource: field(2), started: field(3), rest };
        orders.entry(field(0)).or_default().push(row);
    }
    for rows in orders.values_mut() {
        rows.sort_by(|a, b| a.started.cmp(&b.started));
    }
    orders
}

fn import(log: &Path, server: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_andon"))
        .args(["--server", server, "import"])
        .arg(log)
        .arg("--mapping")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/factory-log.mapping.toml"))
        .args(more)
        .output()
        .expect("andon runs")
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_every_order_equals_the_log_line_by_line() {
    let Some(log) = log() else {
        eprintln!("SKIPPED: there is no factory log; ANDON_FACTORY_LOG names one");
        return;
    };
    let orders = read(&log);
    assert_eq!((orders.len(), orders.values().map(Vec::len).sum()), (ORDERS, ROWS));
    let shop = Shop::open(NOW).await;
    let server = shop.daemon.address.clone();
    let first = said(&import(&log, &server, &[]));
    assert!(first.contains("225 created") && first.contains("0 refused"), "{first}");
    let again = said(&import(&log, &server, &[]));
    assert!(again.contains("225 unchanged"), "{again}");

    let mut compared = 0;
    for (number, rows) in &orders {
        let history = shop.api.history(number).await;
        let notes: Vec<_> = history.iter().filter(|entry| entry.kind() == HistoryKind::Noted).collect();
        assert_eq!(notes.len(), rows.len(), "{number}");
        for (entry, row) in notes.iter().zip(rows) {
            let note = entry.note.as_ref().expect("a note");
            assert_eq!(note.author, row.resource, "{number}");
            for part in [&row.activity, &row.started].into_iter().chain(&row.rest) {
                assert!(note.text.contains(part.as_str()), "{number}: {part} is not in {}", note.text);
            }
            compared += 1;
        }
        let changes = 1 + rows.windows(2).filter(|pair| pair[0].activity != pair[1].activity).count();
        let visits = shop.api.visits(number).await;
        assert_eq!(visits.len(), changes, "{number}: one visit for each change of activity");
        assert!(visits.windows(2).all(|pair| pair[0].leave_time == pair[1].enter_time), "{number}");
    }
    assert_eq!(compared, ROWS);
}
