//! The rules: pure and synchronous, without clock, log, environment, SQL or protobuf.

pub mod advance;
pub mod alerts;
pub mod catalogue;
pub mod change_type;
pub mod create;
pub mod edit;
pub mod ids;
pub mod import;
pub mod moves;
pub mod note;
pub mod order;
pub mod projection;
pub mod refusal;
pub mod schedule;
pub mod set_due_date;
pub mod status_times;
pub mod step;
pub mod update;
pub mod violation;
