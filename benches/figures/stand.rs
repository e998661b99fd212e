//! The stand: a private PostgreSQL with fsync on, filled, and daemons as real processes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use andon::store::{Store, StoreSettings};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{Fault, Options};

/// Marks a kept folder whose database is filled.
const FILLED: &str = "filled";

/// The database under measurement; stopped with this value.
pub struct Stand {
    folder: PathBuf,
    kept: bool,
    /// How to reach it.
    pub url: String,
    /// Connections of the bench itself.
    pub pool: PgPool,
}

impl Stand {
    /// Starts PostgreSQL and fills it, unless a kept folder is filled already.
    pub async fn build(options: &Options) -> Result<Self, Fault> {
        let kept = env::var_os("ANDON_BENCH_DIR").map(PathBuf::from);
        let folder =
            kept.clone().unwrap_or_else(|| env::temp_dir().join(format!("andon-figures-{}", std::process::id())));
        let mut stand =
            Self { url: start(&folder)?, folder, kept: kept.is_some(), pool: PgPool::connect_lazy("postgres://x")? };
        stand.pool = connect(&stand.url).await?;
        if !stand.file(FILLED).exists() {
            // Without a checkpoint in the midst of a run, which would fall on whoever happens to be measured then.
            for setting in ["shared_buffers = '2GB'", "max_wal_size = '8GB'", "checkpoint_timeout = '30min'"] {
                sqlx::query(AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"))).execute(&stand.pool).await?;
            }
            stand.pool.close().await;
            control("stop", &stand.folder)?;
            stand.url = start(&stand.folder)?;
            stand.pool = connect(&stand.url).await?;
            stand.store(2)?.migrate().await?;
            let began = Instant::now();
            stand.fill(options.orders).await?;
            fs::write(stand.file(FILLED), "")?;
            println!("filled with {} orders in {:.0} s", options.orders, began.elapsed().as_secs_f64());
        }
        Ok(stand)
    }

    /// The store, as the daemon opens it.
    pub fn store(&self, pool_max: u32) -> Result<Store, Fault> {
        Ok(Store::open(&StoreSettings {
            url: self.url.clone(),
            pool_max,
            delivery_pool_max: 3,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_mins(2),
            lock_timeout: Duration::from_secs(3),
        })?)
    }

    async fn fill(&self, orders: i64) -> Result<(), Fault> {
        let indexes: Vec<(String, String)> = sqlx::query_as(
            "SELECT c.relname::text, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indrelid IN ('orders'::regclass, 'visits'::regclass)
               AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid)",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut connection = self.pool.acquire().await?;
        for (name, _) in &indexes {
            sqlx::query(AssertSqlSafe(format!("DROP INDEX {name}"))).execute(&mut *connection).await?;
        }
        let script = include_str!("fill.sql").replace("{orders}", &orders.to_string());
        sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut *connection).await?;
        for (_, definition) in indexes {
            sqlx::query(AssertSqlSafe(definition)).execute(&mut *connection).await?;
        }
        sqlx::raw_sql("VACUUM ANALYZE").execute(&mut *connection).await?;
        sqlx::raw_sql("CHECKPOINT").execute(&mut *connection).await?;
        connection.detach();
        Ok(())
    }

    /// Seconds of processor time that this program and the server have used so far: what other programs of the machine do in
    /// between does not count. Of the server only processes that are still there.
    pub fn worked(&self) -> (f64, f64) {
        let data = self.folder.join("data");
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        let server = processes.filter(|path| fs::read_link(path.join("cwd")).is_ok_and(|folder| folder == data));
        (processor_time(Path::new("/proc/self")), server.map(|path| processor_time(&path)).sum())
    }

    /// A program of PostgreSQL, beside the server's own.
    pub async fn program(&self, name: &str) -> Result<PathBuf, Fault> {
        let folder: String =
            sqlx::query_scalar("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetch_one(&self.pool).await?;
        Ok(Path::new(&folder).join(name))
    }

    /// A file of this run.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts a daemon with these settings, `section__key`.
    pub async fn daemon(&self, settings: &[(&str, String)]) -> Result<Daemon, Fault> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(self.file("andond.log"))?;
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_andond"))
            .arg("serve")
            .env("ANDON_DATABASE__URL", &self.url)
            .env("ANDON_LISTEN__ADDRESS", format!("127.0.0.1:{port}"))
            .env("ANDON_MAIL__HOST", "127.0.0.1")
            .env("ANDON_MAIL__PORT", "9")
            .env("ANDON_MAIL__RETRY_FIRST_S", "3600")
            .envs(settings.iter().map(|(key, value)| (format!("ANDON_{}", key.to_uppercase()), value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut daemon = Daemon { child, address: format!("http://127.0.0.1:{port}"), serving_after: Duration::ZERO };
        loop {
            if let Ok(channel) = Channel::from_shared(daemon.address.clone())?.connect().await
                && let Ok(answer) =
                    HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await
                && answer.into_inner().status() == ServingStatus::Serving
            {
                daemon.serving_after = began.elapsed();
                return Ok(daemon);
            }
            if began.elapsed() > Duration::from_secs(30) || daemon.child.try_wait()?.is_some() {
                return Err(
                    format!("the daemon does not serve:\n{}", fs::read_to_string(self.file("andond.log"))?).into()
                );
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        if control("stop", &self.folder).is_ok() && !self.kept {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// User and system time of a process in seconds, which the kernel counts in hundredths.
fn processor_time(process: &Path) -> f64 {
    let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

async fn connect(url: &str) -> Result<PgPool, Fault> {
    Ok(PgPoolOptions::new().max_connections(4).connect(url).await?)
}

fn control(verb: &str, folder: &Path) -> Result<String, Fault> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("run/postgres");
    let output = Command::new(script).arg(verb).arg(folder).arg("--durable").stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("run/postgres {verb} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn start(folder: &Path) -> Result<String, Fault> {
    control("start", folder)
}

/// A running daemon; told to stop with this value.
pub struct Daemon {
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub address: String,
    /// From its start to the first answer that it serves.
    pub serving_after: Duration,
}

impl Daemon {
    /// A connection of its own.
    pub async fn connect(&self) -> Result<Channel, Fault> {
        Ok(Channel::from_shared(self.address.clone())?.tcp_nodelay(true).connect().await?)
    }

    /// Memory in MiB that it holds now.
    pub fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let kib =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }

    /// Tells it to stop, and waits.
    pub fn stop(mut self) -> Result<(), Fault> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
