//! Edits of users and departments.

use chrono::{DateTime, Utc};

use super::{Named, all_active, all_exist, check_etag, check_room, not_found, set, taken};
use crate::domain::{
    catalogue::{Catalogue, Department, User},
    refusal::{Kind, Refusal},
    violation::Violations,
};

/// Users of one plant.
pub const USERS_MAX: usize = 10_000;
/// Departments of one plant.
pub const DEPARTMENTS_MAX: usize = 10_000;
/// Managers of one department.
pub const MANAGERS_MAX: usize = 50;
/// All roles by name.
pub const ROLES: [&str; 7] = ["VIEWER", "REPORTER", "PLANNER", "MANAGER", "OPERATOR", "ADMIN", "AUDITOR"];

/// A new user, or changed fields of one; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UserEdit {
    /// Which user.
    pub id: String,
    /// Version the caller decided on.
    pub etag: Option<String>,
    /// Name.
    pub display_name: Option<String>,
    /// Address, or empty.
    pub email: Option<String>,
    /// Roles by name.
    pub roles: Option<Vec<String>>,
    /// Whether the user can be chosen.
    pub inactive: Option<bool>,
}

impl UserEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        if let Some(name) = &self.display_name {
            v.line("display_name", name, 1, 100);
        }
        if let Some(email) = self.email.as_deref()
            && !email.is_empty()
            && !is_plausible(email)
        {
            v.add("email", "must be an address of 3 to 254 characters with one '@' and without white space, or empty");
        }
        for (index, role) in self.roles.iter().flatten().enumerate() {
            let field = format!("roles[{index}]");
            if !ROLES.contains(&role.as_str()) {
                v.add(&field, "is not a known role");
            } else if self.roles.iter().flatten().take(index).any(|before| before == role) {
                v.add(&field, "is there twice");
            }
        }
    }

    /// The new user.
    ///
    /// # Errors
    /// `Invalid` when there are `USERS_MAX`, `AlreadyExists`.
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<User, Refusal> {
        if catalogue.users.contains_key(&self.id) {
            return Err(taken(Kind::User, &self.id));
        }
        check_room("user", Kind::User, catalogue.users.len(), USERS_MAX)?;
        let blank = User {
            id: self.id.clone(),
            display_name: String::new(),
            email: String::new(),
            roles: Vec::new(),
            inactive: false,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        Ok(self.onto(blank, now))
    }

    /// The user after the change.
    ///
    /// # Errors
    /// `NotFound`, `EtagMismatch`.
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<User, Refusal> {
        let before = catalogue.users.get(&self.id).ok_or_else(|| not_found(Kind::User, &self.id))?;
        check_etag(Kind::User, self.etag.as_deref(), before.version)?;
        Ok(self.onto(User::clone(before), now))
    }

    fn onto(&self, mut user: User, now: DateTime<Utc>) -> User {
        set(&mut user.display_name, self.display_name.as_ref());
        set(&mut user.email, self.email.as_ref());
        set(&mut user.roles, self.roles.as_ref());
        set(&mut user.inactive, self.inactive.as_ref());
        user.version += 1;
        user.updated_at = now;
        user
    }
}

/// Whether a text can be an address: exactly one `@` with something on both sides, 3 to 254 characters, no white space or
/// control characters. Only a message that arrives proves more.
fn is_plausible(email: &str) -> bool {
    email.chars().count() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && email
            .split_once('@')
            .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

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
}

impl DepartmentEdit {
    /// Finds all wrong fields.
    pub fn check(&self, v: &mut Violations) {
        v.slug("id", &self.id);
        if let Some(name) = &self.name {
            v.line("name", name, 1, 100);
        }
        let managers = self.managers.as_deref().unwrap_or_default();
        if managers.len() > MANAGERS_MAX {
            v.add("managers", format!("has {}; at most {MANAGERS_MAX} are allowed", managers.len()));
        }
        for (index, manager) in managers.iter().enumerate().take(MANAGERS_MAX) {
            let field = format!("managers[{index}]");
            v.slug(&field, manager);
            if managers[..index].contains(manager) {
                v.add(&field, "is there twice");
            }
        }
    }

    /// The new department.
    ///
    /// # Errors
    /// `NotFound` (a manager), `Invalid` when there are `DEPARTMENTS_MAX`, `AlreadyExists`, `Inactive` (a manager).
    pub fn create(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Department, Refusal> {
        let named = self.named(&[]);
        all_exist(&named, catalogue)?;
        if catalogue.departments.contains_key(&self.id) {
            return Err(taken(Kind::Department, &self.id));
        }
        check_room("department", Kind::Department, catalogue.departments.len(), DEPARTMENTS_MAX)?;
        all_active(&named, catalogue)?;
        let blank = Department {
            id: self.id.clone(),
            name: String::new(),
            managers: Vec::new(),
            inactive: false,
            version: 0,
            created_at: now,
            updated_at: now,
        };
        Ok(self.onto(blank, now))
    }

    /// The department after the change.
    ///
    /// # Errors
    /// `NotFound` (the department, a manager), `EtagMismatch`, `Inactive` (a manager who was none before).
    pub fn update(&self, catalogue: &Catalogue, now: DateTime<Utc>) -> Result<Department, Refusal> {
        let before = catalogue.departments.get(&self.id).ok_or_else(|| not_found(Kind::Department, &self.id))?;
        let named = self.named(&before.managers);
        all_exist(&named, catalogue)?;
        check_etag(Kind::Department, self.etag.as_deref(), before.version)?;
        all_active(&named, catalogue)?;
        Ok(self.onto(Department::clone(before), now))
    }

    fn named(&self, before: &[String]) -> Vec<Named<'_>> {
        self.managers.iter().flatten().filter(|id| !before.contains(id)).map(|id| Named::User(id)).collect()
    }

    fn onto(&self, mut department: Department, now: DateTime<Utc>) -> Department {
        set(&mut department.name, self.name.as_ref());
        set(&mut department.managers, self.managers.as_ref());
        set(&mut department.inactive, self.inactive.as_ref());
        department.version += 1;
        department.updated_at = now;
        department
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_000_000_000, 0).expect("a valid instant")
    }

    fn user(id: &str, inactive: bool) -> (String, Arc<User>) {
        let edit = UserEdit { id: id.into(), inactive: Some(inactive), ..UserEdit::default() };
        (id.into(), Arc::new(edit.create(&Catalogue::default(), now()).expect("allowed")))
    }

    #[test]
    fn an_address_has_one_at_sign_and_no_white_space() {
        for good in ["a@b", "anna@plant.example", &format!("{}@b", "a".repeat(252))] {
            assert!(is_plausible(good), "{good}");
        }
        for bad in ["@", "a@", "@b", "ab", "a@b@c", "a @b", "a@b\r\n", "a@\u{a0}b", &format!("{}@b", "a".repeat(253))] {
            assert!(!is_plausible(bad), "{bad}");
        }
    }

    #[test]
    fn a_role_is_known_and_there_once() {
        let roles = ["MANAGER", "ADMIN", "MANAGER", "KING"].map(String::from).to_vec();
        let mut v = Violations::new();
        UserEdit { id: "anna".into(), roles: Some(roles), ..UserEdit::default() }.check(&mut v);
        let fields: Vec<_> = v.into_found().into_iter().map(|violation| violation.field).collect();
        assert_eq!(fields, ["roles[2]", "roles[3]"]);
    }

    #[test]
    fn the_limit_of_users_is_refused_and_one_below_it_is_not() {
        let users = (0..USERS_MAX - 1).map(|index| user(&format!("u{index}"), false)).collect();
        let mut catalogue = Catalogue { users, ..Catalogue::default() };
        let edit = UserEdit { id: "anna".into(), ..UserEdit::default() };
        assert!(edit.create(&catalogue, now()).is_ok());
        catalogue.users.extend([user("last", false)]);
        assert!(matches!(edit.create(&catalogue, now()), Err(Refusal::Invalid(_))));
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
