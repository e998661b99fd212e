//! A trigger as the text of a file: TOML with the fields of the API, enum values without their prefix.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::{
    cli::{failure::Failure, json, plant::literal},
    grpc::proto::v1::Trigger,
};

/// Keys whose values are names of an enum, and the prefix that the API puts before them.
const ENUMS: [(&str, &str); 3] = [("event", "TRIGGER_EVENT_"), ("roles", "ROLE_"), ("health", "HEALTH_")];
/// What the server makes.
const MADE_BY_THE_SERVER: [&str; 4] = ["etag", "active_since", "create_time", "update_time"];

/// Reads a trigger. One that does not say whether it is enabled is.
///
/// # Errors
/// `Usage` with what is wrong and where.
pub fn parsed(text: &str) -> Result<Trigger, Failure> {
    let value: Value = toml::from_str(text).map_err(|error| Failure::Usage(error.to_string()))?;
    from_value(value)
}

/// A trigger from the fields of a file.
///
/// # Errors
/// `Usage` with what is wrong.
pub fn from_value(mut value: Value) -> Result<Trigger, Failure> {
    if let Value::Object(fields) = &mut value {
        fields.entry("enabled").or_insert(Value::Bool(true));
    }
    rename(&mut value, &|name, prefix| {
        let name = name.to_uppercase().replace('-', "_");
        if name.starts_with(prefix) { name } else { format!("{prefix}{name}") }
    });
    json::message("Trigger", value).map_err(Failure::Usage)
}

/// The fields of a trigger that a file has; what is not set is left out.
pub fn to_value(trigger: &Trigger) -> Value {
    let mut value = json::short_value("Trigger", trigger);
    rename(&mut value, &|name, prefix| name.strip_prefix(prefix).unwrap_or(name).to_owned());
    if let Value::Object(fields) = &mut value {
        fields.retain(|key, _| !MADE_BY_THE_SERVER.contains(&key.as_str()));
        fields.insert("enabled".to_owned(), Value::Bool(trigger.enabled));
    }
    value
}

/// A trigger as `parsed` reads it; `table` is put before each table, for a file of many.
pub fn written(trigger: &Trigger, table: &str) -> String {
    let mut text = String::new();
    if let Value::Object(fields) = to_value(trigger) {
        for (key, value) in in_order(fields) {
            match (key.as_str(), value) {
                ("actions", Value::Array(actions)) => {
                    text.push_str("actions = [\n");
                    for action in actions {
                        let _ = writeln!(text, "  {},", inline(&action));
                    }
                    text.push_str("]\n");
                }
                (_, value) => {
                    let _ = writeln!(text, "{key} = {}", inline(&value));
                }
            }
        }
    }
    if table.is_empty() { text } else { format!("\n[[{table}]]\n{text}") }
}

/// Fields in the order of the API, whatever order a map has.
fn in_order(mut fields: Map<String, Value>) -> Vec<(String, Value)> {
    const ORDER: [&str; 11] = [
        "id",
        "name",
        "description",
        "event",
        "days",
        "repeat_days",
        "order_types",
        "statuses",
        "condition",
        "enabled",
        "actions",
    ];
    let mut found: Vec<_> =
        ORDER.iter().filter_map(|key| fields.remove(*key).map(|value| ((*key).to_owned(), value))).collect();
    found.extend(fields);
    found
}

/// A value as TOML on one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => literal(text),
        Value::Array(values) => format!("[{}]", values.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let plain = |key: &str| {
                key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')) && !key.is_empty()
            };
            let field = |(key, value): (&String, &Value)| {
                let key = if plain(key) { key.clone() } else { literal(key) };
                format!("{key} = {}", inline(value))
            };
            format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn rename(value: &mut Value, name: &impl Fn(&str, &str) -> String) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match (ENUMS.iter().find(|(it, _)| it == key), value) {
                    (Some((_, prefix)), Value::String(text)) => *text = name(text, prefix),
                    (Some((_, prefix)), Value::Array(values)) => {
                        for value in values {
                            if let Value::String(text) = value {
                                *text = name(text, prefix);
                            }
                        }
                    }
                    // Labels are what people wrote.
                    (None, Value::Object(_)) if key == "labels" => {}
                    (_, value) => rename(value, name),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rename(value, name)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"id = "escalate"
name = "Escalation"
event = "ESCALATION"
days = 2
repeat_days = 1
condition = { health = ["LATE"], labels = { "a b" = "c", event = "fair" }, priority_min = 10 }
enabled = true
actions = [
  { email = { subject = "{{ order.number }} is late", to = { assignee = true, roles = ["MANAGER"] } } },
  { webhook = "erp" },
]
"#;

    #[test]
    fn what_is_written_is_read_again() {
        let trigger = parsed(TEXT).unwrap_or_else(|failure| panic!("{}", failure.text(false)));
        assert_eq!((trigger.days, trigger.actions.len(), trigger.enabled), (2, 2, true));
        assert_eq!(trigger.condition.as_ref().map(|it| it.labels["event"].as_str()), Some("fair"));
        assert_eq!(written(&trigger, ""), TEXT);
    }

    #[test]
    fn a_field_that_does_not_exist_is_told() {
        let Err(failure) = parsed("id = \"a\"\ndayz = 3") else { panic!("there is no such field") };
        assert!(failure.text(false).contains("dayz"), "{}", failure.text(false));
    }
}
