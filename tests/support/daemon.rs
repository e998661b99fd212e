//! The daemon under test: the built program as a real process.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use super::{
    api::Api,
    clock::TestClock,
    guard::{MARK, guard},
    postgres::Database,
    wait::PATIENCE,
};

/// What a daemon is told beside its database: settings as `ANDON_<SECTION>__<KEY>`.
#[derive(Debug, Clone, Default)]
pub struct Options {
    env: Vec<(String, String)>,
}

impl Options {
    /// The daemon's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// One setting, for example `mail.claim_lease_s`.
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        let key = format!("ANDON_{}", key.replace('.', "__").to_uppercase());
        self.env.push((key, value.to_string()));
        self
    }

    /// The mail relay.
    pub fn relay(self, port: u16) -> Self {
        self.set("mail.host", "127.0.0.1").set("mail.port", port)
    }

    /// The clock.
    pub fn clock(self, clock: &TestClock) -> Self {
        self.set("clock.file", clock.path().display())
    }

    /// Short deadlines with the relay and a short lease, for tests that wait for both.
    pub fn quick_mail(self) -> Self {
        self.set("mail.deadlines_ms.connect", 500)
            .set("mail.deadlines_ms.tls", 500)
            .set("mail.deadlines_ms.greeting", 500)
            .set("mail.deadlines_ms.opening", 1000)
            .set("mail.deadlines_ms.command", 500)
            .set("mail.deadlines_ms.data", 500)
            .set("mail.deadlines_ms.body", 500)
            .set("mail.deadlines_ms.reply", 1000)
            .set("mail.claim_lease_s", 5)
            .set("mail.retry_first_s", 1)
            .set("mail.retry_max_s", 2)
    }

    /// Every message goes by itself, however many there are for one person.
    pub fn no_storm_brake(self) -> Self {
        self.set("alerts.storm_messages", 10_000)
    }

    /// The place at which the daemon kills itself.
    pub fn kill_point(mut self, name: &str) -> Self {
        self.env.push(("ANDON_KILL_POINT".into(), name.into()));
        self
    }
}

/// What the daemon has written so far.
#[derive(Debug, Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, (Vec<String>, bool)> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: Option<String>) {
        let mut lines = self.lines();
        match line {
            Some(line) => lines.0.push(line),
            None => lines.1 = true,
        }
        self.grown.notify_all();
    }

    /// The first line in which `find` finds something; `None` when the daemon ended or the limit passed before.
    fn wait_for<T>(&self, limit: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let began = Instant::now();
        let mut lines = self.lines();
        let mut seen = 0;
        loop {
            if let Some(found) = lines.0[seen..].iter().find_map(|line| find(line)) {
                return Some(found);
            }
            seen = lines.0.len();
            let left = limit.checked_sub(began.elapsed())?;
            if lines.1 {
                return None;
            }
            lines = self.grown.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A running daemon. Killed with this value; what it wrote is shown when the test fails.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
    /// Where it listens, `http://127.0.0.1:PORT`.
    pub address: String,
    ended: bool,
}

impl Daemon {
    /// Starts one on this database and waits until it serves.
    pub async fn start(database: &Database, options: Options) -> Self {
        let daemon = Self::spawn(database, options);
        daemon.ready().await;
        daemon
    }

    /// Starts one without waiting until it serves; it listens.
    pub fn spawn(database: &Database, options: Options) -> Self {
        let mut daemon = Self::launch(database, options);
        let address = daemon.log.wait_for(PATIENCE, |line| {
            let (_, rest) = line.split_once("listening")?.1.split_once("address=")?;
            Some(rest.split_whitespace().next().unwrap_or_default().trim_matches('"').to_owned())
        });
        match address {
            Some(address) => daemon.address = format!("http://{address}"),
            None => panic!("the daemon does not listen:\n{}", daemon.text()),
        }
        daemon
    }

    /// Starts one that may end at any moment.
    pub fn launch(database: &Database, options: Options) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_andond"));
        command
            .arg("serve")
            .env("ANDON_DATABASE__URL", database.url())
            .env("ANDON_DATABASE__MIGRATE_AT_START", "false")
            .env("ANDON_LISTEN__ADDRESS", "127.0.0.1:0")
            // Nothing listens there: a test that wants mail names its relay.
            .env("ANDON_MAIL__HOST", "127.0.0.1")
            .env("ANDON_MAIL__PORT", "9")
            .env("ANDON_MAIL__FROM", "andon <andon@plant.example>")
            .env("ANDON_ALERTS__FALLBACK_ADDRESS", "shift@plant.example")
            .env("ANDON_LOG__FORMAT", "text")
            .env(MARK, &guard().mark)
            .envs(options.env)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("andond can be started");
        guard().daemon(child.id());
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().expect("it was piped");
        let written = Arc::clone(&log);
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(stderr);
            let mut line = Vec::new();
            while matches!(lines.read_until(b'\n', &mut line), Ok(read) if read > 0) {
                written.add(Some(String::from_utf8_lossy(&line).trim_end().to_owned()));
                line.clear();
            }
            written.add(None);
        });
        Self { child, log, reader: Some(reader), address: String::new(), ended: false }
    }

    /// Waits until its health service says that it serves.
    pub async fn ready(&self) {
        let mut health = HealthClient::new(self.channel());
        let serving = async {
            let mut watched =
                health.watch(HealthCheckRequest { service: String::new() }).await.expect("health answers").into_inner();
            while let Some(answer) = watched.message().await.expect("health goes on") {
                if answer.status() == ServingStatus::Serving {
                    return;
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, serving).await;
        assert!(done.is_ok(), "the daemon does not serve");
    }

    /// A channel that connects when first used, and again when it must.
    pub fn channel(&self) -> Channel {
        Channel::from_shared(self.address.clone()).expect("a valid address").connect_lazy()
    }

    /// A client of all its services.
    pub fn api(&self) -> Api {
        Api::new(self.channel())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote.
    pub fn text(&self) -> String {
        self.log.lines().0.join("\n")
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it: it learns nothing of it.
    pub fn kill9(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.ended = true;
    }

    /// Waits until it ends by itself.
    pub fn wait_for_end(&mut self, limit: Duration) -> ExitStatus {
        // The end of its output is the end of the process: nothing is asked again and again.
        let began = Instant::now();
        let mut lines = self.log.lines();
        while !lines.1 {
            let left = limit.checked_sub(began.elapsed());
            let Some(left) = left else { panic!("the daemon still runs after {limit:?}") };
            lines = self.log.grown.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(lines);
        self.ended = true;
        self.child.wait().expect("it is our child")
    }

    /// Tells it to stop (SIGTERM).
    pub fn tell_to_stop(&self) {
        let told = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "the daemon cannot be told to stop");
    }

    /// Tells it to stop; it must end well within `limit`.
    pub fn terminate(&mut self, limit: Duration) {
        self.tell_to_stop();
        let status = self.wait_for_end(limit);
        assert!(status.success(), "the daemon ended with {status}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.ended {
            self.kill9();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!("--- andond, process {} ---\n{}", self.pid(), self.text());
        } else {
            assert!(!self.text().contains("panicked at"), "andond panicked:\n{}", self.text());
        }
    }
}
