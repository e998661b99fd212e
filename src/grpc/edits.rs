//! What all edits of the catalogue share: update masks and keys for safe repetition.

use prost_types::FieldMask;

use super::{errors, orders::PRINCIPAL, parse, proto::v1};
use crate::{
    domain::{
        edit::{EditPlan, PlannedChange},
        violation::{Violation, Violations},
    },
    ops::{Failure, edit::Write},
};

/// The fields that an update sets.
pub struct Mask(Vec<&'static str>);

impl Mask {
    /// From a mask: those it names, `all` when it is empty. A path that is neither in `all` nor in `named_only` is a violation.
    pub fn parse(
        given: Option<&FieldMask>,
        all: &[&'static str],
        named_only: &[&'static str],
        v: &mut Violations,
    ) -> Self {
        let paths = given.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            return Self(all.to_vec());
        }
        let known = || all.iter().chain(named_only);
        if paths.iter().any(|path| !known().any(|field| field == path)) {
            let list: Vec<_> = known().copied().collect();
            v.add("update_mask", format!("may only name: {}", list.join(", ")));
        }
        Self(known().copied().filter(|field| paths.iter().any(|path| path == field)).collect())
    }

    /// Whether the update sets nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the update sets a field.
    pub fn names(&self, field: &str) -> bool {
        self.0.contains(&field)
    }

    /// The value of a field, when the update sets it.
    pub fn pick<T>(&self, field: &str, value: impl FnOnce() -> T) -> Option<T> {
        self.0.contains(&field).then(value)
    }
}

/// How an edit is carried out. `bare` is the request without its request id and `validate_only`, so that a check has the same
/// fingerprint as the edit.
pub fn write<M: prost::Message>(
    method: &str,
    request_id: &str,
    validate_only: bool,
    bare: &M,
    v: &mut Violations,
) -> Write {
    Write {
        request: parse::request_key(method, request_id, bare, v),
        validate_only,
        expected_plan: None,
        actor: PRINCIPAL.to_owned(),
    }
}

/// A plan for an answer.
pub fn render_plan(plan: &EditPlan) -> v1::EditPlan {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let example = |change: &PlannedChange| v1::PlannedChange {
        order: change.order.to_string(),
        number: change.number.clone(),
        from_status: change.from_status.clone(),
        to_status: change.to_status.clone(),
        due_date_before: change.due_before.map(parse::render_date),
        due_date_after: change.due_after.map(parse::render_date),
        closes: change.closes,
        newly_overdue: change.newly_overdue,
        user_before: change.user_before.clone().unwrap_or_default(),
        user_after: change.user_after.clone().unwrap_or_default(),
    };
    v1::EditPlan {
        moved_orders: count(plan.moved),
        closed_orders: count(plan.closed),
        redirected_orders: count(plan.redirected),
        due_dates_changed: count(plan.due_changed),
        newly_overdue: count(plan.newly_overdue),
        reassigned_orders: count(plan.reassigned),
        examples: plan.examples.iter().map(example).collect(),
        warnings: plan.warnings.clone(),
        fingerprint: plan.fingerprint.clone(),
        replanned_orders: count(plan.replanned),
        in_time_again: count(plan.in_time_again),
    }
}

/// Refuses when something is wrong.
pub fn settle(v: Violations) -> Result<(), tonic::Status> {
    if v.is_empty() { Ok(()) } else { Err(errors::invalid(v.into_found())) }
}

/// Checks an id that a call looks up.
pub fn slug(field: &str, id: &str) -> Result<(), tonic::Status> {
    let mut v = Violations::new();
    v.slug(field, id);
    settle(v)
}

/// The message that a call is about; without it nothing else can be checked.
pub fn required<M>(field: &str, given: Option<M>) -> Result<M, tonic::Status> {
    given.ok_or_else(|| errors::invalid(vec![Violation { field: field.into(), description: "must be set".into() }]))
}

/// A failure as the door shows it, in the form that `map_err` takes.
#[expect(clippy::needless_pass_by_value, reason = "map_err hands over the failure")]
pub fn fail(failure: Failure) -> tonic::Status {
    errors::fail(&failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(paths: &[&str]) -> (Mask, Vec<String>) {
        let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        let mut v = Violations::new();
        let mask = Mask::parse(Some(&mask), &["name", "email"], &["position"], &mut v);
        (mask, v.into_found().into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn an_empty_mask_sets_all_fields_but_those_that_must_be_named() {
        let (mask, wrong) = parse(&[]);
        assert!(wrong.is_empty());
        assert_eq!((mask.pick("name", || 1), mask.pick("position", || 1)), (Some(1), None));
        let (mask, wrong) = parse(&["position"]);
        assert!(wrong.is_empty());
        assert_eq!((mask.pick("name", || 1), mask.pick("position", || 1)), (None, Some(1)));
    }

    #[test]
    fn an_unknown_path_is_wrong() {
        for paths in [["name", "etag"], ["*", "name"], ["", "name"]] {
            assert_eq!(parse(&paths).1, ["update_mask"], "{paths:?}");
        }
    }
}
