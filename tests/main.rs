//! The daemon seen from outside: one binary, one file per verb.

mod advance;
mod catalogue;
mod floors;
mod orders;
mod smtp_conversation;
mod support;
