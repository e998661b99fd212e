//! The daemon seen from outside: one binary, one file per verb.

mod catalogue;
mod smtp_conversation;
mod support;
