//! The daemon seen from outside, through its public API: one binary, one file per verb.

mod advance;
mod alerts;
mod apply;
mod catalogue;
mod cycle_edits;
mod deliveries;
mod digests;
mod directory;
mod edit_races;
mod factory_log;
mod faults;
mod floors;
mod holidays;
mod import;
mod model;
mod nights;
mod orders;
mod overdue;
mod python_client;
mod record;
mod schedule;
mod smtp_conversation;
mod support;
mod tasks;
mod waiting_orders;
mod webhooks;
