//! Faults: whatever is killed, nothing that was acknowledged is lost, and every extra copy is explained.

mod cancelled;
mod database;
mod kill_points;
mod load;
mod random_kills;
mod stop;
