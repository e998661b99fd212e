//! One status of an order type: inserted, changed, removed.

use clap::Args;
use prost_types::FieldMask;

use super::{Edit, edited, said, some_change};
use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        duration::{self, Duration},
        failure::Failure,
        json,
        plant::{Clock, Kind},
        words,
    },
    grpc::proto::v1::{CreateStatusRequest, DeleteStatusRequest, Status, UpdateStatusRequest},
};

/// The new status.
#[derive(Args)]
pub struct Add {
    /// Id of the type
    order_type: String,
    /// Id of the new status
    status: String,
    #[arg(long, value_enum, default_value_t = Kind::Standard)]
    kind: Kind,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    edit: Edit,
}

/// What changes in the status; what is not given stays.
#[derive(Args)]
pub struct Change {
    /// Id of the type
    order_type: String,
    /// Id of the status
    status: String,
    #[command(flatten)]
    fields: Fields,
    /// Cannot be chosen any more
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
    #[command(flatten)]
    edit: Edit,
}

/// Which status goes, and who takes its place.
#[derive(Args)]
pub struct Remove {
    /// Id of the type
    order_type: String,
    /// Id of the status
    status: String,
    /// Status that gets its orders; needed when there are some
    #[arg(long, value_name = "STATUS", default_value = "", hide_default_value = true)]
    replacement: String,
    /// For the first or the last status: the standard one that takes its place
    #[arg(long, value_name = "STATUS", default_value = "", hide_default_value = true)]
    successor: String,
    #[command(flatten)]
    edit: Edit,
}

#[derive(Args)]
struct Fields {
    /// Name as shown; of a new status the id, when it is not given
    #[arg(long)]
    name: Option<String>,
    /// When to use it
    #[arg(long)]
    definition: Option<String>,
    /// #rrggbb
    #[arg(long)]
    colour: Option<String>,
    /// Picture, for example wrench; empty = none
    #[arg(long)]
    icon: Option<String>,
    /// Column of the board: id of a stage, or any text
    #[arg(long)]
    stage: Option<String>,
    /// Department that gets orders which enter; empty = none
    #[arg(long)]
    department: Option<String>,
    /// User who gets orders which enter; empty = none
    #[arg(long)]
    user: Option<String>,
    /// How long a visit may take: business days (2), working time (4h30m), or `none` for no due date
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    duration: Option<Duration>,
    /// What the clock of a non-standard status does
    #[arg(long, value_enum)]
    clock: Option<Clock>,
    /// Place among the statuses, from 0
    #[arg(long)]
    position: Option<i32>,
}

impl Fields {
    /// The fields and the names of those that were given.
    fn into_status(self, id: String, inactive: Option<bool>) -> (Status, FieldMask) {
        let mut paths = Vec::new();
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
        given("name", self.name.is_some());
        given("definition", self.definition.is_some());
        given("colour", self.colour.is_some());
        given("icon", self.icon.is_some());
        given("stage", self.stage.is_some());
        given("default_department", self.department.is_some());
        given("default_user", self.user.is_some());
        given("duration_business_days", matches!(self.duration, Some(Duration::Days(_) | Duration::None)));
        given("duration_working_minutes", matches!(self.duration, Some(Duration::Minutes(_) | Duration::None)));
        given("clock", self.clock.is_some());
        given("inactive", inactive.is_some());
        given("position", self.position.is_some());
        let status = Status {
            id,
            name: self.name.unwrap_or_default(),
            definition: self.definition.unwrap_or_default(),
            colour: self.colour.unwrap_or_default(),
            icon: self.icon.unwrap_or_default(),
            stage: self.stage.unwrap_or_default(),
            default_department: self.department.unwrap_or_default(),
            default_user: self.user.unwrap_or_default(),
            duration_business_days: match self.duration {
                Some(Duration::Days(days)) => Some(days),
                _ => None,
            },
            duration_working_minutes: match self.duration {
                Some(Duration::Minutes(minutes)) => Some(minutes),
                _ => None,
            },
            clock: self.clock.map_or(0, |clock| clock.to_message().into()),
            inactive: inactive.unwrap_or(false),
            position: self.position.unwrap_or(0),
            ..Status::default()
        };
        (status, FieldMask { paths })
    }
}

/// Inserts a status.
///
/// # Errors
/// The refusals of `CreateStatus`.
pub async fn add(caller: &Caller, add: Add) -> Result<Answer, Failure> {
    let position = add.fields.position;
    let (mut status, _) = add.fields.into_status(add.status, None);
    status.kind = add.kind.to_message().into();
    if status.name.is_empty() {
        status.name.clone_from(&status.id);
    }
    let request = CreateStatusRequest {
        order_type: add.order_type,
        status: Some(status),
        position,
        etag: add.edit.etag,
        request_id: add.edit.write.request_id(),
        validate_only: add.edit.write.preview,
        apply_to_open: add.edit.apply_to_open,
        expected_plan: add.edit.expected_plan,
    };
    let preview = request.validate_only;
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.create_status(request).await.map_err(failure)?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("CreateStatusResponse", &changed)));
    }
    Ok(edited(caller, said("added", preview), changed.order_type, (changed.plan, changed.replan), preview))
}

/// Changes a status.
///
/// # Errors
/// The refusals of `UpdateStatus`; `Usage` when nothing is to be changed.
pub async fn change(caller: &Caller, change: Change) -> Result<Answer, Failure> {
    let (status, mask) = change.fields.into_status(change.status, change.inactive);
    some_change(&mask.paths)?;
    let request = UpdateStatusRequest {
        order_type: change.order_type,
        status: Some(status),
        update_mask: Some(mask),
        etag: change.edit.etag,
        request_id: change.edit.write.request_id(),
        validate_only: change.edit.write.preview,
        apply_to_open: change.edit.apply_to_open,
        expected_plan: change.edit.expected_plan,
    };
    let preview = request.validate_only;
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.update_status(request).await.map_err(failure)?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateStatusResponse", &changed)));
    }
    let stay = usize::try_from(changed.open_orders).unwrap_or(0);
    let said = format!("{}: {} in it stay", said("changed", preview), words::count(stay, "open order"));
    Ok(edited(caller, &said, changed.order_type, (changed.plan, changed.replan), preview))
}

/// Removes a status.
///
/// # Errors
/// The refusals of `DeleteStatus`.
pub async fn remove(caller: &Caller, remove: Remove) -> Result<Answer, Failure> {
    let request = DeleteStatusRequest {
        order_type: remove.order_type,
        status: remove.status,
        etag: remove.edit.etag,
        request_id: remove.edit.write.request_id(),
        validate_only: remove.edit.write.preview,
        replacement: remove.replacement,
        successor: remove.successor,
        apply_to_open: remove.edit.apply_to_open,
        expected_plan: remove.edit.expected_plan,
    };
    let preview = request.validate_only;
    let failure = Failure::of_write(&request.request_id);
    let left = caller.types().await?.delete_status(request).await.map_err(failure)?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("DeleteStatusResponse", &left)));
    }
    Ok(edited(caller, said("removed", preview), left.order_type, (left.plan, left.replan), preview))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_fields_are_in_the_mask() {
        let fields = Fields {
            name: Some("Mill".into()),
            definition: None,
            colour: None,
            icon: Some(String::new()),
            stage: None,
            department: None,
            user: None,
            duration: Some(Duration::None),
            clock: None,
            position: None,
        };
        let (status, mask) = fields.into_status("milling".into(), Some(true));
        assert_eq!(mask.paths, ["name", "icon", "duration_business_days", "duration_working_minutes", "inactive"]);
        assert_eq!((status.duration_business_days, status.inactive), (None, true));
    }
}
