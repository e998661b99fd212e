//! Edits of departments.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Change, Edited, Named, check_etag, check_room, faults::Faults, not_found, set, taken};
use crate::domain::{
    catalogue::{Catalogue, Department, OrderType},
    order::DueCause,
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Departments of one plant.
pub const DEPARTMENTS_MAX: usize = 10_000;
/// Managers of one department.
pub const MANAGERS_MAX: usize = 50;
/// People who work in one department.
pub const MEMBERS_MAX: usize = 1_000;

/// A new department, or changed fields of one; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct DepartmentEdit {
    /// Which department.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Ids of its managers.
    pub managers: Option<Vec<String>>,
    /// Whether the department can be chosen.
    pub inactive: Option<bool>,
    /// Ids of those who work in it.
    pub members: Option<Vec<String>>,
    /// Id of its own calendar.
    pub calendar: Option<Option<String>>,
}

impl DepartmentEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        if let Some(name) = &self.name {
            v.line("name", name, 1, 100);
        }
        check_people("managers", self.managers.as_deref().unwrap_or_default(), MANAGERS_MAX, v);
        check_people("members", self.members.as_deref().unwrap_or_default(), MEMBERS_MAX, v);
        if let Some(Some(calendar)) = &self.calendar {
            v.slug("calendar", calendar);
        }
    }

    /// The new department.
    ///
    /// # Errors
    /// `NotFound` (a manager, a member, the calendar), `Invalid` when there are `DEPARTMENTS_MAX`, `AlreadyExists`, `Inactive` (a manager, a
    /// member).
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Department, Refusal> {
        let mut faults = Faults::default();
        faults.add_named(&self.named(None), catalogue);
        if catalogue.departments.contains_key(&self.id) {
            faults.add(Err(taken(Kind::Department, &self.id)));
        }
        faults.add(check_room("department", Kind::Department, catalogue.departments.len(), DEPARTMENTS_MAX));
        faults.told()?;
        let blank = Department {
            id: self.id.clone(),
            name: String::new(),
            managers: Vec::new(),
            inactive: false,
            members: Vec::new(),
            calendar: None,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        Ok(self.onto(blank, now))
    }

    /// The department after the change.
    ///
    /// # Errors
    /// `NotFound` (the department, what it newly names), `EtagMismatch`, `Inactive` (a manager or member who was none before).
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Department, Refusal> {
        let before = catalogue.departments.get(&self.id).ok_or_else(|| not_found(Kind::Department, &self.id))?;
        let mut faults = Faults::default();
        faults.add_named(&self.named(Some(before)), catalogue);
        faults.add(check_etag(Kind::Department, self.etag.as_deref(), before.version));
        faults.told()?;
        Ok(self.onto(Department::clone(before), now))
    }

    /// The change, and the open orders that are planned anew by it: those of types with a status that the department owns, when it
    /// gets another calendar.
    ///
    /// # Errors
    /// As `update`.
    pub fn edited(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Edited, Refusal> {
        let after = self.update(catalogue, now)?;
        let same = catalogue.departments.get(&self.id).is_some_and(|before| before.calendar == after.calendar);
        let owned = |it: &&Arc<OrderType>| {
            it.statuses.iter().any(|status| status.default_department.as_deref() == Some(self.id.as_str()))
        };
        let types = catalogue.types.values().filter(owned).map(|it| it.id.clone()).collect();
        let types = if same { Vec::new() } else { types };
        let reason = format!("department '{}' got another calendar", self.id);
        Ok(Edited::row(Change::Department(after)).planned_anew(DueCause::Calendar, &self.id, reason, types))
    }

    fn named(&self, before: Option<&Department>) -> Vec<Named<'_>> {
        let managers = before.map(|it| it.managers.as_slice()).unwrap_or_default();
        let members = before.map(|it| it.members.as_slice()).unwrap_or_default();
        let managers = self.managers.iter().flatten().filter(|id| !managers.contains(id));
        let members = self.members.iter().flatten().filter(|id| !members.contains(id));
        let calendar = self.calendar.iter().flatten().map(|id| Named::Calendar(id));
        managers.chain(members).map(|id| Named::User(id)).chain(calendar).collect()
    }

    fn onto(&self, mut department: Department, now: DateTime<Utc>) -> Department {
        set(&mut department.name, self.name.as_ref());
        set(&mut department.managers, self.managers.as_ref());
        set(&mut department.inactive, self.inactive.as_ref());
        set(&mut department.members, self.members.as_ref());
        set(&mut department.calendar, self.calendar.as_ref());
        department.version += 1;
        department.updated_at = now;
        department
    }
}

/// A list of users: not too many, each once.
fn check_people(field: &str, ids: &[String], max: usize, v: &mut Violations) {
    if ids.len() > max {
        v.add(field, format!("has {}; at most {max} are allowed", ids.len()));
    }
    let mut seen = std::collections::BTreeSet::new();
    for (index, id) in ids.iter().enumerate().take(max) {
        let field = format!("{field}[{index}]");
        v.slug(&field, id);
        if !seen.insert(id) {
            v.add(&field, "is there twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::edit::UserEdit;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000_000, 0).expect("a valid instant")
    }

    fn user(id: &str, inactive: bool) -> (String, Arc<crate::domain::catalogue::User>) {
        let edit = UserEdit { id: id.into(), inactive: Some(inactive), ..UserEdit::default() };
        (id.into(), Arc::new(edit.create(&Catalogue::default(), now()).expect("allowed")))
    }

    #[test]
    fn only_a_manager_who_is_new_must_be_active() {
        let mut catalogue = Catalogue::default();
        catalogue.users.extend([user("anna", true), user("ben", false)]);
        let edit = |managers: &[&str]| DepartmentEdit {
            id: "milling".into(),
            managers: Some(managers.iter().map(|id| (*id).to_owned()).collect()),
            ..DepartmentEdit::default()
        };
        assert_eq!(
            edit(&["anna"]).create(&catalogue, now()),
            Err(Refusal::Inactive { kind: Kind::User, id: "anna".into() })
        );
        assert_eq!(edit(&["carl"]).create(&catalogue, now()), Err(not_found(Kind::User, "carl")));
        let mut before = edit(&["ben"]).create(&catalogue, now()).expect("allowed");
        before.managers = vec!["anna".into()];
        catalogue.departments.insert("milling".into(), Arc::new(before));
        let after = edit(&["ben", "anna"]).update(&catalogue, now()).expect("allowed");
        assert_eq!((after.version, after.managers), (2, vec!["ben".to_owned(), "anna".to_owned()]));
    }
}
