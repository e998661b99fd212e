//! `andond check`: tests configuration, database, schema, webhooks and mail, and says what to do.

use crate::{
    config::{Config, MailTransport},
    daemon,
    domain::unmaintained,
    store::{Store, StoreError},
};

/// One thing that was tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: &'static str,
    /// What is wrong, and what to do; `None` when it is right.
    pub wrong: Option<String>,
    /// What was found, when it is right.
    pub found: String,
}

/// How far the calendars in use are maintained. Never wrong: work goes on without, only less surely.
async fn holidays(store: &Store) -> String {
    let read = async { Ok::<_, StoreError>((store.load_catalogue().await?, store.clock_and_version().await?.0)) };
    match read.await {
        Ok((catalogue, now)) => match unmaintained::running_out(&catalogue, now).as_slice() {
            [] => "no calendar in use runs out of holidays soon".to_owned(),
            sentences => sentences.join("; "),
        },
        Err(error) => format!("cannot be read: {error}"),
    }
}

/// Tests everything that can be tested without changing anything.
pub async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let right = |what, found: String| Finding { what, wrong: None, found };
    let wrong = |what, text: String| Finding { what, wrong: Some(text), found: String::new() };
    findings.push(right("configuration", "complete".into()));
    findings.push(match daemon::tls(config) {
        Ok(Some(_)) => right("tls", "certificate and key can be used".into()),
        Ok(None) => right("tls", format!("plain text on {}", config.listen.address)),
        Err(error) => wrong("tls", format!("{error}; see the keys of [listen]")),
    });
    match Store::open(&daemon::store_settings(config)) {
        Err(error) => findings.push(wrong("database", format!("{error}; see database.url"))),
        Ok(store) => {
            match store.ping().await {
                Ok(()) => findings.push(right("database", "answers".into())),
                Err(error) => findings.push(wrong(
                    "database",
                    format!("{error}; is PostgreSQL running, and are host, user and password in database.url right?"),
                )),
            }
            match store.schema_version().await {
                Ok((current, wanted)) if current == wanted => {
                    findings.push(right("schema", format!("version {current}")));
                    findings.push(right("holidays", holidays(&store).await));
                }
                Ok((current, wanted)) if current < wanted => findings.push(wrong(
                    "schema",
                    format!("version {current}, this program needs {wanted}: run 'andond migrate'"),
                )),
                Ok((current, wanted)) => {
                    findings.push(right("schema", format!("version {current}, newer than this program's {wanted}")));
                }
                Err(error) => findings.push(wrong("schema", format!("{error}; run 'andond migrate'"))),
            }
            store.close().await;
        }
    }
    findings.push(match daemon::hooks(config) {
        Err(error) => wrong("webhooks", error.to_string()),
        Ok(hooks) if hooks.caller.allow().is_empty() => right("webhooks", "off: webhooks.allow is empty".into()),
        Ok(_) => right("webhooks", format!("allowed to {}", config.webhooks.allow.join(", "))),
    });
    findings.push(match daemon::mailer(config) {
        Err(error) => wrong("mail", error.to_string()),
        Ok(mailer) => match &config.mail.transport {
            MailTransport::Folder(folder) if folder.is_dir() => right("mail", format!("folder {}", folder.display())),
            MailTransport::Folder(folder) => {
                wrong("mail", format!("the folder {} does not exist: make it", folder.display()))
            }
            MailTransport::Smtp(smtp) => match mailer.probe().await {
                Ok(greeting) => right("mail", format!("{}:{} {greeting}", smtp.host, smtp.port)),
                Err(reason) => wrong("mail", format!("{}:{}: {reason}; see the keys of [mail]", smtp.host, smtp.port)),
            },
        },
    });
    findings
}
