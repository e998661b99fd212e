//! The answer of a bulk call: what became of each order.

use std::fmt::Write as _;

use serde_json::Value;

use super::preview_mark;
use crate::{
    cli::{
        answer::Answer,
        failure::{IN_PART, refusal_line},
        words,
    },
    grpc::proto::v1::{BulkResult, Effects},
};

/// The answer with its exit code: 1 when all were refused, 5 when some were. `done` is a word like `moved`.
pub fn answer(numbers: &[String], results: &[BulkResult], done: &str, preview: bool, json: Option<Value>) -> Answer {
    let refused = results.iter().filter(|result| result.refusal.is_some()).count();
    let exit_code = match refused {
        0 => 0,
        all if all == results.len() => 1,
        _ => IN_PART,
    };
    let shown = match json {
        Some(value) => Answer::json(&value),
        None => Answer::text(several(numbers, results, done, preview)),
    };
    shown.with_exit_code(exit_code)
}

/// One order with what a change did to it.
pub fn one(number: &str, effects: &Effects, preview: bool) -> String {
    format!("{}{}\n{}", preview_mark(preview), words::clean(number), words::effects(effects))
}

fn several(numbers: &[String], results: &[BulkResult], done: &str, preview: bool) -> String {
    let mut text = String::new();
    let mut refused = 0;
    for result in results {
        match (&result.refusal, &result.order) {
            (Some(refusal), _) => {
                refused += 1;
                let place = usize::try_from(result.index).ok();
                let number = place.and_then(|place| numbers.get(place)).map_or("?", String::as_str);
                let _ = writeln!(text, "{number}\n  refused: {}", refusal_line(refusal));
            }
            (None, order) => {
                let number = order.as_ref().map_or("", |order| order.number.as_str());
                let effects = result.effects.clone().unwrap_or_default();
                text.push_str(&one(number, &effects, preview));
            }
        }
    }
    let would = if preview { "would be " } else { "" };
    let _ = writeln!(text, "{} {would}{done}, {refused} refused", words::count(results.len() - refused, "order"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::{Order, Refusal, Visit};

    fn fine() -> BulkResult {
        let opened = Visit { status_name: "Packing".into(), ..Visit::default() };
        BulkResult {
            index: 0,
            order: Some(Order { number: "W-1".into(), ..Order::default() }),
            effects: Some(Effects { opened_visit: Some(opened), ..Effects::default() }),
            refusal: None,
        }
    }

    fn closed() -> BulkResult {
        let refusal = Refusal { reason: "ORDER_CLOSED".into(), message: "closed".into(), ..Refusal::default() };
        BulkResult { index: 1, refusal: Some(refusal), ..BulkResult::default() }
    }

    #[test]
    fn refused_orders_are_named_with_their_reason() {
        assert_eq!(
            several(&["W-1".into(), "W-2".into()], &[fine(), closed()], "moved", false),
            "W-1\n  opened Packing, no due date\nW-2\n  refused: closed (ORDER_CLOSED)\n1 order moved, 1 refused\n"
        );
        assert!(several(&[], &[fine()], "changed", true).ends_with("1 order would be changed, 0 refused\n"));
    }

    #[test]
    fn the_exit_code_tells_whether_all_or_some_were_refused() {
        let code = |results: &[BulkResult]| answer(&[], results, "moved", false, None).exit_code();
        assert_eq!((code(&[fine()]), code(&[closed()]), code(&[fine(), closed()])), (0, 1, IN_PART));
    }
}
