//! The tests through the public API.

mod catalogue;
