//! From a fact to a person: alarms, recipients, messages.

pub mod alarm;
pub mod backoff;
pub mod destination;
pub mod digest;
pub mod digest_facts;
pub mod event;
pub mod fire;
pub mod message;
pub mod preferences;
pub mod recipients;
pub mod replay;
pub mod task_mail;
pub mod template;
pub mod trigger;
pub mod webhook;
