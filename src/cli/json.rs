//! Messages of the API as JSON: the canonical mapping of protobuf, with the field names of `proto/`.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

use crate::grpc::proto::DESCRIPTORS;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTORS).expect("the build compiled these descriptors"));

/// Renders a message of package `andon.v1`; `name` is its name there. Every field is present, so that readers need no defaults.
pub fn value<M: Message>(name: &str, message: &M) -> Value {
    let descriptor = POOL.get_message_by_name(&format!("andon.v1.{name}")).expect("a message of andon.v1");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).expect("type and name belong together");
    let options =
        SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false).stringify_64_bit_integers(false);
    // Only an instant outside the years 1 to 9999 cannot be written; andon has none.
    dynamic.serialize_with_options(serde_json::value::Serializer, &options).unwrap_or_default()
}

/// Renders a message of package `andon.v1` without the fields that have no value.
pub fn short_value<M: Message>(name: &str, message: &M) -> Value {
    let descriptor = POOL.get_message_by_name(&format!("andon.v1.{name}")).expect("a message of andon.v1");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).expect("type and name belong together");
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    dynamic.serialize_with_options(serde_json::value::Serializer, &options).unwrap_or_default()
}

/// Reads a message of package `andon.v1`.
///
/// # Errors
/// Which field is unknown, or has a value that it cannot have.
pub fn message<M: Message + Default>(name: &str, value: Value) -> Result<M, String> {
    let descriptor = POOL.get_message_by_name(&format!("andon.v1.{name}")).expect("a message of andon.v1");
    let dynamic = DynamicMessage::deserialize(descriptor, value).map_err(|error| error.to_string())?;
    dynamic.transcode_to().map_err(|error| error.to_string())
}

/// Renders several messages of one kind.
pub fn list<M: Message>(name: &str, messages: &[M]) -> Value {
    messages.iter().map(|message| value(name, message)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::{Order, StatusCount, Visit};

    #[test]
    fn fields_are_named_as_in_the_api_and_always_present() {
        let visit = Visit { sequence: 1, status_name: "Milling".into(), ..Visit::default() };
        let order = Order { number: "W-1".into(), visit: Some(visit), ..Order::default() };
        let value = value("Order", &order);
        assert_eq!(value["number"], "W-1");
        assert_eq!(value["order_type"], "");
        assert_eq!(value["visit"]["status_name"], "Milling");
        assert_eq!(value["visit"]["due_source"], "DUE_SOURCE_UNSPECIFIED");
    }

    #[test]
    fn counts_are_numbers() {
        let count = StatusCount { open: 3, ..StatusCount::default() };
        assert_eq!(value("StatusCount", &count)["open"], 3);
    }

    #[test]
    fn times_are_utc() {
        let order = Order { create_time: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }), ..Order::default() };
        assert_eq!(value("Order", &order)["create_time"], "1970-01-01T00:00:00Z");
    }
}
