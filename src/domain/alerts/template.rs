//! Templates of subjects, texts and titles: what a trigger says in its own words.
//!
//! They see the facts of the message under the names of `docs/alerts.md` and nothing else: no files, no environment, no other
//! templates. A name that does not exist is an error, found when the trigger is saved. What a template can cost is bounded: its own
//! length, the work of the engine, and the length of what comes out. The engine's own bound has holes where it repeats a list, which
//! it only does when it is read, and in filters whose result grows by more than they are given. So there are no lists, and only
//! filters that are harmless.

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters, value::Serde};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    event::Occurrence,
    message::{Happened, NoteFacts, OrderFacts, Reader, Recipient, Why},
    trigger::Event,
};
use crate::domain::{note::NoteKind, order::DueCause, projection::Health};

/// Characters of the template of a subject or a title.
pub const SUBJECT_MAX: usize = 500;
/// Characters of the template of a text.
pub const BODY_MAX: usize = 10_000;
/// Characters of what comes out; what is more is cut.
pub const OUTPUT_MAX: usize = 10_000;
/// What one rendering may cost, in the engine's own measure: about one for a step and one for 64 bytes.
const FUEL: u64 = 20_000;
/// How deep expressions and macros may go.
const DEPTH_MAX: usize = 50;

/// Renders a template; an empty one is empty.
///
/// # Errors
/// What is wrong with it, in the words of the template engine: syntax, an unknown name, too much work.
pub fn render(template: &str, happened: &Happened, recipient: &Recipient) -> Result<String, String> {
    if template.is_empty() {
        return Ok(String::new());
    }
    without_brackets(template)?;
    let rendered =
        environment().render_str(template, Serde(seen(happened, recipient))).map_err(|error| error.to_string())?;
    // A template can make what no text of the plant may have, a NUL among them, which the database would refuse.
    let shows = |letter: &char| !letter.is_control() || matches!(letter, '\n' | '\t');
    Ok(rendered.chars().filter(shows).take(OUTPUT_MAX).collect())
}

/// Whether a template can be rendered for every message about an event: with all facts, and with those that an order can lack.
///
/// # Errors
/// What is wrong with it, for whoever saves it: too long, syntax, a name that messages about this event do not have, too much work.
pub fn check(template: &str, event: Event) -> Result<(), String> {
    if template.chars().nth(BODY_MAX).is_some() {
        return Err(format!("is longer than {BODY_MAX} characters"));
    }
    // Before it is compiled: what is constant is computed then.
    without_brackets(template)?;
    let (full, recipient) = sample(event);
    let known = seen(&full, &recipient);
    let environment = environment();
    let compiled = environment.template_from_str(template).map_err(|error| error.to_string())?;
    // Also in branches that the samples do not take.
    let mut used: Vec<String> = compiled.undeclared_variables(true).into_iter().collect();
    used.sort();
    if let Some(unknown) = used.iter().find(|name| !is_known(&known, name)) {
        let names = names(&known).join(", ");
        return Err(format!("{unknown} is not known to messages about {}; known are {names}", event.as_str()));
    }
    let nobody = Recipient { user: None, name: String::new(), address: recipient.address.clone() };
    for (happened, recipient) in [(&full, &recipient), (&bare(&full), &nobody)] {
        render(template, happened, recipient)?;
    }
    Ok(())
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("capitalize", filters::capitalize);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("length", filters::length);
    environment.add_filter("cut", cut);
    environment.add_filter("date", date);
    environment
}

fn without_brackets(template: &str) -> Result<(), String> {
    if has_brackets(template) {
        return Err("has a list, a map or a raw block: [, { and raw are not known".to_owned());
    }
    Ok(())
}

/// Whether there is a list, a map or a raw block in a template. Reads it as the engine does: texts in quotes hide what is in them.
fn has_brackets(template: &str) -> bool {
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let opened = &rest[at..];
        rest = &opened[1..];
        if let Some(comment) = opened.strip_prefix("{#") {
            rest = comment.split_once("#}").map_or("", |(_, after)| after);
        } else if let Some(tag) = opened.strip_prefix("{{").or_else(|| opened.strip_prefix("{%")) {
            if tag.trim_start_matches(['-', '+']).trim_start().starts_with("raw") {
                return true;
            }
            let mut quote = None;
            let mut end = tag.len();
            let mut chars = tag.char_indices();
            while let Some((place, c)) = chars.next() {
                match (quote, c) {
                    (Some(_), '\\') => drop(chars.next()),
                    (Some(open), c) if open == c => quote = None,
                    (None, '\'' | '"') => quote = Some(c),
                    (None, '[' | '{') => return true,
                    (None, '}') => {
                        end = place;
                        break;
                    }
                    _ => {}
                }
            }
            rest = &tag[end..];
        }
    }
    false
}

/// The filter `cut`: at most so many characters, with an ellipsis where something is missing.
fn cut(text: &str, chars: usize) -> String {
    if text.chars().nth(chars).is_none() {
        return text.to_owned();
    }
    text.chars().take(chars.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

/// The filter `date`: a day or an instant as text, written by a pattern such as `%d.%m.%Y`; nothing stays nothing.
fn date(text: &str, pattern: &str) -> Result<String, Error> {
    use std::fmt::Write as _;
    if text.is_empty() {
        return Ok(String::new());
    }
    let wrong = |what: &str| Error::new(ErrorKind::InvalidOperation, format!("date: {what}"));
    let day = text.get(..10).and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
    let at = day.and_then(|day| {
        let time = text.get(11..).unwrap_or_default();
        let time = if time.is_empty() { "00:00" } else { time };
        chrono::NaiveTime::parse_from_str(time, "%H:%M").ok().map(|time| day.and_time(time))
    });
    let at = at.ok_or_else(|| wrong("this is no date"))?;
    let mut written = String::new();
    if pattern.len() > 100 || write!(written, "{}", at.format(pattern)).is_err() {
        return Err(wrong("this is no pattern of a date"));
    }
    Ok(written)
}

/// What a template sees.
fn seen(happened: &Happened, recipient: &Recipient) -> Value {
    json!({
        "order": order(&happened.order),
        "event": event(&happened.occurrence, &happened.order),
        "trigger": happened.trigger_name,
        "recipient": { "name": recipient.name, "address": recipient.address },
    })
}

fn order(order: &OrderFacts) -> Value {
    let note = order.last_note.as_ref();
    json!({
        "id": order.order_id,
        "number": order.number,
        "title": order.title,
        "type": order.order_type_name,
        "status": order.status_name,
        "status_definition": order.status_definition,
        "entered_on": day(Some(order.entered_on)),
        "due_date": day(order.due_on),
        "days_late": order.days_late,
        "assignee": order.assignee.as_deref().unwrap_or_default(),
        "department": order.department.as_deref().unwrap_or_default(),
        "customer_reference": order.customer_reference,
        "priority": order.priority,
        "last_note": note.map_or("", |note| &note.text),
        "last_note_author": note.map_or("", |note| &note.author),
        "last_note_time": note.map_or_else(String::new, |note| instant(note.at, order)),
    })
}

fn event(occurrence: &Occurrence, order: &OrderFacts) -> Value {
    let mut event = Map::new();
    let mut add = |name: &str, value: Value| event.insert(name.to_owned(), value);
    add("kind", occurrence.event().as_str().into());
    match occurrence {
        Occurrence::OrderCreated { by } | Occurrence::OrderClosed { by } => {
            add("by", by.as_str().into());
        }
        Occurrence::StatusEntered { from, by } | Occurrence::StatusLeft { from, by } => {
            add("from", from.as_str().into());
            add("to", order.status_name.as_str().into());
            add("by", by.as_str().into());
        }
        Occurrence::DueSoon { days } => {
            add("days", (*days).into());
        }
        Occurrence::StatusOverdue => {}
        Occurrence::Escalation { days, step } => {
            add("days", (*days).into());
            add("step", (*step).into());
        }
        Occurrence::Stale { days, since } => {
            add("days", (*days).into());
            add("since", instant(*since, order).into());
        }
        Occurrence::NoteAdded { note } => {
            add("note", note.text.as_str().into());
            add("author", note.author.as_str().into());
            add("note_kind", note.kind.as_str().into());
        }
        Occurrence::HealthChanged { before, after } => {
            add("before", before.map_or("", Health::as_str).into());
            add("after", after.map_or("", Health::as_str).into());
        }
        Occurrence::DueDateChanged { before, after, cause, by } => {
            add("before", day(*before).into());
            add("after", day(*after).into());
            add("cause", cause.map_or("", DueCause::as_str).into());
            add("by", by.as_str().into());
        }
    }
    Value::Object(event)
}

/// `2026-03-02`, or nothing.
fn day(day: Option<NaiveDate>) -> String {
    day.map_or_else(String::new, |day| day.to_string())
}

/// `2026-03-02 14:05`, in the reader's zone, else in that of the order's calendar.
fn instant(at: DateTime<Utc>, order: &OrderFacts) -> String {
    let zone: Tz = order.reader.zone.parse().or_else(|_| order.zone.parse()).unwrap_or(Tz::UTC);
    at.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

/// Whether a name with dots leads to something; what follows a text is the engine's business.
fn is_known(seen: &Value, name: &str) -> bool {
    let mut at = seen;
    for part in name.split('.') {
        match at {
            Value::Object(map) => match map.get(part) {
                Some(next) => at = next,
                None => return false,
            },
            _ => return true,
        }
    }
    true
}

/// All names, with dots.
fn names(seen: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for (name, value) in seen.as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => names.extend(parts.keys().map(|part| format!("{name}.{part}"))),
            _ => names.push(name.clone()),
        }
    }
    names
}

/// A message about an event with everything that one can have.
/// A message about an event as it could be: for checks and previews.
#[must_use]
pub fn sample(event: Event) -> (Happened, Recipient) {
    let on = |day: u32| NaiveDate::from_ymd_opt(2026, 3, day);
    let at = Utc.with_ymd_and_hms(2026, 3, 2, 23, 0, 0).single().unwrap_or_default();
    let note = NoteFacts {
        author: "Bob Miller".to_owned(),
        at,
        text: "Cutter broke, new one comes on Monday.".to_owned(),
        kind: NoteKind::Note,
    };
    let by = || "ann".to_owned();
    let from = || "Turning".to_owned();
    let occurrence = match event {
        Event::OrderCreated => Occurrence::OrderCreated { by: by() },
        Event::StatusEntered => Occurrence::StatusEntered { from: from(), by: by() },
        Event::StatusLeft => Occurrence::StatusLeft { from: from(), by: by() },
        Event::DueSoon => Occurrence::DueSoon { days: 2 },
        Event::StatusOverdue => Occurrence::StatusOverdue,
        Event::Escalation => Occurrence::Escalation { days: 3, step: 1 },
        Event::Stale => Occurrence::Stale { days: 5, since: at },
        Event::NoteAdded => Occurrence::NoteAdded { note: note.clone() },
        Event::HealthChanged => Occurrence::HealthChanged { before: Some(Health::OnTarget), after: Some(Health::Late) },
        Event::DueDateChanged => {
            Occurrence::DueDateChanged { before: on(2), after: on(6), cause: Some(DueCause::Manual), by: by() }
        }
        Event::OrderClosed => Occurrence::OrderClosed { by: by() },
    };
    let order = OrderFacts {
        order_type: "sheet-metal".into(),
        status: "milling".into(),
        labels: std::collections::BTreeMap::new(),
        order_id: Uuid::nil(),
        number: "4711".to_owned(),
        title: "Bracket".to_owned(),
        order_type_name: "Sheet metal".to_owned(),
        status_name: "Milling".to_owned(),
        status_definition: "The part is on a milling machine.".to_owned(),
        entered_on: on(1).unwrap_or_default(),
        due_on: on(2),
        due_at: Some(at),
        zone: "Europe/Berlin".to_owned(),
        days_late: 3,
        assignee: Some("Ann Lee".to_owned()),
        department: Some("Milling shop".to_owned()),
        customer_reference: "PO 88-1234".to_owned(),
        priority: 1,
        last_note: Some(note),
        reason: Why::Assignee,
        reader: Reader::default(),
    };
    let happened = Happened {
        order,
        occurrence,
        trigger: "sample".to_owned(),
        trigger_name: "Sample".to_owned(),
        subject: String::new(),
        text: String::new(),
        cause: String::new(),
    };
    let recipient =
        Recipient { user: Some("ann".to_owned()), name: "Ann Lee".to_owned(), address: "ann@example.com".to_owned() };
    (happened, recipient)
}

/// The same about an order that lacks what an order can lack.
fn bare(full: &Happened) -> Happened {
    let mut bare = full.clone();
    bare.order = OrderFacts {
        title: String::new(),
        status_definition: String::new(),
        due_on: None,
        due_at: None,
        days_late: 0,
        assignee: None,
        department: None,
        customer_reference: String::new(),
        priority: 0,
        last_note: None,
        ..bare.order
    };
    match &mut bare.occurrence {
        Occurrence::StatusEntered { from, .. } => from.clear(),
        Occurrence::HealthChanged { before, after } => (*before, *after) = (None, None),
        Occurrence::DueDateChanged { before, after, cause, .. } => (*before, *after, *cause) = (None, None, None),
        _ => {}
    }
    bare
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn rendered(template: &str, event: Event) -> Result<String, String> {
        let (happened, recipient) = sample(event);
        render(template, &happened, &recipient)
    }

    #[test]
    fn every_event_has_its_names_and_all_of_them_can_be_used() {
        for event in Event::ALL {
            let (happened, recipient) = sample(event);
            let all: String =
                names(&seen(&happened, &recipient)).iter().map(|name| ["{{ ", name, " }}\n"].concat()).collect();
            assert_eq!(check(&all, event), Ok(()), "{event:?}");
            let text = rendered(&all, event).expect("it was checked");
            assert!(text.lines().all(|line| !line.is_empty() && line != "none"), "{event:?}: {text}");
            assert_eq!(rendered("{{ event.kind }}", event), Ok(event.as_str().to_owned()));
        }
    }

    #[test]
    fn what_each_event_tells() {
        for (event, template, text) in [
            (Event::OrderCreated, "{{ order.number }} {{ order.title }} by {{ event.by }}", "4711 Bracket by ann"),
            (Event::StatusEntered, "{{ event.from }} > {{ event.to }} {{ event.by }}", "Turning > Milling ann"),
            (Event::StatusLeft, "{{ event.from }} > {{ event.to }} {{ event.by }}", "Turning > Milling ann"),
            (Event::DueSoon, "in {{ event.days }}, {{ order.due_date|date('%d.%m.%Y') }}", "in 2, 02.03.2026"),
            (Event::StatusOverdue, "{{ order.status }}: {{ order.days_late }}", "Milling: 3"),
            (Event::Escalation, "{{ event.step }}: {{ event.days }}", "1: 3"),
            (Event::Stale, "{{ event.days }} since {{ event.since }}", "5 since 2026-03-03 00:00"),
            (
                Event::NoteAdded,
                "{{ event.author }} ({{ event.note_kind }}): {{ event.note|length }}",
                "Bob Miller (NOTE): 38",
            ),
            (Event::HealthChanged, "{{ event.before }} > {{ event.after }}", "ON_TARGET > LATE"),
            (
                Event::DueDateChanged,
                "{{ event.before }} > {{ event.after }} ({{ event.cause }})",
                "2026-03-02 > 2026-03-06 (MANUAL)",
            ),
            (Event::OrderClosed, "{{ trigger }} to {{ recipient.name }}: {{ event.by }}", "Sample to Ann Lee: ann"),
        ] {
            assert_eq!(check(template, event), Ok(()), "{event:?}");
            assert_eq!(rendered(template, event), Ok(text.to_owned()), "{event:?}");
        }
    }

    #[test]
    fn what_an_order_lacks_is_empty() {
        let template =
            "{% if order.assignee %}{{ order.assignee }}{% else %}nobody{% endif %} {{ order.due_date|date('%d') }}|";
        let (happened, recipient) = sample(Event::StatusOverdue);
        assert_eq!(render(template, &bare(&happened), &recipient), Ok("nobody |".to_owned()));
    }

    #[test]
    fn a_name_that_does_not_exist_is_told_when_the_trigger_is_saved() {
        for (template, name) in [
            ("{{ order.numbr }}", "order.numbr"),
            ("{% if order.days_late > 99 %}{{ order.nummer }}{% endif %}", "order.nummer"),
            ("{{ event.note }}", "event.note"),
            ("{{ password }}", "password"),
            ("{% for i in range(3) %}x{% endfor %}", "range"),
            ("{{ order.reason }}", "order.reason"),
            ("{{ debug() }}", "debug"),
        ] {
            let told = check(template, Event::StatusOverdue).expect_err(template);
            assert!(told.starts_with(&format!("{name} is not known to messages about STATUS_OVERDUE")), "{told}");
            assert!(told.contains("order.due_date"), "{told}");
        }
        assert_eq!(check("{{ event.note }}", Event::NoteAdded), Ok(()));
    }

    #[test]
    fn what_is_no_template_is_told() {
        for template in [
            "{{ order.number",
            "{% if %}",
            "{% endfor %}",
            "{{ order.number|nosuchfilter }}",
            "{{ order.number|replace('1', '2') }}",
            "{{ [1] }}",
            "{{ '}}' ~ [1] }}",
            "{{- order['number'] }}",
            "{{ \"\\\"}}\" ~ [1] }}",
            "{% raw %}{{ '{% endraw %}{{ [1] }}{# ' }}#}",
            "{%- raw -%}x{% endraw %}",
            "{{ {'a': {'b': 1}} ~ [1] }}",
            "{# {{ #}{{ [1] }}",
            "{{ order.number.upper.more() }}",
            "{% include 'etc/passwd' %}",
            "{% extends 'letter.html' %}",
            "{{ order.title|date('%d') }}",
            "{{ order.due_date|date('%!') }}",
        ] {
            assert!(check(template, Event::StatusOverdue).is_err(), "{template}");
        }
        assert_eq!(check("[{{ order.number }}] {not} a 'tag: {{ \"[{\" }} {# [ #} }}", Event::StatusOverdue), Ok(()));
        let long = "x".repeat(BODY_MAX + 1);
        assert_eq!(check(&long, Event::StatusOverdue), Err("is longer than 10000 characters".to_owned()));
        assert_eq!(check(&long[1..], Event::StatusOverdue), Ok(()));
        assert_eq!(check("", Event::StatusOverdue), Ok(()));
    }

    #[test]
    fn no_template_works_for_long_or_says_too_much() {
        let nested = format!("{}x{}", "{% for c in order.title %}".repeat(12), "{% endfor %}".repeat(12));
        let twice = (0..30).fold(String::new(), |all, n| format!("{all}{{% set a{} = a{n} ~ a{n} %}}", n + 1));
        let doubled = format!("{{% set a0 = order.title %}}{twice}{{{{ a30 }}}}");
        for template in [
            nested.as_str(),
            doubled.as_str(),
            "{{ 'x' * 1000000000 }}",
            "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
            "{{ [1] * 100000000 }}",
            "{% for c in 'x' * 100000 %}{% for d in 'x' * 100000 %}{{ d }}{% endfor %}{% endfor %}",
            "{{ ([1] * 100000000) ~ '' }}",
            "{{ ((1,) * 100000000) ~ '' }}",
            "{{ (1, 2) * 10000000 == (1, 2) * 10000000 }}",
            "{{ ('x' * 100000)|replace('x', 'x' * 100000) }}",
        ] {
            let began = Instant::now();
            assert!(check(template, Event::StatusOverdue).is_err(), "{template}");
            assert!(began.elapsed() < Duration::from_secs(2), "{template}");
        }
        let long = "{% for a in 'xxxxxxxxxxxxxxxxxxxx' %}{{ order.title * 200 }}{% endfor %}";
        assert_eq!(rendered(long, Event::StatusOverdue).map(|text| text.chars().count()), Ok(OUTPUT_MAX));
    }
}
