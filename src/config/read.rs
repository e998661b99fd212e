//! Reads each key into its place, with its range and with what it must agree with.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use super::{
    AlertsConfig, Config, DatabaseConfig, GatherConfig, LimitsConfig, ListenConfig, ListenTls, LogConfig, LogFormat,
    MailConfig, MailDeadlines, MailTls, MailTransport, Secret, SmtpConfig, WebhookDeadlines, WebhooksConfig,
    layers::Layers,
};
use crate::domain::alerts::destination::AllowList;

/// Reads every key; what is wrong is noted in `layers`.
pub fn read(layers: &Layers) -> Config {
    let config = Config {
        database: database(layers),
        listen: listen(layers),
        mail: mail(layers),
        webhooks: webhooks(layers),
        alerts: AlertsConfig {
            fallback_address: address(layers, "alerts.fallback_address"),
            sweep_batch: layers.number("alerts.sweep_batch", 1, 10_000),
            tick: seconds(layers, "alerts.tick_s", 1, 60),
            outage_after: seconds(layers, "alerts.outage_after_s", 60, 86_400),
            storm_messages: layers.number("alerts.storm_messages", 1, 10_000),
            storm_window: Duration::from_mins(layers.number("alerts.storm_minutes", 1, 1_440).into()),
        },
        limits: LimitsConfig {
            concurrent_calls: layers.number("limits.concurrent_calls", 1, 10_000),
            request_timeout: milliseconds(layers, "limits.request_timeout_ms", 100, 600_000),
        },
        gather: GatherConfig {
            batch_max: layers.number("gather.batch_max", 1, 1_000),
            lanes: layers.number("gather.lanes", 1, 64),
        },
        clock_file: layers.path("clock.file"),
        log: log(layers),
        drain_limit: seconds(layers, "drain.limit_s", 1, 600),
    };
    if config.gather.lanes >= config.database.pool_max {
        layers.refuse("gather.lanes", "must be less than database.pool_max");
    }
    config
}

fn database(layers: &Layers) -> DatabaseConfig {
    let url = layers.text("database.url").map(Secret::new);
    if url.is_some() && layers.path("database.url_file").is_some() {
        layers.refuse("database.url_file", "cannot be set together with database.url");
    }
    let given = url.is_some() || layers.is_refused("database.url");
    let url = url.or_else(|| layers.secret_file("database.url_file", "database-url").filter(|_| !given));
    match &url {
        Some(url) if ["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme)) => {}
        Some(_) => layers.refuse("database.url", "must begin with postgres:// or postgresql://"),
        None if given || layers.is_refused("database.url_file") => {}
        None => layers.refuse(
            "database.url",
            "is not set: set it, or database.url_file, or give the systemd credential \"database-url\"",
        ),
    }
    let config = DatabaseConfig {
        url: url.unwrap_or_else(|| Secret::new("")),
        pool_max: layers.number("database.pool_max", 1, 1_000),
        delivery_pool_max: layers.number("database.delivery_pool_max", 1, 1_000),
        acquire_timeout: milliseconds(layers, "database.acquire_timeout_ms", 50, 60_000),
        statement_timeout: milliseconds(layers, "database.statement_timeout_ms", 100, 600_000),
        lock_timeout: milliseconds(layers, "database.lock_timeout_ms", 50, 60_000),
        migrate_at_start: layers.truth("database.migrate_at_start"),
    };
    if config.lock_timeout >= config.statement_timeout {
        layers.refuse("database.lock_timeout_ms", "must be less than database.statement_timeout_ms");
    }
    config
}

fn listen(layers: &Layers) -> ListenConfig {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = layers.parsed("listen.address", "an address with a port, like 127.0.0.1:7171").unwrap_or(loopback);
    let certificate_file = layers.path("listen.tls_certificate_file");
    let key_file = layers.path("listen.tls_key_file");
    let tls = match (certificate_file, key_file) {
        (Some(certificate_file), Some(key_file)) => Some(ListenTls { certificate_file, key_file }),
        (None, None) => {
            if !address.ip().is_loopback() {
                let reason = "is not a loopback address: set listen.tls_certificate_file and listen.tls_key_file too";
                layers.refuse("listen.address", reason);
            }
            None
        }
        (Some(_), None) => {
            layers.refuse("listen.tls_key_file", "must be set together with listen.tls_certificate_file");
            None
        }
        (None, Some(_)) => {
            layers.refuse("listen.tls_certificate_file", "must be set together with listen.tls_key_file");
            None
        }
    };
    ListenConfig { address, tls }
}

fn mail(layers: &Layers) -> MailConfig {
    let from = layers.text("mail.from").unwrap_or_default();
    let domain = domain_of(&from).unwrap_or_default().to_owned();
    if domain.is_empty() {
        layers.refuse("mail.from", "must be an e-mail address, with or without a name before it");
    }
    let config = MailConfig {
        transport: transport(layers),
        message_id_domain: layers.text("mail.message_id_domain").unwrap_or(domain),
        from,
        link_pattern: layers.text("mail.link_pattern"),
        language: layers.text("mail.language").unwrap_or_default(),
        connections: layers.number("mail.connections", 1, 64),
        retry_first: seconds(layers, "mail.retry_first_s", 1, 3_600),
        retry_max: seconds(layers, "mail.retry_max_s", 1, 86_400),
        give_up_after: Duration::from_hours(u64::from(layers.number("mail.give_up_after_h", 1, 720))),
        claim_lease: seconds(layers, "mail.claim_lease_s", 5, 3_600),
        deadlines: deadlines(layers),
    };
    if config.message_id_domain.contains(|c: char| c.is_whitespace() || "<>@".contains(c)) {
        layers.refuse("mail.message_id_domain", "must be a domain name");
    }
    if config.link_pattern.as_ref().is_some_and(|pattern| !is_link_pattern(pattern)) {
        layers.refuse("mail.link_pattern", "must begin with https:// or http:// and hold {number}");
    }
    if !crate::mail::speaks(&config.language) {
        layers.refuse("mail.language", "must be \"en\" or \"de\"");
    }
    if config.retry_max < config.retry_first {
        layers.refuse("mail.retry_max_s", "must be at least mail.retry_first_s");
    }
    if config.claim_lease <= config.deadlines.attempt() {
        let attempt = config.deadlines.attempt().as_millis();
        let reason = format!("must be longer than an attempt can take by mail.deadlines_ms: {attempt} ms");
        layers.refuse("mail.claim_lease_s", reason);
    }
    config
}

fn webhooks(layers: &Layers) -> WebhooksConfig {
    let step = |name: &str| milliseconds(layers, &format!("webhooks.deadlines_ms.{name}"), 50, 60_000);
    let config = WebhooksConfig {
        allow: layers.list("webhooks.allow"),
        allow_http: layers.truth("webhooks.allow_http"),
        ca_file: layers.path("webhooks.ca_file"),
        lanes: layers.number("webhooks.lanes", 1, 16),
        secret_overlap: Duration::from_hours(u64::from(layers.number("webhooks.secret_overlap_h", 0, 720))),
        retry_first: seconds(layers, "webhooks.retry_first_s", 1, 3_600),
        retry_max: seconds(layers, "webhooks.retry_max_s", 1, 86_400),
        give_up_after: Duration::from_hours(u64::from(layers.number("webhooks.give_up_after_h", 1, 720))),
        claim_lease: seconds(layers, "webhooks.claim_lease_s", 5, 3_600),
        deadlines: WebhookDeadlines {
            resolve: step("resolve"),
            connect: step("connect"),
            tls: step("tls"),
            reply: step("reply"),
            body: step("body"),
            whole: step("whole"),
        },
    };
    if let Err(why) = AllowList::parse(&config.allow, config.allow_http) {
        layers.refuse("webhooks.allow", why);
    }
    if config.retry_max < config.retry_first {
        layers.refuse("webhooks.retry_max_s", "must be at least webhooks.retry_first_s");
    }
    if config.claim_lease <= config.deadlines.whole {
        layers.refuse("webhooks.claim_lease_s", "must be longer than webhooks.deadlines_ms.whole");
    }
    config
}

fn transport(layers: &Layers) -> MailTransport {
    let folder = layers.path("mail.folder");
    let smtp = smtp(layers);
    if layers.choice("mail.mode", &[("smtp", false), ("folder", true)]) {
        if folder.is_none() {
            layers.refuse("mail.folder", "must be set with mail.mode = \"folder\"");
        }
        MailTransport::Folder(folder.unwrap_or_default())
    } else {
        if smtp.host.is_empty() {
            layers.refuse("mail.host", "must be set with mail.mode = \"smtp\"");
        }
        MailTransport::Smtp(smtp)
    }
}

fn smtp(layers: &Layers) -> SmtpConfig {
    let host = layers.text("mail.host").unwrap_or_default();
    let tls = layers.choice(
        "mail.tls",
        &[("none", MailTls::None), ("starttls", MailTls::Starttls), ("implicit", MailTls::Implicit)],
    );
    let login = if let Some(username) = layers.text("mail.username") {
        let password = layers.secret_file("mail.password_file", "smtp-password");
        if password.is_none() && !layers.is_refused("mail.password_file") {
            let reason = "must be set with mail.username, or the systemd credential \"smtp-password\" be given";
            layers.refuse("mail.password_file", reason);
        }
        if tls == MailTls::None && !is_loopback(&host) {
            layers.refuse("mail.tls", "must be \"starttls\" or \"implicit\": the password would be sent in plain text");
        }
        password.map(|password| (username, password))
    } else {
        if layers.path("mail.password_file").is_some() {
            layers.refuse("mail.username", "must be set with mail.password_file");
        }
        None
    };
    let port = layers.number("mail.port", 1, u32::from(u16::MAX));
    SmtpConfig {
        host,
        port: u16::try_from(port).expect("the range ends with the largest port"),
        tls,
        login,
        ca_file: layers.path("mail.ca_file"),
        helo_name: layers.text("mail.helo_name"),
        connection_messages_max: layers.number("mail.connection_messages_max", 1, 10_000),
        idle_max: milliseconds(layers, "mail.idle_max_ms", 100, 60_000),
    }
}

fn deadlines(layers: &Layers) -> MailDeadlines {
    let step = |name: &str| milliseconds(layers, &format!("mail.deadlines_ms.{name}"), 50, 600_000);
    MailDeadlines {
        connect: step("connect"),
        tls: step("tls"),
        greeting: step("greeting"),
        opening: step("opening"),
        command: step("command"),
        data: step("data"),
        body: step("body"),
        reply: step("reply"),
        quit: step("quit"),
    }
}

fn log(layers: &Layers) -> LogConfig {
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let config = LogConfig { format: layers.choice("log.format", &formats), filter: layers.list("log.filter") };
    if tracing_subscriber::EnvFilter::try_new(config.filter.join(",")).is_err() {
        layers.refuse("log.filter", "must hold levels or target=level (trace, debug, info, warn, error, off)");
    }
    config
}

fn address(layers: &Layers, key: &str) -> String {
    let text = layers.text(key).unwrap_or_default();
    if !layers.is_refused(key) && (domain_of(&text).is_none() || text.contains(['<', '>', ','])) {
        layers.refuse(key, "must be an e-mail address");
    }
    text
}

/// The domain of `local@domain` or `Name <local@domain>`. A first look only; the mail floor parses addresses.
fn domain_of(address: &str) -> Option<&str> {
    let bare = match address.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => address,
    };
    let (local, domain) = bare.rsplit_once('@')?;
    let is_plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || "<>,".contains(c));
    (is_plain(local) && is_plain(domain)).then_some(domain)
}

fn is_link_pattern(pattern: &str) -> bool {
    (pattern.starts_with("https://") || pattern.starts_with("http://")) && pattern.contains("{number}")
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn seconds(layers: &Layers, key: &str, least: u32, most: u32) -> Duration {
    Duration::from_secs(u64::from(layers.number(key, least, most)))
}

fn milliseconds(layers: &Layers, key: &str, least: u32, most: u32) -> Duration {
    Duration::from_millis(u64::from(layers.number(key, least, most)))
}
