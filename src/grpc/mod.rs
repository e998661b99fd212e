//! The doors: parse a call, do one op, render its answer.

pub mod errors;
pub mod parse;
pub mod proto;
