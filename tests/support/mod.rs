//! The harness: a database per test, daemons as real processes, a clock that is set, a plant to work with.

pub mod api;
pub mod clock;
pub mod daemon;
pub mod guard;
pub mod http;
pub mod plant;
pub mod postgres;
pub mod smtp;
pub mod wait;

pub use api::{Api, Expect};
pub use clock::TestClock;
pub use daemon::{Daemon, Options};
pub use postgres::{Cluster, Database};
pub use wait::{eventually, within};
