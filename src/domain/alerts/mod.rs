//! From a fact to a person: alarms, recipients, messages.

pub mod alarm;
pub mod backoff;
pub mod message;
pub mod recipients;
