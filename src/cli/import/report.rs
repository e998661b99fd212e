//! What became of an import, order by order.

use std::{fmt::Write as _, time::Duration};

use serde_json::{Value, json};

use super::{log::Log, past::Past};
use crate::{
    cli::{failure::refusal_line, words},
    grpc::proto::v1::ImportOrdersResponse,
};

const REFUSALS_SHOWN: usize = 100;

/// What became of one order.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is in.
    Created,
    /// It was in, with the same past.
    Unchanged,
    /// Its history is the log, line by line.
    Equal,
    /// It was understood, and could not be checked by the daemon yet.
    Understood,
    /// It was refused: why, with the lines of the file where they are known.
    Refused(Vec<String>),
    /// Its history is not the log: where.
    Differs(Vec<String>),
}

impl Verdict {
    /// The refusal of the daemon, with each wrong field led back to its line.
    pub fn refused_by_server(past: &Past, answer: &ImportOrdersResponse) -> Self {
        let mut causes: Vec<_> = answer.refusal.iter().map(refusal_line).collect();
        for violation in &answer.violations {
            let line = past.line_of(&violation.field).map_or_else(String::new, |line| format!("line {line}: "));
            causes.push(words::clean(&format!("{line}{}: {}", violation.field, violation.description)));
        }
        Self::Refused(causes)
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Unchanged => "unchanged",
            Self::Equal => "equal",
            Self::Understood => "understood",
            Self::Refused(_) => "refused",
            Self::Differs(_) => "different",
        }
    }

    fn causes(&self) -> &[String] {
        match self {
            Self::Refused(causes) | Self::Differs(causes) => causes,
            _ => &[],
        }
    }

    fn is_bad(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Differs(_))
    }
}

struct Line {
    number: String,
    rows: usize,
    span: Option<(u64, u64)>,
    verdict: Verdict,
}

/// The outcome of a run.
pub struct Report {
    lines: Vec<Line>,
    preview: bool,
    rows: usize,
    ambiguous: usize,
    missing: usize,
    /// Answers for orders that were sent, or compared.
    pub answered: usize,
    /// What was installed before, in words.
    pub installed: Vec<String>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Report {
    /// Begins with the orders that are not sent because a row was not understood.
    pub fn new(log: &Log, preview: bool) -> Self {
        let unclear = log.unclear.iter().map(|it| {
            let causes = it.causes.iter().map(|(line, cause)| words::clean(&format!("line {line}: {cause}"))).collect();
            Line { number: it.number.clone(), rows: it.rows, span: None, verdict: Verdict::Refused(causes) }
        });
        Self {
            lines: unclear.collect(),
            preview,
            rows: log.rows,
            ambiguous: log.ambiguous,
            missing: log.missing,
            answered: 0,
            installed: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Notes what became of an order.
    pub fn add(&mut self, past: &Past, verdict: Verdict) {
        self.answered += 1;
        let number = past.number().to_owned();
        self.lines.push(Line { number, rows: past.row_count(), span: Some(past.span()), verdict });
    }

    /// How many orders were refused, or differ.
    pub fn refused_count(&self) -> usize {
        self.lines.iter().filter(|line| line.verdict.is_bad()).count()
    }

    /// Whether at least one order was refused, or differs.
    pub fn has_refusals(&self) -> bool {
        self.refused_count() > 0
    }

    fn count(&self, word: &str) -> usize {
        self.lines.iter().filter(|line| line.verdict.word() == word).count()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.installed {
            let _ = writeln!(text, "{line}");
        }
        let refused: Vec<_> = self.lines.iter().filter(|line| line.verdict.is_bad()).collect();
        for line in refused.iter().take(REFUSALS_SHOWN) {
            let span = line.span.map_or_else(String::new, |(first, last)| format!(" (lines {first} to {last})"));
            let _ = writeln!(text, "{}: {}{span}", line.verdict.word(), words::clean(&line.number));
            for cause in line.verdict.causes() {
                let _ = writeln!(text, "  {cause}");
            }
        }
        if refused.len() > REFUSALS_SHOWN {
            let _ = writeln!(text, "and {} more; --json tells all", words::grouped(refused.len() - REFUSALS_SHOWN));
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let mut text = if self.preview { "Preview, nothing changed. ".to_owned() } else { String::new() };
        let seconds = self.elapsed.as_secs_f64();
        let _ = writeln!(
            text,
            "{} from {} in {seconds:.1} s:",
            words::count(self.lines.len(), "order"),
            words::count(self.rows, "row")
        );
        for word in ["created", "unchanged", "equal", "understood", "different"] {
            let count = self.count(word);
            if count > 0 {
                let _ = writeln!(text, "  {:>7} {word}", words::grouped(count));
            }
        }
        let _ = writeln!(text, "  {:>7} refused", words::grouped(self.count("refused")));
        if self.ambiguous > 0 {
            let count = words::count(self.ambiguous, "time");
            let _ = writeln!(text, "{count} came twice when clocks went back: the earlier instant was taken.");
        }
        if self.missing > 0 {
            let count = words::count(self.missing, "time");
            let _ =
                writeln!(text, "{count} did not exist when clocks went forward: the instant of the change was taken.");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let order = |line: &Line| {
            json!({
                "number": line.number,
                "outcome": line.verdict.word(),
                "rows": line.rows,
                "first_line": line.span.map(|(first, _)| first),
                "last_line": line.span.map(|(_, last)| last),
                "causes": line.verdict.causes(),
            })
        };
        json!({
            "preview": self.preview,
            "installed": self.installed,
            "rows": self.rows,
            "created": self.count("created"),
            "unchanged": self.count("unchanged"),
            "equal": self.count("equal"),
            "understood": self.count("understood"),
            "different": self.count("different"),
            "refused": self.count("refused"),
            "ambiguous_times": self.ambiguous,
            "missing_times": self.missing,
            "seconds": self.elapsed.as_secs_f64(),
            "orders": self.lines.iter().map(order).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::past::{Past, row},
        *,
    };
    use crate::grpc::proto::v1::{FieldViolation, NewOrder, Refusal};

    #[test]
    fn refusals_are_told_with_their_lines() {
        let order = NewOrder { number: "W-1".into(), ..NewOrder::default() };
        let past = Past::new(order, vec![row(2, 0, "cut"), row(3, 5, "mill")]);
        let answer = ImportOrdersResponse {
            refusal: Some(Refusal { reason: "INVALID_REQUEST".into(), message: "wrong".into(), ..Refusal::default() }),
            violations: vec![FieldViolation { field: "visits[1].status".into(), description: "no status".into() }],
            ..ImportOrdersResponse::default()
        };
        let log = Log { rows: 2, missing: 1, ..Log::default() };
        let mut report = Report::new(&log, false);
        report.add(&past, Verdict::refused_by_server(&past, &answer));
        assert_eq!(
            report.text(),
            "refused: W-1 (lines 2 to 3)\n  wrong (INVALID_REQUEST)\n  line 3: visits[1].status: no status\n\
             1 order from 2 rows in 0.0 s:\n        1 refused\n\
             1 time did not exist when clocks went forward: the instant of the change was taken.\n"
        );
        assert_eq!(report.json()["orders"][0]["causes"][1], "line 3: visits[1].status: no status");
    }
}
