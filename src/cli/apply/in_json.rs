//! The plan and what came of it, for programs.

use serde_json::{Value, json};

use super::{
    call::{Answered, Foreseen},
    carry_out::{Outcome, Stop},
    compare::Difference,
    entry::Key,
    steps::{Plan, Step},
};
use crate::cli::{failure::Failure, json};

/// The plan, and what came of it when it was carried out.
pub fn value(plan: &Plan, outcome: Option<&Outcome>) -> Value {
    let steps: Vec<_> = plan.steps.iter().enumerate().map(|(place, step)| one(step, place, outcome)).collect();
    let creates = plan.steps.iter().filter(|step| step.creates()).count();
    json!({
        "create": creates,
        "change": plan.steps.len() - creates,
        "refused": plan.refused().count(),
        "done": outcome.map(|outcome| outcome.done),
        "steps": steps,
        "unchanged": keys(&plan.unchanged),
        "left": keys(&plan.left),
    })
}

fn keys(all: &[Key]) -> Vec<Value> {
    all.iter().map(|key| json!({ "kind": key.kind.word(), "id": key.id })).collect()
}

fn one(step: &Step, place: usize, outcome: Option<&Outcome>) -> Value {
    let (foreseen, shown, refusal) = match &step.foreseen {
        Foreseen::Nothing => ("nothing", None, None),
        Foreseen::Certain(answered) => ("certain", Some(answered), None),
        Foreseen::Likely(answered) => ("likely", Some(answered), None),
        Foreseen::Later => ("later", None, None),
        Foreseen::Refused(failure) => ("refused", None, Some(failure)),
    };
    let (state, made, stopped) = state(place, outcome);
    json!({
        "kind": step.key().kind.word(),
        "id": step.key().id,
        "action": if step.creates() { "create" } else { "change" },
        "changes": step.differences.iter().map(difference).collect::<Vec<_>>(),
        "needs": keys(&step.needs),
        "foreseen": foreseen,
        "effects": made.or(shown).map(effects),
        "state": state,
        "refusal": refusal.or(stopped).map(failed),
    })
}

/// `planned`, `done`, `refused`, `declined` or `not_reached`.
fn state(place: usize, outcome: Option<&Outcome>) -> (&'static str, Option<&Answered>, Option<&Failure>) {
    let Some(outcome) = outcome else { return ("planned", None, None) };
    match &outcome.stopped {
        _ if place < outcome.done => ("done", outcome.answers.get(place), None),
        Some(Stop::Refused(failure)) if place == outcome.done => ("refused", None, Some(failure)),
        Some(Stop::Declined) if place == outcome.done => ("declined", None, None),
        _ => ("not_reached", None, None),
    }
}

fn difference(it: &Difference) -> Value {
    json!({ "field": it.field, "before": it.before, "after": it.after, "note": it.note })
}

fn effects(it: &Answered) -> Value {
    json!({
        "etag": it.etag,
        "plan": json::value("EditPlan", &it.plan),
        "warnings": it.warnings,
        "responsibilities": it.responsibilities.as_ref().map(|it| json::value("Responsibilities", it)),
    })
}

/// As on standard error.
fn failed(failure: &Failure) -> Value {
    let text: Value = serde_json::from_str(&failure.text(true)).unwrap_or_default();
    text["error"].clone()
}
