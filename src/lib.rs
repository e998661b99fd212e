//! andon knows where every production order stands, when it should have moved on, and tells the right person in time.
//!
//! The library is built in floors; imports run downwards only (see `docs/architecture.md`).

pub mod check;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod domain;
pub mod grpc;
pub mod lifecycle;
pub mod mail;
pub mod ops;
pub mod schedule;
pub mod store;
pub mod telemetry;
pub mod webhook;
