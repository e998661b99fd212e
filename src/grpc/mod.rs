//! The doors: parse a call, do one op, render its answer.

pub mod calendars;
pub mod deliveries;
mod edits;
pub mod errors;
mod holidays;
pub mod import;
pub mod order_types;
pub mod orders;
pub mod orders_parse;
pub mod orders_render;
pub mod page_token;
pub mod parse;
pub mod people;
pub mod proto;
pub mod schedule;
pub mod server;
pub mod tasks;
pub mod triggers;
pub mod webhooks;
