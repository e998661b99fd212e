//! The daemon is told to stop while everything is busy.

use std::time::Duration;

use andon::grpc::proto::v1::{self, Advance};
use tokio::net::TcpStream;

use super::load::Load;
use crate::support::{
    Daemon, Database, Options,
    api::advance_with,
    eventually,
    plant::{order, seed},
    smtp::{Command, Fault, SmtpSink, What},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_under_load_and_with_silent_connections_it_ends_well_within_the_limit() {
    const LIMIT_S: u64 = 5;
    let sink = SmtpSink::start().await;
    sink.inject(Fault::always(Command::Dot, What::Silence));
    let database = Database::create();
    // The defaults of the mail deadlines: a silent relay takes longer than the drain may.
    let options = Options::new().relay(sink.address().port()).no_storm_brake().set("drain.limit_s", LIMIT_S);
    let mut daemon = Daemon::start(&database, options).await;
    let api = daemon.api();
    seed(&api).await;
    let address = daemon.address.trim_start_matches("http://").to_owned();
    let _silent = TcpStream::connect(&address).await.expect("it listens");
    // A stream of orders to import that never ends keeps a call open.
    let (_requests, open) = tokio::sync::mpsc::channel::<v1::ImportOrdersRequest>(1);
    let mut answers = api
        .orders()
        .import_orders(tokio_stream::wrappers::ReceiverStream::new(open))
        .await
        .expect("the stream is taken")
        .into_inner();
    api.create(order("A-1")).await;
    let notify = Some(v1::Notify { users: vec!["anna".into()], ..v1::Notify::default() });
    api.advance(advance_with("A-1", Advance { notify, ..Advance::default() })).await;
    eventually("the mail hangs", async || (!sink.messages().is_empty()).then_some(())).await;
    let load = Load::start(4, &[&daemon]);
    load.goes_on(Duration::from_secs(30), 20).await;
    tokio::task::block_in_place(|| daemon.terminate(Duration::from_secs(LIMIT_S + 5)));
    assert!(!matches!(answers.message().await, Ok(Some(_))));
    load.abandon();
    assert_eq!(database.number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'andond' AND datname = current_database()").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_daemon_that_is_told_to_stop_ends_at_once() {
    let database = Database::create();
    let mut daemon = Daemon::start(&database, Options::new()).await;
    tokio::task::block_in_place(|| daemon.terminate(Duration::from_secs(10)));
}
