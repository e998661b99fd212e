//! The doors: parse a call, do one op, render its answer.

pub mod proto;
