//! Random kills: one of two daemons, again and again, while orders move and mails leave.

use std::time::Duration;

use super::load::Load;
use crate::support::{Daemon, Database, Options, plant::seed, smtp::SmtpSink};

/// Kills in one run.
const KILLS: usize = 50;
/// Callers at the same time.
const CALLERS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_random_kills_lose_nothing_and_every_extra_copy_is_explained() {
    let seed_value =
        std::env::var("ANDON_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(fastrand::u64(..));
    eprintln!("random kills: ANDON_TEST_SEED={seed_value}");
    let mut random = fastrand::Rng::with_seed(seed_value);
    let sink = SmtpSink::start().await;
    let database = Database::create();
    let options =
        || Options::new().relay(sink.address().port()).quick_mail().no_storm_brake().set("mail.connections", 1);
    let mut daemons = [Daemon::start(&database, options()).await, Daemon::start(&database, options()).await];
    seed(&daemons[0].api()).await;
    let load = Load::start(CALLERS, &[&daemons[0], &daemons[1]]);
    for _ in 0..KILLS {
        load.goes_on(Duration::from_mins(1), random.usize(1..20)).await;
        let victim = random.usize(0..2);
        daemons[victim].kill9();
        daemons[victim] = tokio::task::block_in_place(|| Daemon::spawn(&database, options()));
        load.door(victim, &daemons[victim]);
    }
    let promised = load.finish().await;
    let api = daemons[0].api();
    promised.orders_are_kept(&api).await;
    let (messages, extra) = promised.messages_are_kept(&api, &sink).await;
    eprintln!(
        "{KILLS} kills: {} changes and {messages} messages kept, {extra} extra copies explained",
        promised.changes()
    );
    assert!(promised.changes() > KILLS);
}
