//! From the start of the process to the first answer that it serves.

use crate::{
    Fault, Options,
    stand::Stand,
    stats::{Rounds, head, verdict},
};

/// Measures and prints.
pub async fn measure(options: &Options, stand: &Stand) -> Result<(), Fault> {
    let mut took = Rounds::default();
    for _ in 0..options.rounds {
        let daemon = stand.daemon(&[]).await?;
        took.add(daemon.serving_after.as_secs_f64() * 1e3);
        daemon.stop()?;
    }
    head("Start, schema current");
    took.line("from the start of the process to SERVING", "ms");
    verdict("start to serving", took.median(), "<=", 1000.0, " ms");
    Ok(())
}
