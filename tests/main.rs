//! The daemon seen from outside, through its public API: one binary, one file per verb.

mod catalogue;
mod smtp_conversation;
mod support;
