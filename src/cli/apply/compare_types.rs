//! What differs between an order type and what a file wants it to be, status by status.

use super::compare::{Comparison, Difference, listed};
use crate::{
    cli::{
        duration::{self, method_name},
        plant::{literal, move_line},
        words,
    },
    grpc::proto::v1::{OrderType, Status},
};

/// Compares two types.
pub fn compare_types(found: &mut Comparison, before: &OrderType, after: &OrderType) {
    found.text("name", "name", &before.name, &after.name);
    found.text("description", "description", &before.description, &after.description);
    found.text("calendar", "calendar", &before.calendar, &after.calendar);
    let method = |it: &OrderType| method_name(it.schedule_method()).to_owned();
    found.field("schedule_method", "schedule_method", method(before), method(after));
    found.text("default_status", "default_status", &before.default_status, &after.default_status);
    let tolerance = |it: &OrderType| it.health_tolerance_business_days.to_string();
    let key = "health_tolerance_business_days";
    found.field(key, key, tolerance(before), tolerance(after));
    found.field("inactive", "inactive", before.inactive.to_string(), after.inactive.to_string());
    if before.statuses != after.statuses {
        found.mask.push("statuses");
        compare_statuses(found, before, after);
    }
    let moves = |it: &OrderType| it.moves.iter().map(move_line).collect::<Vec<_>>();
    found.lines("moves", "moves", &moves(before), &moves(after));
    // With a new cycle the moves are said again: the daemon would drop those of a status that goes, the file still has them.
    if found.mask.contains(&"statuses") && !found.mask.contains(&"moves") && !after.moves.is_empty() {
        found.mask.push("moves");
    }
}

fn compare_statuses(found: &mut Comparison, before: &OrderType, after: &OrderType) {
    for gone in removed(before, after) {
        found.differ(&format!("statuses.{}", gone.id), Some(literal(&gone.name)), None);
    }
    for (place, status) in after.statuses.iter().enumerate() {
        match before.statuses.iter().find(|it| it.id == status.id) {
            Some(was) => compare_status(found, was, status),
            None => found.differences.push(Difference {
                field: format!("statuses.{}", status.id),
                before: None,
                after: Some(literal(&status.name)),
                note: place
                    .checked_sub(1)
                    .map_or_else(|| "first".to_owned(), |place| format!("after {}", after.statuses[place].id)),
            }),
        }
    }
    let in_both = |all: &[Status], other: &[Status]| {
        let both = all.iter().filter(|it| other.iter().any(|there| there.id == it.id));
        both.map(|it| it.id.clone()).collect::<Vec<_>>()
    };
    let (was, is) = (in_both(&before.statuses, &after.statuses), in_both(&after.statuses, &before.statuses));
    if was != is {
        found.differ("order of the statuses", Some(listed(&was)), Some(listed(&is)));
    }
}

/// The statuses that go.
pub fn removed<'a>(before: &'a OrderType, after: &OrderType) -> Vec<&'a Status> {
    let gone = |it: &&Status| !after.statuses.iter().any(|stays| stays.id == it.id);
    before.statuses.iter().filter(gone).collect()
}

fn compare_status(found: &mut Comparison, before: &Status, after: &Status) {
    let mut field = |key: &str, value: fn(&Status) -> String| {
        let (was, is) = (value(before), value(after));
        if was != is {
            found.differ(&format!("statuses.{}.{key}", after.id), Some(was), Some(is));
        }
    };
    field("name", |it| literal(&it.name));
    field("kind", |it| words::word(it.kind().as_str_name(), "STATUS_KIND_"));
    field("clock", |it| words::word(it.clock().as_str_name(), "STATUS_CLOCK_"));
    field("duration", |it| if duration::of(it).is_empty() { "none".to_owned() } else { duration::of(it) });
    field("definition", |it| literal(&it.definition));
    field("colour", |it| literal(&it.colour));
    field("icon", |it| literal(&it.icon));
    field("stage", |it| literal(&it.stage));
    field("department", |it| literal(&it.default_department));
    field("user", |it| literal(&it.default_user));
    field("inactive", |it| it.inactive.to_string());
}

/// Whether due dates of open orders may come out otherwise than before: the calendar, a duration or the cycle differs.
pub fn plans_otherwise(before: &OrderType, after: &OrderType) -> bool {
    let durations = |it: &OrderType| {
        let one = |it: &Status| (it.id.clone(), it.kind, duration::of(it), it.default_department.clone());
        it.statuses.iter().map(one).collect::<Vec<_>>()
    };
    before.calendar != after.calendar
        || before.schedule_method != after.schedule_method
        || durations(before) != durations(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plant::given::wanted;

    const A: &str = "{id='a',name='A',kind='initial'}";
    const B: &str = "{id='b',name='B',duration_business_days=2}";
    const C: &str = "{id='c',name='C'}";
    const F: &str = "{id='f',name='F',kind='final'}";

    fn order_type(statuses: &[&str], more: &str) -> OrderType {
        let statuses = statuses.join(",");
        let text = format!("[[types]]\nid='t'\nname='T'\ncalendar='c'\nstatuses=[{statuses}]\n{more}");
        wanted(&text).types.remove("t").expect("there")
    }

    fn compared(before: &OrderType, after: &OrderType) -> Comparison {
        let mut found = Comparison::default();
        compare_types(&mut found, before, after);
        found
    }

    fn fields(found: &Comparison) -> Vec<&str> {
        found.differences.iter().map(|it| it.field.as_str()).collect()
    }

    #[test]
    fn the_same_type_does_not_differ() {
        let one = order_type(&[A, B, F], "moves=[{to='b'}]");
        assert_eq!(compared(&one, &one), Comparison::default());
        assert!(!plans_otherwise(&one, &one));
    }

    #[test]
    fn a_status_is_inserted_removed_and_renamed() {
        let before = order_type(&[A, B, F], "");
        let after = order_type(&[A, C, "{id='f',name='Done',kind='final'}"], "");
        let found = compared(&before, &after);
        assert_eq!(found.mask, ["statuses"]);
        assert_eq!(fields(&found), ["statuses.b", "statuses.c", "statuses.f.name"]);
        assert_eq!(found.differences[0].after, None);
        assert_eq!((found.differences[1].before.as_deref(), found.differences[1].note.as_str()), (None, "after a"));
        assert_eq!(removed(&before, &after)[0].id, "b");
        assert!(plans_otherwise(&before, &after));
    }

    #[test]
    fn an_order_is_told_by_the_statuses_that_stay() {
        let (before, after) = (order_type(&[A, B, C, F], ""), order_type(&[A, C, B, F], ""));
        let found = compared(&before, &after);
        assert_eq!(found.differences.len(), 1);
        assert_eq!(found.differences[0].after.as_deref(), Some("[a, c, b, f]"));
        let inserted = order_type(&[A, "{id='n',name='N'}", B, C, F], "");
        assert_eq!(fields(&compared(&before, &inserted)), ["statuses.n"]);
    }

    #[test]
    fn a_new_cycle_says_its_moves_again() {
        let moves = "moves=[{to='f'}]";
        let (before, after) = (order_type(&[A, F], moves), order_type(&[A, B, F], moves));
        assert_eq!(compared(&before, &after).mask, ["statuses", "moves"]);
        let found = compared(&before, &order_type(&[A, F], "moves=[{to='f',roles=['admin']}]"));
        assert_eq!((found.mask.as_slice(), found.differences.len()), (&["moves"][..], 2));
    }

    #[test]
    fn a_name_plans_nothing_otherwise_and_a_duration_does() {
        let before = order_type(&[A, B, F], "");
        assert!(!plans_otherwise(&before, &order_type(&[A, "{id='b',name='X',duration_business_days=2}", F], "")));
        assert!(plans_otherwise(&before, &order_type(&[A, "{id='b',name='B',duration_business_days=3}", F], "")));
    }
}
