//! The database is killed under load and comes back.

use std::time::{Duration, Instant};

use super::load::Load;
use crate::support::{Cluster, Daemon, Options, plant::seed, smtp::SmtpSink};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_database_loses_no_acknowledged_change_and_is_served_again_at_once() {
    let cluster = tokio::task::block_in_place(Cluster::durable);
    let database = tokio::task::block_in_place(|| cluster.database());
    let sink = SmtpSink::start().await;
    let options = Options::new().relay(sink.address().port()).quick_mail().no_storm_brake();
    let mut daemon = Daemon::start(&database, options).await;
    seed(&daemon.api()).await;
    let load = Load::start(4, &[&daemon]);
    for _ in 0..3 {
        load.goes_on(Duration::from_mins(1), 40).await;
        tokio::task::block_in_place(|| cluster.kill());
        assert!(daemon.runs(), "the daemon outlives its database");
        tokio::task::block_in_place(|| cluster.start_again());
        let back = Instant::now();
        load.goes_on(Duration::from_secs(5), 1).await;
        eprintln!("served again {:?} after the database accepts", back.elapsed());
    }
    let promised = load.finish().await;
    assert!(daemon.runs());
    let api = daemon.api();
    promised.orders_are_kept(&api).await;
    let (messages, extra) = promised.messages_are_kept(&api, &sink).await;
    eprintln!("{} changes and {messages} messages kept, {extra} extra copies explained", promised.changes());
}
