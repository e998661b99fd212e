//! `andon webhooks`: programs that are told by HTTP.

use std::{fmt::Write as _, time::Duration};

use clap::{Args, Subcommand};
use prost_types::FieldMask;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    dates,
    failure::{self, Failure},
    json,
    sheet::{Sheet, Tone},
    types::{said, some_change},
    words,
};
use crate::grpc::proto::v1::{
    CreateWebhookRequest, GetWebhookRequest, ListWebhooksRequest, RotateSecretRequest, TestWebhookRequest,
    UpdateWebhookRequest, Webhook,
};

/// What can be done with webhooks.
#[derive(Subcommand)]
pub enum Verb {
    /// List webhooks
    List {
        /// Also the disabled ones
        #[arg(long)]
        all: bool,
    },
    /// Show one webhook
    Show {
        /// Id of the webhook
        id: String,
    },
    /// Create a webhook; prints its secret, which is never shown again
    Add(Add),
    /// Change a webhook; what is not given stays
    Set(Set),
    /// Give a webhook another secret; prints it. The old one signs as well for a while
    Rotate(Rotate),
    /// Make a signed test call, and show what the destination said; exit code 1 when it did not take it
    Test {
        /// Id of the webhook
        id: String,
    },
}

/// The new webhook.
#[derive(Args)]
pub struct Add {
    /// Id of the webhook
    id: String,
    /// Where it is called; the configuration of the daemon must allow it
    #[arg(long)]
    url: String,
    /// For people
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// Not called yet; what is decided meanwhile waits
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    write: Write,
}

/// What changes in the webhook.
#[derive(Args)]
pub struct Set {
    /// Id of the webhook
    id: String,
    /// Where it is called
    #[arg(long)]
    url: Option<String>,
    /// For people
    #[arg(long)]
    description: Option<String>,
    /// Not called; what is decided meanwhile waits
    #[arg(long, value_name = "true|false")]
    disabled: Option<bool>,
    /// Only if this is still the version of the webhook
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

/// How its secret changes.
#[derive(Args)]
pub struct Rotate {
    /// Id of the webhook
    id: String,
    /// How long the old secret signs as well: 90m, 24h, 7d; 0s = no more [default: as the daemon is configured]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    overlap: Option<Duration>,
    /// Only if this is still the version of the webhook
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

/// Seconds, minutes, hours or days.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a number and a unit: 30s, 90m, 24h, 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `WebhookService`.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    let mut client = caller.webhooks().await?;
    match verb {
        Verb::List { all } => {
            let found = client.list_webhooks(ListWebhooksRequest { include_disabled: all }).await?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("ListWebhooksResponse", &found)));
            }
            if found.webhooks.is_empty() {
                return Ok(Answer::text("No webhooks. `andon webhooks add ID --url URL` adds one."));
            }
            Ok(Answer::text(table(&found.webhooks, caller.colour)))
        }
        Verb::Show { id } => {
            let found = client.get_webhook(GetWebhookRequest { id }).await?.into_inner().webhook.unwrap_or_default();
            if caller.json {
                return Ok(Answer::json(&json::value("Webhook", &found)));
            }
            Ok(Answer::text(block(&found)))
        }
        Verb::Add(add) => {
            let (request_id, validate_only) = (add.write.request_id(), add.write.preview);
            let failure = Failure::of_write(&request_id);
            let webhook = Webhook {
                id: add.id,
                url: add.url,
                description: add.description,
                disabled: add.disabled,
                ..Webhook::default()
            };
            let request = CreateWebhookRequest { webhook: Some(webhook), request_id, validate_only };
            let made = client.create_webhook(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("CreateWebhookResponse", &made)));
            }
            let done = said("created", validate_only);
            let secret = secret_lines(&made.secret, validate_only);
            Ok(Answer::text(format!("{done}\n\n{}{secret}", block(&made.webhook.unwrap_or_default()))))
        }
        Verb::Set(set) => {
            let (request_id, validate_only) = (set.write.request_id(), set.write.preview);
            let failure = Failure::of_write(&request_id);
            let mut paths = Vec::new();
            let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
            given("url", set.url.is_some());
            given("description", set.description.is_some());
            given("disabled", set.disabled.is_some());
            some_change(&paths)?;
            let webhook = Webhook {
                id: set.id,
                url: set.url.unwrap_or_default(),
                description: set.description.unwrap_or_default(),
                disabled: set.disabled.unwrap_or(false),
                etag: set.etag,
                ..Webhook::default()
            };
            let update_mask = Some(FieldMask { paths });
            let request = UpdateWebhookRequest { webhook: Some(webhook), update_mask, request_id, validate_only };
            let changed = client.update_webhook(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("UpdateWebhookResponse", &changed)));
            }
            let done = said("changed", validate_only);
            Ok(Answer::text(format!("{done}\n\n{}", block(&changed.webhook.unwrap_or_default()))))
        }
        Verb::Rotate(rotate) => {
            let (request_id, validate_only) = (rotate.write.request_id(), rotate.write.preview);
            let failure = Failure::of_write(&request_id);
            let overlap = rotate.overlap.and_then(|overlap| prost_types::Duration::try_from(overlap).ok());
            let request = RotateSecretRequest { id: rotate.id, etag: rotate.etag, overlap, request_id, validate_only };
            let rotated = client.rotate_secret(request).await.map_err(failure)?.into_inner();
            if caller.json {
                return Ok(Answer::json(&json::value("RotateSecretResponse", &rotated)));
            }
            let until = dates::show_instant(rotated.old_until_time.as_ref());
            let done = said("another secret", validate_only);
            let secret = secret_lines(&rotated.secret, validate_only);
            Ok(Answer::text(format!("{done}\n\nold secrets sign as well until {until}\n{secret}")))
        }
        Verb::Test { id } => {
            let tested = client.test_webhook(TestWebhookRequest { id }).await?.into_inner();
            let exit_code = if tested.outcome == "SENT" { 0 } else { failure::REFUSED };
            if caller.json {
                let answer = Answer::json(&json::value("TestWebhookResponse", &tested));
                return Ok(answer.with_exit_code(exit_code));
            }
            let took = tested.took.and_then(|took| Duration::try_from(took).ok()).unwrap_or_default();
            let text = format!(
                "{} after {} ms: {}\nwebhook-id {}",
                words::word(&tested.outcome, ""),
                took.as_millis(),
                words::clean(&tested.reply),
                words::clean(&tested.webhook_id)
            );
            Ok(Answer::text(text).with_exit_code(exit_code))
        }
    }
}

/// The secret, and what to know about it.
fn secret_lines(secret: &str, preview: bool) -> String {
    match (secret, preview) {
        (_, true) => String::new(),
        ("", false) => {
            "\nThe answer to a repeated call is without the secret: `andon webhooks rotate` gives another.".into()
        }
        (secret, false) => format!("\nsecret {secret}\nIt is not shown again. Keep it where the receiver reads it."),
    }
}

fn table(webhooks: &[Webhook], colour: bool) -> String {
    let mut sheet = Sheet::new(&["WEBHOOK", "URL", "DESCRIPTION", ""], colour);
    sheet.keep_whole(0);
    for it in webhooks {
        let tone = if it.disabled { Tone::Faint } else { Tone::Plain };
        let mark = if it.disabled { "disabled" } else { "" };
        sheet.toned_row([
            (it.id.clone(), tone),
            (it.url.clone(), tone),
            (it.description.clone(), tone),
            (mark.to_owned(), tone),
        ]);
    }
    sheet.fitted()
}

fn block(webhook: &Webhook) -> String {
    let facts = [
        ("url", webhook.url.clone()),
        ("description", webhook.description.clone()),
        ("called", if webhook.disabled { "no: disabled".into() } else { "yes".into() }),
        ("created", dates::show_instant(webhook.create_time.as_ref())),
        ("changed", dates::show_instant(webhook.update_time.as_ref())),
        ("etag", webhook.etag.clone()),
    ];
    let mut text = format!("{}\n", words::clean(&webhook.id));
    for (label, value) in facts.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "  {label:<14} {}", words::clean(&value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlap_is_a_number_and_a_unit() {
        let seconds = |text| parse_duration(text).map(|it| it.as_secs());
        assert_eq!(
            (seconds("0s"), seconds("90m"), seconds("24h"), seconds("7d")),
            (Ok(0), Ok(5_400), Ok(86_400), Ok(604_800))
        );
        for bad in ["", "h", "1", "-1h", "1.5h", "1w", "4ü", "99999999999h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_disabled_webhook_is_marked() {
        let webhook = Webhook { id: "erp".into(), url: "https://erp.plant/".into(), ..Webhook::default() };
        assert!(!table(std::slice::from_ref(&webhook), false).contains("disabled"));
        let disabled = Webhook { disabled: true, ..webhook };
        assert!(table(std::slice::from_ref(&disabled), false).contains("disabled"));
        assert!(block(&disabled).contains("no: disabled"));
    }
}
