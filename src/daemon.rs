//! The daemon: builds the parts from the configuration, starts them, and lets them finish.

use std::{fs, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use chrono::TimeDelta;
use tokio::net::TcpListener;

use crate::{
    config::{Config, MailTls, MailTransport},
    domain::{
        alerts::{backoff::Backoff, destination::AllowList},
        unmaintained,
    },
    grpc::{
        page_token::PageTokens,
        server::{self, Doors, ServerSettings},
    },
    lifecycle::{self, Shutdown},
    mail::{Credentials, Deadlines, FolderMailer, Mailer, SmtpConfig, SmtpMailer, TlsMode},
    ops::{
        Clock, DatabaseClock, FileClock, Plant, Settings, calls,
        digest::{self, Patience},
        dispatch::{self, Breaker, Post, Sender},
        gather::Gatherer,
        replan, sweep,
        webhooks::{Hooks, Lane},
    },
    schedule::{self, Bells},
    store::{Store, StoreSettings},
    webhook::{self, Caller, CallerConfig},
};

/// How long stored answers are kept.
const ANSWERS_KEPT: TimeDelta = TimeDelta::days(7);
/// Statements that one run of tidying takes; each forgets up to 10 000 answers.
const TIDY_ROUNDS_MAX: usize = 1_000;
/// Between two tries to reach the database at the start.
const DATABASE_RETRY: Duration = Duration::from_secs(1);

/// A certificate chain and its private key, PEM.
pub type CertificateAndKey = (Vec<u8>, Vec<u8>);

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that is named in the configuration cannot be read.
    #[error("cannot read {key}: {source}")]
    File {
        /// Key of the configuration.
        key: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The mail server's settings cannot be used.
    #[error("mail: {0}")]
    Mail(#[from] crate::mail::SmtpConfigError),
    /// Webhooks cannot be called as configured.
    #[error("webhooks: {0}")]
    Webhooks(String),
    /// The database refused, for good.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// Certificate and key cannot be used.
    #[error("listen.tls: certificate and key cannot be used: {0}")]
    Tls(tonic::transport::Error),
    /// The server ended.
    #[error("the server ended: {0}")]
    Server(#[from] tonic::transport::Error),
    /// The bells cannot be rung.
    #[error("the scheduler cannot start: {0}")]
    Bells(#[from] tokio_cron_scheduler::JobSchedulerError),
}

/// The settings of the store as configured.
#[must_use]
pub fn store_settings(config: &Config) -> StoreSettings {
    StoreSettings {
        url: config.database.url.expose().to_owned(),
        pool_max: config.database.pool_max,
        delivery_pool_max: config.database.delivery_pool_max,
        acquire_timeout: config.database.acquire_timeout,
        statement_timeout: config.database.statement_timeout,
        lock_timeout: config.database.lock_timeout,
    }
}

/// The way out for messages as configured.
///
/// # Errors
/// When a file cannot be read, or the settings cannot be used.
pub fn mailer(config: &Config) -> Result<Box<dyn Mailer>, DaemonError> {
    let smtp = match &config.mail.transport {
        MailTransport::Folder(folder) => return Ok(Box::new(FolderMailer::new(folder.clone()))),
        MailTransport::Smtp(smtp) => smtp,
    };
    let extra_ca_pem = match &smtp.ca_file {
        Some(path) => Some(fs::read(path).map_err(|source| DaemonError::File { key: "mail.ca_file", source })?),
        None => None,
    };
    let given = &config.mail.deadlines;
    let deadlines = Deadlines {
        connect: given.connect,
        tls: given.tls,
        greeting: given.greeting,
        opening: given.opening,
        command: given.command,
        data: given.data,
        body: given.body,
        reply: given.reply,
        quit: given.quit,
    };
    let defaults = SmtpConfig::default();
    Ok(Box::new(SmtpMailer::new(SmtpConfig {
        host: smtp.host.clone(),
        port: smtp.port,
        tls: match smtp.tls {
            MailTls::None => TlsMode::None,
            MailTls::Starttls => TlsMode::StartTls,
            MailTls::Implicit => TlsMode::Implicit,
        },
        credentials: smtp
            .login
            .as_ref()
            .map(|(user, password)| Credentials { user: user.clone(), password: password.expose().to_owned() }),
        extra_ca_pem,
        helo_name: smtp.helo_name.clone().unwrap_or(defaults.helo_name),
        deadlines,
        connection_messages_max: smtp.connection_messages_max,
        idle_max: smtp.idle_max,
    })?))
}

/// The way out for webhooks as configured.
///
/// # Errors
/// When a file cannot be read, or the settings cannot be used.
pub fn hooks(config: &Config) -> Result<Hooks, DaemonError> {
    let given = &config.webhooks;
    let allow = AllowList::parse(&given.allow, given.allow_http).map_err(DaemonError::Webhooks)?;
    let extra_ca_pem = match &given.ca_file {
        Some(path) => Some(fs::read(path).map_err(|source| DaemonError::File { key: "webhooks.ca_file", source })?),
        None => None,
    };
    let deadlines = webhook::Deadlines {
        resolve: given.deadlines.resolve,
        connect: given.deadlines.connect,
        tls: given.deadlines.tls,
        reply: given.deadlines.reply,
        body: given.deadlines.body,
        whole: given.deadlines.whole,
    };
    let caller = Caller::new(CallerConfig { allow, deadlines, extra_ca_pem })
        .map_err(|error| DaemonError::Webhooks(error.to_string()))?;
    let backoff = Backoff { first: given.retry_first, max: given.retry_max, give_up_after: given.give_up_after };
    let lanes = usize::try_from(given.lanes).unwrap_or(1);
    Ok(Hooks::new(caller, backoff, given.claim_lease, given.secret_overlap, lanes))
}

/// Certificate chain and key as configured, PEM; `None` when plain text is served.
///
/// # Errors
/// When a file cannot be read, or they cannot be used.
pub fn tls(config: &Config) -> Result<Option<CertificateAndKey>, DaemonError> {
    let Some(tls) = &config.listen.tls else { return Ok(None) };
    let certificate = fs::read(&tls.certificate_file)
        .map_err(|source| DaemonError::File { key: "listen.tls_certificate_file", source })?;
    let key = fs::read(&tls.key_file).map_err(|source| DaemonError::File { key: "listen.tls_key_file", source })?;
    server::check_tls(&certificate, &key).map_err(DaemonError::Tls)?;
    Ok(Some((certificate, key)))
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When the signals cannot be handled; everything else ends in the exit code.
pub async fn run(config: Config) -> std::io::Result<ExitCode> {
    let shutdown = Shutdown::new();
    let drain_limit = config.drain_limit;
    lifecycle::run(shutdown.clone(), drain_limit, serve(config, shutdown)).await
}

async fn serve(config: Config, shutdown: Shutdown) -> Result<(), DaemonError> {
    let store = Store::open(&store_settings(&config))?;
    let tls = tls(&config)?;
    let mailer = mailer(&config)?;
    let hooks = Arc::new(hooks(&config)?);
    let address = config.listen.address;
    let listener = TcpListener::bind(address).await.map_err(|source| DaemonError::Listen { address, source })?;
    let Some(page_token_key) = prepare_database(&store, &config, &shutdown).await? else { return Ok(()) };
    let clock: Arc<dyn Clock> = match &config.clock_file {
        Some(path) => {
            tracing::warn!("the time comes from a file: for tests and rehearsals only");
            Arc::new(FileClock::new(path.clone()))
        }
        None => Arc::new(DatabaseClock),
    };
    let settings = Settings {
        fallback: config.alerts.fallback_address.clone(),
        gather_max: usize::try_from(config.gather.batch_max).unwrap_or(64),
        gather_lanes: usize::try_from(config.gather.lanes).unwrap_or(2),
        sweep_batch: usize::try_from(config.alerts.sweep_batch).unwrap_or(1_000),
        outage_after: TimeDelta::from_std(config.alerts.outage_after).unwrap_or_default(),
        storm_messages: i64::from(config.alerts.storm_messages),
        storm_window: TimeDelta::from_std(config.alerts.storm_window).unwrap_or_default(),
    };
    let seed = u64::from_ne_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().unwrap_or_default());
    let plant = Plant::new(store.clone(), clock, settings, seed);
    plant.snapshot.read(&store).await?;
    let (database_now, _) = store.clock_and_version().await?;
    for sentence in unmaintained::running_out(&plant.snapshot.held(), plant.clock.now(database_now)) {
        tracing::warn!("{sentence}");
    }
    let gatherer = Gatherer::start(&plant, |lane| {
        shutdown.spawn(lane);
    });
    let bells = Bells::default();
    let mut scheduler = schedule::ring(&bells, config.alerts.tick).await?;
    spawn_work(&plant, &config, mailer, &bells, &shutdown);
    shutdown.spawn(calling(Arc::clone(&plant), Arc::clone(&hooks), bells.clone(), shutdown.clone()));

    let address = listener.local_addr().unwrap_or(address);
    let (reporter, health) = tonic_health::server::health_reporter();
    spawn_health(&plant, reporter.clone(), &shutdown);
    {
        let store = store.clone();
        lifecycle::spawn_watchdog(&shutdown, move || {
            let store = store.clone();
            async move { store.ping().await }
        });
    }
    tracing::info!(%address, tls = tls.is_some(), version = env!("CARGO_PKG_VERSION"), "listening");
    lifecycle::ready("serving");
    let server_settings = ServerSettings {
        concurrent_calls: usize::try_from(config.limits.concurrent_calls).unwrap_or(256),
        request_timeout: config.limits.request_timeout,
        tls,
    };
    let doors = Doors { plant, gatherer, tokens: PageTokens::new(page_token_key), hooks };
    let stop = shutdown.clone();
    let served = server::serve(
        listener,
        doors,
        server_settings,
        (reporter, move |routes| {
            routes.add_service(health);
        }),
        async move { stop.begun().await },
    )
    .await;
    if let Err(error) = scheduler.shutdown().await {
        tracing::debug!(%error, "the scheduler did not stop by itself");
    }
    Ok(served?)
}

/// Waits for the database and brings the schema up to date; `None` when the daemon was told to stop meanwhile.
async fn prepare_database(store: &Store, config: &Config, shutdown: &Shutdown) -> Result<Option<Vec<u8>>, DaemonError> {
    let mut waiting = false;
    loop {
        let ready = async {
            if config.database.migrate_at_start {
                store.migrate().await?;
            }
            store.page_token_key().await
        };
        let error = tokio::select! {
            ready = ready => match ready {
                Ok(key) => return Ok(Some(key)),
                Err(error) => error,
            },
            () = shutdown.begun() => return Ok(None),
        };
        if error.fault != crate::store::StoreFault::Unavailable {
            return Err(error.into());
        }
        if !waiting {
            tracing::warn!(detail = %error.detail, "waiting for the database");
            lifecycle::status("waiting for the database");
            waiting = true;
        }
        tokio::select! {
            () = tokio::time::sleep(DATABASE_RETRY) => {}
            () = shutdown.begun() => return Ok(None),
        }
    }
}

/// Starts what the bells lead to.
fn spawn_work(plant: &Arc<Plant>, config: &Config, mailer: Box<dyn Mailer>, bells: &Bells, shutdown: &Shutdown) {
    let post = Arc::new(Post {
        mailer,
        from: config.mail.from.clone(),
        domain: config.mail.message_id_domain.clone(),
        link_pattern: config.mail.link_pattern.clone(),
        language: config.mail.language.clone(),
        backoff: Backoff {
            first: config.mail.retry_first,
            max: config.mail.retry_max,
            give_up_after: config.mail.give_up_after,
        },
        lease: config.mail.claim_lease,
        breaker: Breaker::default(),
    });
    shutdown.spawn(sweeping(Arc::clone(plant), bells.clone(), shutdown.clone()));
    shutdown.spawn(telling(Arc::clone(plant), bells.clone(), shutdown.clone()));
    shutdown.spawn(replanning(Arc::clone(plant), bells.clone(), shutdown.clone()));
    shutdown.spawn(tidying(Arc::clone(plant), bells.clone(), shutdown.clone()));
    for lane in 0..config.mail.connections {
        let sender = Sender::new(&post, plant.fork_ids().seed());
        shutdown.spawn(sending(
            Arc::clone(plant),
            Arc::clone(&post),
            sender,
            lane == 0,
            bells.clone(),
            shutdown.clone(),
        ));
    }
}

async fn sweeping(plant: Arc<Plant>, bells: Bells, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = bells.sweep.notified() => {}
            () = shutdown.begun() => return,
        }
        match sweep::sweep(&plant).await {
            Ok(report) if report.examined > 0 => {
                tracing::info!(?report, "sweep");
                bells.ring_dispatch();
                bells.digest.notify_one();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the sweep was put off"),
        }
    }
}

async fn telling(plant: Arc<Plant>, bells: Bells, shutdown: Shutdown) {
    let mut patience = Patience::default();
    loop {
        tokio::select! {
            () = bells.digest.notified() => {}
            () = shutdown.begun() => return,
        }
        match digest::tell(&plant, &mut patience, || shutdown.has_begun()).await {
            Ok(report) if report.examined > 0 => {
                tracing::info!(?report, "digests");
                bells.ring_dispatch();
                if report.left {
                    bells.digest.notify_one();
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "digests were put off"),
        }
    }
}

async fn replanning(plant: Arc<Plant>, bells: Bells, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = bells.replan.notified() => {}
            () = shutdown.begun() => return,
        }
        let stop = shutdown.clone();
        match replan::replan(&plant, move || stop.has_begun()).await {
            Ok(report) if report.left => {
                tracing::info!(?report, "replan");
                bells.sweep.notify_one();
                bells.replan.notify_one();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a recomputation was put off"),
        }
    }
}

async fn tidying(plant: Arc<Plant>, bells: Bells, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = bells.tidy.notified() => {}
            () = shutdown.begun() => return,
        }
        let tidied = async {
            let (database_now, _) = plant.store.clock_and_version().await?;
            let before = plant.clock.now(database_now) - ANSWERS_KEPT;
            let mut forgotten = 0;
            // As long as there is something, whatever came in since the last time: a fixed share an hour would fall behind.
            for _ in 0..TIDY_ROUNDS_MAX {
                let round = plant.store.forget_requests(before).await?;
                forgotten += round;
                if round == 0 || shutdown.has_begun() {
                    break;
                }
            }
            for _ in 0..TIDY_ROUNDS_MAX {
                let round = plant.store.forget_causes(before).await?;
                forgotten += round;
                if round == 0 || shutdown.has_begun() {
                    break;
                }
            }
            Ok::<_, crate::store::StoreError>(forgotten)
        };
        match tidied.await {
            Ok(forgotten) => tracing::debug!(forgotten, "stored answers tidied"),
            Err(error) => tracing::warn!(%error, "tidying was put off"),
        }
    }
}

/// Puts lanes to work for the webhooks that have something due.
async fn calling(plant: Arc<Plant>, hooks: Arc<Hooks>, bells: Bells, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = bells.call.notified() => {}
            () = shutdown.begun() => return,
        }
        match calls::look(&plant, &hooks).await {
            Ok(lanes) => {
                for lane in lanes {
                    shutdown.spawn(calling_one(Arc::clone(&plant), lane, shutdown.clone()));
                }
            }
            Err(error) => tracing::warn!(%error, "calling was put off"),
        }
    }
}

async fn calling_one(plant: Arc<Plant>, lane: Lane, shutdown: Shutdown) {
    if let Err(error) = calls::run(&plant, &lane, || shutdown.has_begun()).await {
        tracing::warn!(%error, "calling was put off");
    }
}

/// One lane of the dispatcher. The first lane also takes back what senders that are gone had claimed.
async fn sending(
    plant: Arc<Plant>,
    post: Arc<Post>,
    mut sender: Sender,
    first: bool,
    bells: Bells,
    shutdown: Shutdown,
) {
    loop {
        tokio::select! {
            () = bells.dispatch.notified() => {}
            () = shutdown.begun() => break,
        }
        if first && let Err(error) = dispatch::take_back(&plant).await {
            tracing::warn!(%error, "taking back was put off");
        }
        loop {
            match sender.run(&plant, &post, || shutdown.has_begun()).await {
                Ok(report) if report.claimed > 0 && !shutdown.has_begun() && post.breaker.closed() => {}
                Ok(_) => {
                    // Nothing left: the mail server need not keep the connection.
                    sender.close().await;
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "sending was put off");
                    break;
                }
            }
        }
    }
    sender.close().await;
}

/// Tells health checks whether the database answers.
fn spawn_health(plant: &Arc<Plant>, mut reporter: tonic_health::server::HealthReporter, shutdown: &Shutdown) {
    let (plant, stop) = (Arc::clone(plant), shutdown.clone());
    shutdown.spawn(async move {
        let mut serving = None;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.begun() => {
                    for service in server::SERVICES {
                        reporter.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
                        // Ends the calls that watch: the drain would wait for them until its limit.
                        reporter.clear_service_status(service).await;
                    }
                    return;
                }
            }
            let answers = plant.store.ping().await.is_ok();
            if serving != Some(answers) {
                let status = if answers {
                    tonic_health::ServingStatus::Serving
                } else {
                    tonic_health::ServingStatus::NotServing
                };
                for service in server::SERVICES {
                    reporter.set_service_status(service, status).await;
                }
                tracing::info!(database_answers = answers, "health");
                serving = Some(answers);
            }
        }
    });
}
