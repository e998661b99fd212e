//! Which calls bring a plant to what files want, in an order in which everything is there before it is named.
//!
//! Stages, calendars, users, departments, types, triggers; what becomes inactive comes last, departments before users, since until
//! then others may name it. What is to be inactive from the start and is named is made active first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    call::Foreseen,
    compare::{Difference, compare},
    compare_types::{plans_otherwise, removed},
    entry::{Entry, Key, Kind},
};
use crate::cli::plant::{Catalogue, Wanted};

/// One call.
pub struct Step {
    /// What it makes, or makes of it.
    pub entry: Entry,
    /// What is there now; `None` = it is created.
    pub before: Option<Entry>,
    /// Version of what is there; empty when it is made by an earlier step.
    pub etag: String,
    /// Fields that are set.
    pub mask: Vec<&'static str>,
    /// The same for people.
    pub differences: Vec<Difference>,
    /// Earlier steps on which it depends.
    pub needs: Vec<Key>,
    /// From statuses that go to those that get their orders.
    pub replacements: HashMap<String, String>,
    /// Plans the due dates of open orders anew.
    pub apply_to_open: bool,
    /// What the daemon says it would do.
    pub foreseen: Foreseen,
}

/// All steps, and what needs none.
#[derive(Default)]
pub struct Plan {
    /// In the order in which they are carried out.
    pub steps: Vec<Step>,
    /// In the files, and so already.
    pub unchanged: Vec<Key>,
    /// Not in the files, and left as it is.
    pub left: Vec<Key>,
}

impl Step {
    /// What it is about.
    pub fn key(&self) -> Key {
        self.entry.key()
    }

    /// It makes something.
    pub fn creates(&self) -> bool {
        self.before.is_none() && self.mask.is_empty()
    }

    /// Whether a later step that names the entry may come out otherwise by it.
    fn matters_to_others(&self) -> bool {
        let sets = |field: &str| self.mask.contains(&field);
        self.creates()
            || match self.entry {
                Entry::Calendar(_) => self.mask.iter().any(|field| *field != "name"),
                Entry::User(_) => sets("inactive"),
                Entry::Department(_) => sets("inactive") || sets("calendar"),
                Entry::Stages(_) | Entry::OrderType(_) | Entry::Trigger(_) => false,
            }
    }
}

impl Plan {
    /// Compares what is there with what is wanted.
    pub fn new(present: &Catalogue, wanted: &Wanted, apply_to_open: bool) -> Self {
        let mut plan = Self::default();
        let there = entries(present);
        let asked = wanted_entries(wanted);
        let named: BTreeSet<Key> = asked.values().flat_map(Entry::names).collect();
        let mut late = Vec::new();
        for (key, entry) in &asked {
            match there.get(key) {
                Some((before, etag)) => plan.change(entry, before, etag, &mut late),
                None => plan.create(entry, named.contains(key), &mut late),
            }
        }
        late.sort_by_key(|step| std::cmp::Reverse(step.key().kind));
        plan.steps.extend(late);
        for step in &mut plan.steps {
            step.about_orders(wanted, apply_to_open);
        }
        plan.left = there.into_keys().filter(|key| !asked.contains_key(key) && key.kind != Kind::Stages).collect();
        plan.find_needs(&asked, present);
        plan
    }

    fn create(&mut self, entry: &Entry, named: bool, late: &mut Vec<Step>) {
        if matches!(entry, Entry::User(_) | Entry::Department(_)) && entry.is_inactive() && named {
            let active = entry.clone().activated();
            self.steps.push(Step::to(active.clone(), None, ""));
            let found = compare(&active, entry);
            late.push(Step { mask: found.mask, differences: found.differences, ..Step::to(entry.clone(), None, "") });
        } else {
            self.steps.push(Step::to(entry.clone(), None, ""));
        }
    }

    fn change(&mut self, entry: &Entry, before: &Entry, etag: &str, late: &mut Vec<Step>) {
        let found = compare(before, entry);
        if found.mask.is_empty() {
            self.unchanged.push(entry.key());
            return;
        }
        let step = Step {
            mask: found.mask,
            differences: found.differences,
            ..Step::to(entry.clone(), Some(before.clone()), etag)
        };
        let leaves = entry.is_inactive() && !before.is_inactive();
        if leaves && matches!(entry, Entry::User(_) | Entry::Department(_)) {
            late.push(step);
        } else {
            self.steps.push(step);
        }
    }

    fn find_needs(&mut self, asked: &BTreeMap<Key, Entry>, present: &Catalogue) {
        let mut earlier: BTreeSet<Key> = BTreeSet::new();
        for step in &mut self.steps {
            let mut names: BTreeSet<Key> = step.entry.names().into_iter().collect();
            if let Entry::OrderType(_) = step.entry {
                // Days of a status are counted in the calendar of its department.
                let calendars: Vec<_> = names.iter().filter_map(|key| calendar_of(key, asked, present)).collect();
                names.extend(calendars);
            }
            names.insert(step.key());
            step.needs = names.into_iter().filter(|key| earlier.contains(key)).collect();
            if step.matters_to_others() {
                earlier.insert(step.key());
            }
        }
    }
}

impl Step {
    fn to(entry: Entry, before: Option<Entry>, etag: &str) -> Self {
        Self {
            entry,
            before,
            etag: etag.to_owned(),
            mask: Vec::new(),
            differences: Vec::new(),
            needs: Vec::new(),
            replacements: HashMap::new(),
            apply_to_open: false,
            foreseen: Foreseen::Nothing,
        }
    }

    fn about_orders(&mut self, wanted: &Wanted, apply_to_open: bool) {
        let (Entry::OrderType(after), Some(Entry::OrderType(before))) = (&self.entry, &self.before) else { return };
        self.apply_to_open = apply_to_open && plans_otherwise(before, after);
        let Some(replacements) = wanted.replacements.get(&after.id) else { return };
        for gone in removed(before, after) {
            let Some(to) = replacements.get(&gone.id) else { continue };
            self.replacements.insert(gone.id.clone(), to.clone());
            let field = format!("statuses.{}", gone.id);
            if let Some(told) = self.differences.iter_mut().find(|it| it.field == field) {
                told.note = format!("its orders go to {to}");
            }
        }
    }
}

fn calendar_of(key: &Key, asked: &BTreeMap<Key, Entry>, present: &Catalogue) -> Option<Key> {
    if key.kind != Kind::Department {
        return None;
    }
    let calendar = match asked.get(key) {
        Some(Entry::Department(it)) => &it.calendar,
        _ => &present.departments.get(&key.id)?.calendar,
    };
    (!calendar.is_empty()).then(|| Key::new(Kind::Calendar, calendar))
}

fn entries(present: &Catalogue) -> BTreeMap<Key, (Entry, String)> {
    let mut all = BTreeMap::new();
    let mut put = |entry: Entry, etag: &str| all.insert(entry.key(), (entry, etag.to_owned()));
    put(Entry::Stages(present.stages.clone()), &present.stages_etag);
    present.calendars.values().for_each(|it| drop(put(Entry::Calendar(it.clone()), &it.etag)));
    present.users.values().for_each(|it| drop(put(Entry::User(it.clone()), &it.etag)));
    present.departments.values().for_each(|it| drop(put(Entry::Department(it.clone()), &it.etag)));
    present.types.values().for_each(|it| drop(put(Entry::OrderType(it.clone()), &it.etag)));
    present.triggers.values().for_each(|it| drop(put(Entry::Trigger(it.clone()), &it.etag)));
    all
}

fn wanted_entries(wanted: &Wanted) -> BTreeMap<Key, Entry> {
    let stages = wanted.stages.iter().cloned().map(Entry::Stages);
    let calendars = wanted.calendars.values().cloned().map(Entry::Calendar);
    let users = wanted.users.values().cloned().map(Entry::User);
    let departments = wanted.departments.values().cloned().map(Entry::Department);
    let types = wanted.types.values().cloned().map(Entry::OrderType);
    let triggers = wanted.triggers.values().cloned().map(Entry::Trigger);
    let all = stages.chain(calendars).chain(users).chain(departments).chain(types).chain(triggers);
    all.map(|entry| (entry.key(), entry)).collect()
}

/// What files name and neither they nor the plant have: one sentence each.
pub fn missing(present: &Catalogue, wanted: &Wanted) -> Vec<String> {
    let (there, asked) = (entries(present), wanted_entries(wanted));
    let mut missing = Vec::new();
    for (key, entry) in &asked {
        let unknown = entry.names().into_iter().filter(|name| !asked.contains_key(name) && !there.contains_key(name));
        missing
            .extend(unknown.map(|name| format!("{key} names {name}, which is neither in the file nor in the plant")));
        let Entry::OrderType(it) = entry else { continue };
        let replacements = wanted.replacements.get(&it.id).into_iter().flat_map(BTreeMap::values);
        let moves = it.moves.iter().flat_map(|it| [&it.from, &it.to]);
        let statuses: BTreeSet<_> = replacements.chain(moves).chain([&it.default_status]).collect();
        let unknown = |id: &&&String| !id.is_empty() && !it.statuses.iter().any(|status| status.id == ***id);
        missing.extend(
            statuses.iter().filter(unknown).map(|id| format!("{key} names status {id}, which it does not list")),
        );
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::plant::given::{present, wanted};

    const PLANT: &str = "
        stages = [{ id = 's', name = 'S' }]
        calendars = [{ id = 'c', name = 'C', zone = 'UTC', week = { monday = 'open' } }]
        users = [{ id = 'anna', name = 'Anna' }, { id = 'ben', name = 'Ben' }]
        departments = [{ id = 'd', name = 'D', managers = ['anna'], calendar = 'c' }]
        [[types]]
        id = 't'
        name = 'T'
        calendar = 'c'
        statuses = [
            { id = 'a', name = 'A', kind = 'initial' },
            { id = 'b', name = 'B', department = 'd', user = 'ben', duration_business_days = 2 },
            { id = 'f', name = 'F', kind = 'final' },
        ]";

    fn told(plan: &Plan) -> Vec<String> {
        let verb = |step: &Step| if step.creates() { "create" } else { "change" };
        plan.steps.iter().map(|step| format!("{} {}", verb(step), step.key())).collect()
    }

    fn plan(before: &str, after: &str) -> Plan {
        Plan::new(&present(before), &wanted(after), false)
    }

    fn needs(step: &Step) -> Vec<String> {
        step.needs.iter().map(Key::to_string).collect()
    }

    #[test]
    fn everything_is_there_before_it_is_named() {
        let plan = plan("", PLANT);
        let expected = [
            "change stages",
            "create calendar c",
            "create user anna",
            "create user ben",
            "create department d",
            "create type t",
        ];
        assert_eq!(told(&plan), expected);
        assert_eq!(needs(&plan.steps[4]), ["calendar c", "user anna"]);
        assert_eq!(needs(&plan.steps[5]), ["calendar c", "user ben", "department d"]);
    }

    #[test]
    fn what_is_so_already_is_no_step_and_what_is_not_named_stays() {
        let plan = plan(PLANT, "users = [{ id = 'anna', name = 'Anna' }]");
        assert!(plan.steps.is_empty());
        assert_eq!(plan.unchanged, [Key::new(Kind::User, "anna")]);
        let left: Vec<_> = plan.left.iter().map(Key::to_string).collect();
        assert_eq!(left, ["calendar c", "user ben", "department d", "type t"]);
        assert!(super::Plan::new(&present(PLANT), &wanted(PLANT), true).steps.is_empty());
    }

    #[test]
    fn who_becomes_inactive_is_changed_after_what_named_them() {
        let after = PLANT
            .replace("name = 'Anna' }", "name = 'Anna', inactive = true }")
            .replace("managers = ['anna']", "managers = ['ben'], inactive = true")
            .replace("department = 'd', ", "");
        let changed = plan(PLANT, &after);
        assert_eq!(told(&changed), ["change type t", "change department d", "change user anna"]);
        assert!(changed.steps.iter().all(|step| step.etag == "1"));
    }

    #[test]
    fn who_is_inactive_from_the_start_and_is_named_is_active_first() {
        let after = PLANT.replace("name = 'Anna' }", "name = 'Anna', inactive = true }");
        let plan = plan("", &after);
        assert_eq!(told(&plan).last().map(String::as_str), Some("change user anna"));
        let (first, last) = (&plan.steps[2], &plan.steps[6]);
        assert!(!first.entry.is_inactive() && last.entry.is_inactive());
        assert_eq!((last.mask.as_slice(), needs(last)), (&["inactive"][..], vec!["user anna".to_owned()]));
    }

    #[test]
    fn days_that_change_make_the_plan_of_a_type_provisional() {
        let after = PLANT.replace("'open'", "'closed', tuesday = 'open'").replace("name = 'B'", "name = 'BB'");
        let changed = plan(PLANT, &after);
        assert_eq!(told(&changed), ["change calendar c", "change type t"]);
        assert_eq!(needs(&changed.steps[1]), ["calendar c"]);
        let renamed = plan(PLANT, &PLANT.replace("name = 'C'", "name = 'CC'").replace("name = 'B'", "name = 'BB'"));
        assert!(renamed.steps[1].needs.is_empty(), "a name changes no day");
    }

    #[test]
    fn only_statuses_that_go_are_replaced() {
        let b = "            { id = 'b', name = 'B', department = 'd', user = 'ben', duration_business_days = 2 },\n";
        let after = PLANT.replace(b, "").replace(
            "calendar = 'c'\n        st",
            "calendar = 'c'\n        replacements = { b = 'a', gone = 'a' }\n        st",
        );
        let changed = plan(PLANT, &after);
        assert_eq!(changed.steps[0].replacements, HashMap::from([("b".to_owned(), "a".to_owned())]));
        assert_eq!(changed.steps[0].differences[0].note, "its orders go to a");
        assert!(!changed.steps[0].apply_to_open);
        assert!(Plan::new(&present(PLANT), &wanted(&after), true).steps[0].apply_to_open);
    }

    #[test]
    fn what_is_nowhere_is_told_at_once() {
        let after = PLANT.replace("['anna']", "['ghost']").replace("user = 'ben'", "user = 'nobody'");
        let after =
            after.replace("calendar = 'c'\n        st", "calendar = 'c'\n        default_status = 'x'\n        st");
        let all = missing(&present(""), &wanted(&after));
        let expected = [
            "department d names user ghost, which is neither in the file nor in the plant",
            "type t names user nobody, which is neither in the file nor in the plant",
            "type t names status x, which it does not list",
        ];
        assert_eq!(all, expected);
        assert!(missing(&present(""), &wanted(PLANT)).is_empty());
        let elsewhere = "[[departments]]\nid = 'e'\nname = 'E'\nmembers = ['ben']";
        assert!(missing(&present(PLANT), &wanted(elsewhere)).is_empty(), "the plant has him");
    }
}
