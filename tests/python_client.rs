//! The API from elsewhere: a Python client with stubs generated from `proto/`.

use std::{path::Path, process::Command};

use crate::support::{guard::guard, plant::Shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_client_works_an_order_and_edits_its_cycle() {
    let Ok(python) = std::env::var("ANDON_TEST_PYTHON") else {
        eprintln!("SKIPPED: ANDON_TEST_PYTHON names no Python with grpcio and grpcio-tools (run/test provides one)");
        return;
    };
    let shop = Shop::open("2026-03-02T08:00:00Z").await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command
        .arg(root.join("tests/client.py"))
        .arg(root.join("proto"))
        .arg(guard().folder("stubs"))
        .arg(shop.daemon.address.trim_start_matches("http://"));
    let done = tokio::task::block_in_place(|| command.output()).expect("Python can be started");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(said.trim(), "created, advanced, listed, read, asked, edited, done");
    assert_eq!(shop.api.get("PY-1").await.title, "Welle für Öl");
}
