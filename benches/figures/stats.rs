//! Numbers of several rounds, and how they are printed.

/// One figure, once per round.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds that of one round.
    pub fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The smallest.
    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The largest.
    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        percentile(&mut self.0.clone(), 50.0)
    }

    /// As a line: min, median, max.
    pub fn line(&self, what: &str, unit: &str) {
        println!(
            "  {what:<58} {:>10} {:>10} {:>10}  {unit}",
            shown(self.min()),
            shown(self.median()),
            shown(self.max())
        );
    }
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

/// The value at or below which `part` percent of the values lie; 0 when there is none.
pub fn percentile(values: &mut [f64], part: f64) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = ((values.len() as f64 - 1.0) * part / 100.0).round() as usize;
    values[index]
}

/// The head of a part.
pub fn head(title: &str) {
    println!("\n{title}\n  {:<58} {:>10} {:>10} {:>10}", "", "min", "median", "max");
}

/// A figure beside its target.
pub fn verdict(what: &str, value: f64, bound: &str, target: f64, unit: &str) {
    let reached = if bound == ">=" { value >= target } else { value <= target };
    println!(
        "  {what:<58} {value:.3}{unit} (target {bound} {target}{unit}): {}",
        if reached { "reached" } else { "NOT reached" }
    );
}
