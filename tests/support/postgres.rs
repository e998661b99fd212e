//! PostgreSQL for tests: a database of its own for each test, made from a migrated template.

use std::{
    future::Future,
    path::PathBuf,
    process::{Command, Stdio},
    str::FromStr as _,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use andon::store::{Store, StoreSettings};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};

use super::guard::{command_path, guard};

/// Runs to its end on a thread of its own, so that it can be used anywhere, also while a test fails.
fn apart<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime can be made")
                    .block_on(work)
            })
            .join()
            .expect("the work does not panic")
    })
}

async fn connect(url: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(url).expect("a valid URL").disable_statement_logging();
    PgConnection::connect_with(&options).await.unwrap_or_else(|error| panic!("PostgreSQL for tests: {error}"))
}

async fn execute(url: &str, statement: String) -> Result<(), sqlx::Error> {
    let mut connection = connect(url).await;
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

fn with_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("the URL names a database");
    format!("{server}/{name}")
}

async fn migrate(url: String) {
    let store = Store::open(&StoreSettings {
        url,
        pool_max: 1,
        delivery_pool_max: 1,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_mins(1),
        lock_timeout: Duration::from_secs(30),
    })
    .expect("a valid URL");
    store.migrate().await.expect("the schema can be made");
    store.close().await;
}

/// A PostgreSQL server of this run's own.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    url: String,
    flags: &'static [&'static str],
}

impl Cluster {
    /// Makes and starts one that flushes nothing: fit to be thrown away, not to be killed.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Makes and starts one that keeps what it has confirmed, also when it is killed.
    pub fn durable() -> Self {
        Self::start_with(&["--durable"])
    }

    fn start_with(flags: &'static [&'static str]) -> Self {
        let folder = guard().folder("postgres");
        guard().cluster(&folder);
        let mut cluster = Self { folder, url: String::new(), flags };
        cluster.url = cluster.run("start");
        cluster
    }

    fn run(&self, verb: &str) -> String {
        let done = Command::new(command_path("postgres"))
            .arg(verb)
            .arg(&self.folder)
            .args(if verb == "start" { self.flags } else { &[] })
            .stdin(Stdio::null())
            .output()
            .expect("run/postgres can be run");
        assert!(done.status.success(), "run/postgres {verb}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Stops it at once, without a checkpoint.
    pub fn kill(&self) {
        self.run("kill");
    }

    /// Starts it again, on the same port.
    pub fn start_again(&self) {
        assert_eq!(self.run("start"), self.url, "the server came back elsewhere");
    }

    /// A migrated database in it.
    pub fn database(&self) -> Database {
        let name = "andon".to_owned();
        apart(async {
            execute(&self.url, format!("CREATE DATABASE {name}")).await.expect("a database can be made");
            migrate(with_database(&self.url, &name)).await;
        });
        Database { server: self.url.clone(), name, dropped: false }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(command_path("postgres")).arg("kill").arg(&self.folder).output();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The server that tests share: the one that `run/test` started, or one of this process.
struct Shared {
    url: String,
    template: String,
}

static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let url = std::env::var("ANDON_TEST_POSTGRES").unwrap_or_else(|_| {
        let cluster = Cluster::start();
        let url = cluster.url.clone();
        // The guard stops it when this process ends.
        std::mem::forget(cluster);
        url
    });
    let template = format!("andon_test_{}_template", std::process::id());
    apart(async {
        drop_leftovers(&url).await;
        execute(&url, format!("CREATE DATABASE {template}")).await.expect("a database can be made");
        migrate(with_database(&url, &template)).await;
    });
    Shared { url, template }
});

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Databases of test processes that are gone.
async fn drop_leftovers(url: &str) {
    let mut connection = connect(url).await;
    let names = sqlx::query("SELECT datname::text FROM pg_database WHERE datname LIKE 'andon\\_test\\_%'")
        .fetch_all(&mut connection)
        .await
        .expect("databases can be listed");
    for row in names {
        let name: String = row.get(0);
        let process = name.split('_').nth(2).unwrap_or_default();
        if !std::path::Path::new("/proc").join(process).exists() {
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            let _ = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        }
    }
}

/// A migrated, empty database; dropped with this value.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
    dropped: bool,
}

impl Database {
    /// A new one on the server that tests share.
    pub fn create() -> Self {
        let shared = &*SHARED;
        let name = format!("andon_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        apart(execute(&shared.url, format!("CREATE DATABASE {name} TEMPLATE {}", shared.template)))
            .expect("a database can be made from the template");
        Self { server: shared.url.clone(), name, dropped: true }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// One whole number out of it, as a look behind the API.
    pub async fn number(&self, query: &'static str) -> i64 {
        let mut connection = connect(&self.url()).await;
        let number = sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("the query gives one number");
        let _ = connection.close().await;
        number
    }

    /// Changes something behind the API.
    pub async fn execute(&self, statements: String) {
        execute(&self.url(), statements).await.expect("the statements can be carried out");
    }

    /// Keeps an order from being changed until the connection is closed.
    pub async fn hold_order(&self, number: &str) -> PgConnection {
        let mut connection = connect(&self.url()).await;
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.expect("a transaction can be begun");
        let locked = sqlx::query("SELECT FROM orders WHERE number = $1 FOR UPDATE").bind(number);
        locked.fetch_one(&mut connection).await.expect("the order is there");
        connection
    }

    /// Keeps all orders from being read until the connection is closed.
    pub async fn hold_orders(&self) -> PgConnection {
        let mut connection = connect(&self.url()).await;
        let lock = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut connection).await.expect("the orders can be locked");
        connection
    }

    /// Sessions that wait for a lock.
    pub async fn waiting_for_locks(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await
    }

    /// Sessions of daemons that hold a transaction open and do nothing.
    pub async fn idle_in_transaction(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.dropped {
            let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
            let _ = apart(execute(&self.server, statement));
        }
    }
}
