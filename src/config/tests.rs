//! What the configuration takes and what it refuses.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use super::{Config, ConfigViolation, LogFormat, MailTls, MailTransport, layers::Layers, read};

const URL: (&str, &str) = ("ANDON_DATABASE__URL", "postgres://andon:canary@127.0.0.1/andon");

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("andon-config-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder can be written to");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("the temporary folder can be written to");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_env(pairs: &[(&str, &str)]) -> Result<Config, Vec<ConfigViolation>> {
    Config::load(None, env(pairs))
}

fn refused_keys(result: Result<Config, Vec<ConfigViolation>>) -> Vec<String> {
    result.expect_err("the configuration is refused").into_iter().map(|violation| violation.key).collect()
}

#[test]
fn a_database_url_is_all_that_is_needed() {
    let config = from_env(&[URL]).expect("the defaults are good");
    assert_eq!(config.listen.address, SocketAddr::from(([127, 0, 0, 1], 7171)));
    assert_eq!(config.mail.message_id_domain, "localhost");
    assert_eq!(config.mail.claim_lease, Duration::from_secs(30));
    assert_eq!(config.log.filter, ["info", "sqlx=warn", "tokio_cron_scheduler=warn"]);
    assert!(config.database.migrate_at_start);
    assert!(matches!(config.mail.transport, MailTransport::Smtp(smtp) if smtp.port == 25 && smtp.tls == MailTls::None));
}

#[test]
fn every_documented_key_is_read() {
    let pairs = env(&[URL, ("ANDON_MAIL__USERNAME", "andon")]);
    let layers = Layers::read(None, pairs.into_iter().collect()).expect("the defaults are TOML");
    read::read(&layers);
    assert_eq!(layers.never_asked(), Vec::<String>::new());
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let folder = Folder::new("layers");
    let file = folder.file("andon.toml", "[mail]\nport = 2525\nhost = \"relay\"\n[mail.deadlines_ms]\nbody = 900\n");
    let pairs = env(&[
        URL,
        ("ANDON_MAIL__PORT", "587"),
        ("ANDON_MAIL__DEADLINES_MS__CONNECT", "700"),
        ("ANDON_LOG__FILTER", "debug, tonic=info"),
        ("ANDON_LOG__FORMAT", "json"),
        ("ANDON_DATABASE__MIGRATE_AT_START", "false"),
    ]);
    let config = Config::load(Some(&file), pairs).expect("all of it is good");
    assert_eq!(config.mail.deadlines.connect, Duration::from_millis(700));
    assert_eq!(config.mail.deadlines.body, Duration::from_millis(900));
    assert_eq!(config.mail.deadlines.reply, Duration::from_secs(8));
    assert_eq!(config.log.filter, ["debug", "tonic=info"]);
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(!config.database.migrate_at_start);
    assert!(matches!(config.mail.transport, MailTransport::Smtp(smtp) if smtp.port == 587 && smtp.host == "relay"));
}

#[test]
fn everything_wrong_is_told_at_once_with_source_key_and_reason() {
    let folder = Folder::new("all");
    let text =
        "[mail]\nport = \"25\"\nhots = \"x\"\n[gather]\nlanes = 0\n[nothing]\n[listen]\naddress = \"0.0.0.0:7171\"\n";
    let file = folder.file("andon.toml", text);
    let pairs =
        env(&[("ANDON_LOG__FORMAT", "xml"), ("ANDON_LISTEN_ADDRESS", "x"), ("ANDON_MAIL__CLAIM_LEASE_S", "25")]);
    let violations = Config::load(Some(&file), pairs).expect_err("nearly all of it is wrong");
    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
    let file = file.display();
    let expected = [
        "defaults: database.url is not set: set it, or database.url_file, or give the systemd credential \"database-url\"".to_owned(),
        format!("{file}: gather.lanes must be a whole number from 1 to 64"),
        format!(
            "{file}: listen.address is not a loopback address: set listen.tls_certificate_file and listen.tls_key_file too"
        ),
        "ANDON_LISTEN_ADDRESS: listen_address is not a key of andon".to_owned(),
        "ANDON_LOG__FORMAT: log.format must be one of \"auto\", \"text\", \"json\"".to_owned(),
        "ANDON_MAIL__CLAIM_LEASE_S: mail.claim_lease_s must be longer than an attempt can take by mail.deadlines_ms: 25000 ms"
            .to_owned(),
        format!("{file}: mail.hots is not a key of andon"),
        format!("{file}: mail.port must be a whole number from 1 to 65535"),
        format!("{file}: nothing is not a key of andon"),
    ];
    assert_eq!(told, expected);
}

#[test]
fn sections_and_values_cannot_stand_for_each_other() {
    assert_eq!(refused_keys(from_env(&[URL, ("ANDON_MAIL", "x")])), ["mail"]);
    assert_eq!(refused_keys(from_env(&[URL, ("ANDON_MAIL__PORT__X", "1")])), ["mail.port.x"]);
}

#[test]
fn wrong_types_are_refused() {
    let folder = Folder::new("types");
    for (text, key) in [
        ("mail.port = 25.0", "mail.port"),
        ("mail.port = true", "mail.port"),
        ("mail.host = 5", "mail.host"),
        ("log.filter = \"info\"", "log.filter"),
        ("log.filter = [1]", "log.filter"),
        ("database.migrate_at_start = \"yes\"", "database.migrate_at_start"),
        ("database.migrate_at_start = 1", "database.migrate_at_start"),
    ] {
        let file = folder.file("andon.toml", text);
        assert!(refused_keys(Config::load(Some(&file), env(&[URL]))).contains(&key.to_owned()), "{text}");
    }
}

#[test]
fn impossible_combinations_are_refused() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("ANDON_MAIL__MODE", "folder")], "mail.folder"),
        (&[("ANDON_MAIL__HOST", "")], "mail.host"),
        (&[("ANDON_MAIL__USERNAME", "andon")], "mail.password_file"),
        (&[("ANDON_MAIL__PASSWORD_FILE", "/etc/hostname")], "mail.username"),
        (&[("ANDON_LISTEN__TLS_KEY_FILE", "/key")], "listen.tls_certificate_file"),
        (&[("ANDON_LISTEN__TLS_CERTIFICATE_FILE", "/chain")], "listen.tls_key_file"),
        (&[("ANDON_DATABASE__URL_FILE", "/url")], "database.url_file"),
        (&[("ANDON_DATABASE__LOCK_TIMEOUT_MS", "10000")], "database.lock_timeout_ms"),
        (&[("ANDON_MAIL__RETRY_MAX_S", "29")], "mail.retry_max_s"),
        (&[("ANDON_GATHER__LANES", "8")], "gather.lanes"),
        (&[("ANDON_MAIL__FROM", "nobody")], "mail.from"),
        (&[("ANDON_MAIL__LINK_PATTERN", "https://erp.example/")], "mail.link_pattern"),
        (&[("ANDON_MAIL__LANGUAGE", "fr")], "mail.language"),
        (&[("ANDON_ALERTS__FALLBACK_ADDRESS", "")], "alerts.fallback_address"),
        (&[("ANDON_LOG__FILTER", "andon=loud")], "log.filter"),
    ];
    for (pairs, key) in cases {
        let pairs = [&[URL], *pairs].concat();
        assert_eq!(refused_keys(from_env(&pairs)), [*key], "{pairs:?}");
    }
}

#[test]
fn a_password_is_never_sent_in_plain_text_beyond_this_machine() {
    let folder = Folder::new("plain");
    let password = folder.file("password", "canary\n").display().to_string();
    let pairs = |host| {
        [URL, ("ANDON_MAIL__USERNAME", "andon"), ("ANDON_MAIL__PASSWORD_FILE", &password), ("ANDON_MAIL__HOST", host)]
    };
    assert_eq!(refused_keys(from_env(&pairs("relay.example"))), ["mail.tls"]);
    assert!(from_env(&pairs("127.0.0.1")).is_ok());
    assert!(from_env(&[&pairs("relay.example")[..], &[("ANDON_MAIL__TLS", "implicit")]].concat()).is_ok());
}

#[test]
fn secrets_come_from_systemd_credentials_when_no_key_names_them() {
    let folder = Folder::new("credentials");
    folder.file("database-url", "postgresql://andon@db/andon\n");
    folder.file("smtp-password", "canary\n");
    let credentials = folder.0.display().to_string();
    let config = from_env(&[("CREDENTIALS_DIRECTORY", &credentials), ("ANDON_MAIL__USERNAME", "andon")])
        .expect("both secrets are there");
    assert_eq!(config.database.url.expose(), "postgresql://andon@db/andon");
    let MailTransport::Smtp(smtp) = config.mail.transport else { panic!("the default is a relay") };
    assert_eq!(smtp.login.map(|(_, password)| password.expose().to_owned()).as_deref(), Some("canary"));
}

#[test]
fn a_missing_or_empty_secret_file_is_told_with_its_path() {
    let folder = Folder::new("missing");
    let empty = folder.file("empty", "\n").display().to_string();
    let violations = from_env(&[("ANDON_DATABASE__URL_FILE", &empty)]).expect_err("it is empty");
    assert_eq!(violations.len(), 1);
    assert_eq!(violations[0].reason, format!("{empty} is empty"));
    assert_eq!(refused_keys(from_env(&[("ANDON_DATABASE__URL_FILE", "/nowhere/url")])), ["database.url_file"]);
}

#[test]
fn nothing_secret_is_printed() {
    let folder = Folder::new("secrets");
    let password = folder.file("password", "canary").display().to_string();
    let good = [URL, ("ANDON_MAIL__USERNAME", "andon"), ("ANDON_MAIL__PASSWORD_FILE", &password)];
    let shown = format!("{:?}", from_env(&good).expect("all of it is good"));
    assert!(!shown.contains("canary") && shown.contains("Secret(hidden)"), "{shown}");

    let told = format!("{:?}", from_env(&[("ANDON_DATABASE__URL", "mysql://andon:canary@db")]));
    assert!(!told.contains("canary"), "{told}");

    let file = folder.file("andon.toml", "[database]\nurl = \"postgres://andon:canary@db\n");
    let told = Config::load(Some(&file), env(&[])).expect_err("the text is not closed");
    assert_eq!(told.len(), 1);
    assert!(!format!("{told:?}").contains("canary"), "{told:?}");
    assert!(told[0].to_string().contains("line 2"), "{told:?}");
}

#[test]
fn webhooks_are_off_until_destinations_are_listed() {
    assert!(from_env(&[URL]).expect("the defaults are good").webhooks.allow.is_empty());
    let listed = from_env(&[URL, ("ANDON_WEBHOOKS__ALLOW", "hooks.example.com, 10.1.0.0/16")]).expect("two entries");
    assert_eq!(listed.webhooks.allow, ["hooks.example.com", "10.1.0.0/16"]);
    let wrong = [
        URL,
        ("ANDON_WEBHOOKS__ALLOW", "https://hooks.example.com/"),
        ("ANDON_WEBHOOKS__RETRY_MAX_S", "29"),
        ("ANDON_WEBHOOKS__CLAIM_LEASE_S", "12"),
    ];
    assert_eq!(refused_keys(from_env(&wrong)), ["webhooks.allow", "webhooks.claim_lease_s", "webhooks.retry_max_s"]);
}

#[test]
fn variables_of_other_commands_are_left_alone() {
    assert!(
        from_env(&[URL, ("ANDON_SERVER", "x"), ("ANDON_TEST_POSTGRES", "x"), ("andon_x", "x"), ("PATH", "x")]).is_ok()
    );
}
