//! The daemon seen from outside: one binary, one file per verb.
mod smtp_conversation;
mod support;
//! The tests through the public API.
mod catalogue;
