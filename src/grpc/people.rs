//! The service of users and departments.

use std::{collections::BTreeMap, mem, sync::Arc};

use tonic::{Request, Response};

use super::{
    edits::{self, Mask, fail, required, settle},
    parse::{optional, render_instant, render_roles, role_name},
    proto::v1::{self, people_service_server::PeopleService},
};
use crate::{
    domain::{
        alerts::{
            message::Topic,
            preferences::{Pace, Preferences},
        },
        catalogue::{Department, User},
        edit::{AlertsEdit, DepartmentEdit, Responsibilities, UserEdit},
        refusal::{Kind, Refusal},
        violation::Violations,
    },
    ops::{Plant, catalogue},
};

const USER_FIELDS: [&str; 7] = ["display_name", "email", "roles", "inactive", "language", "zone", "alerts"];
const ALERT_FIELDS: [&str; 5] =
    ["alerts.pace", "alerts.paces", "alerts.digest_minutes", "alerts.calendar", "alerts.skip_own"];
const DEPARTMENT_FIELDS: [&str; 5] = ["name", "managers", "inactive", "members", "calendar"];

/// Users and departments of one plant.
#[derive(Debug, Clone)]
pub struct People {
    plant: Arc<Plant>,
}

impl People {
    /// The service over a plant.
    #[must_use]
    pub fn new(plant: Arc<Plant>) -> Self {
        Self { plant }
    }
}

#[tonic::async_trait]
impl PeopleService for People {
    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, tonic::Status> {
        let request = request.into_inner();
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let users = catalogue.users.values().filter(|user| request.include_inactive || !user.inactive);
        Ok(Response::new(v1::ListUsersResponse { users: users.map(|user| render_user(user)).collect() }))
    }

    async fn get_user(
        &self,
        request: Request<v1::GetUserRequest>,
    ) -> Result<Response<v1::GetUserResponse>, tonic::Status> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        match catalogue.users.get(&id) {
            Some(user) => Ok(Response::new(v1::GetUserResponse { user: Some(render_user(user)) })),
            None => Err(fail(Refusal::NotFound { kind: Kind::User, id }.into())),
        }
    }

    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::CreateUserResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateUser", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(None, &USER_FIELDS, &[], &mut v);
        let edit = user_edit(&required("user", request.user)?, &mask, &mut v);
        settle(v)?;
        let user = catalogue::create_user(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::CreateUserResponse { user: Some(render_user(&user)) }))
    }

    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Result<Response<v1::UpdateUserResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let mut write = edits::write("UpdateUser", &id, validate_only, &request, &mut v);
        write.expected_plan = optional(&request.expected_plan);
        let mask = Mask::parse(request.update_mask.as_ref(), &USER_FIELDS, &ALERT_FIELDS, &mut v);
        v.id("reassign_to", &request.reassign_to);
        let edit = user_edit(&required("user", request.user)?, &mask, &mut v);
        settle(v)?;
        let edit = UserEdit { reassign_to: optional(&request.reassign_to), ..edit };
        let edited = catalogue::update_user(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::UpdateUserResponse {
            user: Some(render_user(&edited.user)),
            responsibilities: edited.responsibilities.map(render_responsibilities),
            plan: Some(edits::render_plan(&edited.plan)),
        }))
    }

    async fn list_departments(
        &self,
        request: Request<v1::ListDepartmentsRequest>,
    ) -> Result<Response<v1::ListDepartmentsResponse>, tonic::Status> {
        let request = request.into_inner();
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        let departments =
            catalogue.departments.values().filter(|department| request.include_inactive || !department.inactive);
        let departments = departments.map(|department| render_department(department)).collect();
        Ok(Response::new(v1::ListDepartmentsResponse { departments }))
    }

    async fn get_department(
        &self,
        request: Request<v1::GetDepartmentRequest>,
    ) -> Result<Response<v1::GetDepartmentResponse>, tonic::Status> {
        let id = request.into_inner().id;
        edits::slug("id", &id)?;
        let catalogue = catalogue::catalogue(&self.plant).await.map_err(fail)?;
        match catalogue.departments.get(&id) {
            Some(department) => {
                let department = Some(render_department(department));
                Ok(Response::new(v1::GetDepartmentResponse { department }))
            }
            None => Err(fail(Refusal::NotFound { kind: Kind::Department, id }.into())),
        }
    }

    async fn create_department(
        &self,
        request: Request<v1::CreateDepartmentRequest>,
    ) -> Result<Response<v1::CreateDepartmentResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("CreateDepartment", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(None, &DEPARTMENT_FIELDS, &[], &mut v);
        let edit = department_edit(&required("department", request.department)?, &mask, &mut v);
        settle(v)?;
        let department = catalogue::create_department(&self.plant, edit, write).await.map_err(fail)?;
        Ok(Response::new(v1::CreateDepartmentResponse { department: Some(render_department(&department)) }))
    }

    async fn update_department(
        &self,
        request: Request<v1::UpdateDepartmentRequest>,
    ) -> Result<Response<v1::UpdateDepartmentResponse>, tonic::Status> {
        let mut request = request.into_inner();
        let mut v = Violations::new();
        let (id, validate_only) = (mem::take(&mut request.request_id), mem::take(&mut request.validate_only));
        let write = edits::write("UpdateDepartment", &id, validate_only, &request, &mut v);
        let mask = Mask::parse(request.update_mask.as_ref(), &DEPARTMENT_FIELDS, &[], &mut v);
        let edit = department_edit(&required("department", request.department)?, &mask, &mut v);
        settle(v)?;
        let edited = catalogue::update_department(&self.plant, edit, write).await.map_err(fail)?;
        let (department, plan) = (Some(render_department(&edited.department)), Some(edits::render_plan(&edited.plan)));
        Ok(Response::new(v1::UpdateDepartmentResponse { department, plan, replan: edited.plan.replan }))
    }
}

fn user_edit(user: &v1::User, mask: &Mask, v: &mut Violations) -> UserEdit {
    let edit = UserEdit {
        id: user.id.clone(),
        etag: optional(&user.etag),
        display_name: mask.pick("display_name", || user.display_name.clone()),
        email: mask.pick("email", || user.email.clone()),
        roles: mask.pick("roles", || user.roles.iter().map(|role| role_name(*role)).collect()),
        inactive: mask.pick("inactive", || user.inactive),
        language: mask.pick("language", || user.language.clone()),
        zone: mask.pick("zone", || user.zone.clone()),
        alerts: alerts_edit(user.alerts.as_ref(), mask, v),
        reassign_to: None,
    };
    v.within("user.", |v| edit.check(v));
    edit
}

fn alerts_edit(given: Option<&v1::AlertPreferences>, mask: &Mask, v: &mut Violations) -> AlertsEdit {
    let named = |part: &str| mask.names("alerts") || mask.names(part);
    let nothing = v1::AlertPreferences::default();
    let given = given.unwrap_or(&nothing);
    let pace = named("alerts.pace").then(|| pace("user.alerts.pace", given.pace, v));
    let by_topic = named("alerts.paces").then(|| {
        let mut by_topic = BTreeMap::new();
        for (kind, chosen) in &given.paces {
            let field = format!("user.alerts.paces[{}]", kind.chars().take(40).collect::<String>());
            let topic = Topic::parse_chosen(kind);
            if topic.is_none() {
                v.add(
                    &field,
                    format!("is no kind of message; known are: {}", Topic::CHOSEN.map(Topic::as_str).join(", ")),
                );
            }
            let chosen = self::pace(&field, *chosen, v);
            by_topic.extend(topic.zip(chosen));
        }
        by_topic
    });
    AlertsEdit {
        pace: pace.map(Option::unwrap_or_default),
        by_topic,
        digest_minutes: named("alerts.digest_minutes").then(|| given.digest_minutes.clone()),
        calendar: named("alerts.calendar").then(|| given.calendar.clone()),
        skip_own: named("alerts.skip_own").then_some(given.skip_own),
    }
}

/// A pace; `None` when it is not set.
fn pace(field: &str, given: i32, v: &mut Violations) -> Option<Pace> {
    match v1::AlertPace::try_from(given) {
        Ok(v1::AlertPace::Unspecified) => None,
        Ok(v1::AlertPace::Immediate) => Some(Pace::Immediate),
        Ok(v1::AlertPace::Digest) => Some(Pace::Digest),
        Err(_) => {
            v.add(field, "is not a known pace");
            None
        }
    }
}

fn render_pace(pace: Pace) -> v1::AlertPace {
    match pace {
        Pace::Immediate => v1::AlertPace::Immediate,
        Pace::Digest => v1::AlertPace::Digest,
    }
}

fn render_alerts(alerts: &Preferences) -> v1::AlertPreferences {
    v1::AlertPreferences {
        pace: render_pace(alerts.pace).into(),
        paces: alerts
            .by_topic
            .iter()
            .map(|(topic, pace)| (topic.as_str().to_owned(), render_pace(*pace).into()))
            .collect(),
        digest_minutes: alerts.digest_times.iter().map(|minute| i32::from(*minute)).collect(),
        calendar: alerts.calendar.clone(),
        skip_own: alerts.skip_own,
    }
}

fn department_edit(department: &v1::Department, mask: &Mask, v: &mut Violations) -> DepartmentEdit {
    let edit = DepartmentEdit {
        id: department.id.clone(),
        etag: optional(&department.etag),
        name: mask.pick("name", || department.name.clone()),
        managers: mask.pick("managers", || department.managers.clone()),
        inactive: mask.pick("inactive", || department.inactive),
        members: mask.pick("members", || department.members.clone()),
        calendar: mask.pick("calendar", || optional(&department.calendar)),
    };
    v.within("department.", |v| edit.check(v));
    edit
}

fn render_responsibilities(it: Responsibilities) -> v1::Responsibilities {
    v1::Responsibilities {
        open_orders: it.open_orders,
        default_user_of: it.default_user_of,
        manages: it.manages,
        manages_alone: it.manages_alone,
        member_of: it.member_of,
        open_tasks: it.open_tasks,
        named_by_triggers: it.named_by_triggers,
    }
}

fn render_user(user: &User) -> v1::User {
    v1::User {
        id: user.id.clone(),
        display_name: user.display_name.clone(),
        email: user.email.clone(),
        roles: render_roles(&user.roles),
        inactive: user.inactive,
        etag: user.version.to_string(),
        create_time: Some(render_instant(user.created_at)),
        update_time: Some(render_instant(user.updated_at)),
        language: user.language.clone(),
        zone: user.zone.clone(),
        alerts: Some(render_alerts(&user.alerts)),
    }
}

fn render_department(department: &Department) -> v1::Department {
    v1::Department {
        id: department.id.clone(),
        name: department.name.clone(),
        managers: department.managers.clone(),
        inactive: department.inactive,
        etag: department.version.to_string(),
        create_time: Some(render_instant(department.created_at)),
        update_time: Some(render_instant(department.updated_at)),
        members: department.members.clone(),
        calendar: department.calendar.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::edit::ROLES;

    #[test]
    fn the_roles_of_the_api_are_those_of_the_domain() {
        let known: Vec<_> = (1..).map_while(|role| v1::Role::try_from(role).ok()).collect();
        assert_eq!(known.iter().map(|role| role_name(i32::from(*role))).collect::<Vec<_>>(), ROLES);
        for unknown in [0, 8, -1] {
            assert!(!ROLES.contains(&role_name(unknown).as_str()));
        }
    }
}
