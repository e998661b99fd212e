//! The rules: pure and synchronous, without clock, log, environment, SQL or protobuf.

pub mod advance;
pub mod alerts;
pub mod catalogue;
pub mod change_type;
pub mod create;
pub mod edit;
pub mod explain;
pub mod health_turns;
pub mod ids;
pub mod import;
pub mod moves;
pub mod note;
pub mod order;
pub mod plan;
pub mod projection;
pub mod refusal;
pub mod replan;
pub mod schedule;
pub mod set_due_date;
pub mod status_times;
pub mod step;
pub mod task;
pub mod task_change;
pub mod update;
pub mod violation;
