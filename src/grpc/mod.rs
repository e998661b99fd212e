//! The doors: parse a call, do one op, render its answer.

pub mod errors;
pub mod orders;
pub mod orders_parse;
pub mod orders_render;
pub mod page_token;
pub mod parse;
pub mod proto;
