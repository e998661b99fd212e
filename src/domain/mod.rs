//! The rules: pure and synchronous, without clock, log, environment, SQL or protobuf.

pub mod schedule;
