//! PostgreSQL: every statement of andon, and nothing else.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub mod catalogue;
pub mod catalogue_edit;
mod catalogue_rows;
pub mod dates;
pub mod deliveries;
pub mod digests;
mod error;
pub mod facts;
pub mod orders;

pub mod outbox;
pub mod replan_parts;
pub mod replans;
pub mod requests;
pub mod tasks;
pub mod webhooks;
pub mod write;

pub use error::{StoreError, StoreFault};

/// A connection within a transaction, for verbs that decide between reading and writing.
pub(crate) type Connection = sqlx::PgConnection;

/// The migrations, as compiled in. A schema that is newer than this program is no fault: one version back keeps working.
static MIGRATIONS: sqlx::migrate::Migrator =
    sqlx::migrate::Migrator { ignore_missing: true, ..sqlx::migrate!("./migrations") };

/// How connections are made. Every limit stands on every connection.
#[derive(Clone)]
pub struct StoreSettings {
    /// `postgres://...`; secret.
    pub url: String,
    /// Connections for calls and sweeps, at most.
    pub pool_max: u32,
    /// Connections for deliveries, at most.
    pub delivery_pool_max: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
    /// How long one statement may take.
    pub statement_timeout: Duration,
    /// How long one statement may wait for a lock.
    pub lock_timeout: Duration,
}

impl std::fmt::Debug for StoreSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreSettings").field("pool_max", &self.pool_max).finish_non_exhaustive()
    }
}

/// The database: one pool for calls, one for deliveries, so that neither starves the other.
#[derive(Debug, Clone)]
pub struct Store {
    /// For calls and sweeps.
    pub(crate) calls: PgPool,
    /// For the outbox.
    pub(crate) deliveries: PgPool,
}

impl Store {
    /// Prepares the pools; connects when first used.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let options = connect_options(settings)?;
        let pool = |max| {
            PgPoolOptions::new()
                .max_connections(max)
                .acquire_timeout(settings.acquire_timeout)
                .idle_timeout(Duration::from_mins(10))
                .max_lifetime(Duration::from_hours(1))
                .test_before_acquire(false)
                .connect_lazy_with(options.clone())
        };
        Ok(Self { calls: pool(settings.pool_max), deliveries: pool(settings.delivery_pool_max) })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.calls.acquire().await.map_err(|error| StoreError::new("ping", error))?;
        connection.ping().await.map_err(|error| StoreError::new("ping", error))
    }

    /// Applies the migrations that are missing. One daemon does it, the others wait.
    ///
    /// # Errors
    /// When a migration fails, or the schema is newer than this program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.calls.acquire().await.map_err(|error| StoreError::new("migrate", error))?;
        // Waiting for another daemon's migration must not run into the limits of ordinary statements.
        sqlx::query!("SELECT set_config('statement_timeout', '0', false) AS statement_timeout, set_config('lock_timeout', '0', false) AS lock_timeout")
            .fetch_one(&mut *connection)
            .await
            .map_err(|error| StoreError::new("migrate", error))?;
        let mut connection = connection.detach();
        MIGRATIONS
            .run_direct(None, &mut connection, false)
            .await
            .map_err(|error| StoreError::new("migrate", sqlx::Error::from(error)))?;
        connection.close().await.map_err(|error| StoreError::new("migrate", error))
    }

    /// The version of the schema, and the one that this program needs. 0 when there is no schema.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schema_version(&self) -> Result<(i64, i64), StoreError> {
        let wanted = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        // The migrator's own table: not in the migrations, so not known when this is compiled.
        let current =
            sqlx::query_scalar::<_, i64>("SELECT COALESCE(max(version), 0) FROM _sqlx_migrations WHERE success")
                .fetch_one(&self.calls)
                .await;
        match current {
            Ok(current) => Ok((current, wanted)),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => Ok((0, wanted)),
            Err(error) => Err(StoreError::new("read the schema version", error)),
        }
    }

    /// The key that authenticates page tokens, the same for all daemons on this database. 32 bytes; secret.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn page_token_key(&self) -> Result<Vec<u8>, StoreError> {
        sqlx::query_scalar!("SELECT page_token_key FROM installation")
            .fetch_one(&self.calls)
            .await
            .map_err(|error| StoreError::new("read the page token key", error))
    }

    /// Begins a transaction. The caller is a task of its own, so that nobody can drop it half-way.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn begin(
        &self,
        operation: &'static str,
    ) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, StoreError> {
        self.calls.begin().await.map_err(|error| StoreError::new(operation, error))
    }

    /// Closes the pools; waits for connections that are in use.
    pub async fn close(&self) {
        self.calls.close().await;
        self.deliveries.close().await;
    }
}

fn connect_options(settings: &StoreSettings) -> Result<PgConnectOptions, StoreError> {
    let ms = |duration: Duration| duration.as_millis().to_string();
    let options =
        PgConnectOptions::from_str(&settings.url).map_err(|error| StoreError::new("read the database URL", error))?;
    Ok(options.application_name("andond").options([
        ("TimeZone", "UTC".to_owned()),
        ("statement_timeout", ms(settings.statement_timeout)),
        ("lock_timeout", ms(settings.lock_timeout)),
        ("idle_in_transaction_session_timeout", ms(settings.statement_timeout)),
        ("client_connection_check_interval", "500".to_owned()),
        ("tcp_keepalives_idle", "30".to_owned()),
        ("tcp_keepalives_interval", "10".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", "30000".to_owned()),
        // Prepared statements over arrays are planned once; the compiler would cost more than it saves.
        ("jit", "off".to_owned()),
    ]))
}
