//! `andon types`: order types and their statuses.

use std::{fmt::Write as _, path::PathBuf};

use clap::{Args, Subcommand};
use prost_types::FieldMask;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    failure::Failure,
    json,
    plant::{self, Clock, Kind, TypeFile},
    sheet::{Sheet, Tone},
    words,
};
use crate::grpc::proto::v1::{
    CreateOrderTypeRequest, CreateStatusRequest, DeleteStatusRequest, GetOrderTypeRequest, ListOrderTypesRequest,
    OrderType, Status, UpdateOrderTypeRequest, UpdateStatusRequest,
};

/// What can be done with order types.
#[derive(Subcommand)]
pub enum Verb {
    /// List order types
    List {
        /// Also the inactive ones
        #[arg(long)]
        all: bool,
    },
    /// Show one order type with its statuses
    Show {
        /// Id of the type
        id: String,
    },
    /// Create an order type from a TOML file (id, name, calendar, [[statuses]])
    Create {
        /// The file
        #[arg(short, long, value_name = "FILE.toml")]
        file: PathBuf,
        #[command(flatten)]
        write: Write,
    },
    /// Change fields of an order type
    Update(Box<Update>),
    /// Insert a status
    AddStatus(Box<AddStatus>),
    /// Change fields of one status; orders in it stay
    UpdateStatus(Box<ChangeStatus>),
    /// Remove a status that no order ever was in
    RemoveStatus {
        /// Id of the type
        order_type: String,
        /// Id of the status
        status: String,
        #[command(flatten)]
        write: Write,
    },
}

/// What changes in the type; what is not given stays.
#[derive(Args)]
pub struct Update {
    /// Id of the type
    id: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// Id of the calendar
    #[arg(long)]
    calendar: Option<String>,
    /// Status that new orders get; empty = the initial one
    #[arg(long, value_name = "STATUS")]
    default_status: Option<String>,
    /// Takes no new orders
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
    /// Only if this is still the version of the type
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

/// The new status.
#[derive(Args)]
pub struct AddStatus {
    /// Id of the type
    order_type: String,
    /// Id of the new status
    status: String,
    #[arg(long, value_enum, default_value_t = Kind::Standard)]
    kind: Kind,
    #[command(flatten)]
    fields: StatusFields,
    #[command(flatten)]
    write: Write,
}

/// What changes in the status; what is not given stays.
#[derive(Args)]
pub struct ChangeStatus {
    /// Id of the type
    order_type: String,
    /// Id of the status
    status: String,
    #[command(flatten)]
    fields: StatusFields,
    /// Cannot be chosen any more
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
    /// Only if this is still the version of the type
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

#[derive(Args)]
struct StatusFields {
    #[arg(long)]
    name: Option<String>,
    /// When to use it
    #[arg(long)]
    definition: Option<String>,
    /// #rrggbb
    #[arg(long)]
    colour: Option<String>,
    /// Column of the board
    #[arg(long)]
    stage: Option<String>,
    /// Department that gets orders which enter; empty = none
    #[arg(long)]
    department: Option<String>,
    /// User who gets orders which enter; empty = none
    #[arg(long)]
    user: Option<String>,
    /// Business days a visit may take, or `none` for no due date
    #[arg(long, value_name = "DAYS", value_parser = duration)]
    duration: Option<Duration>,
    /// What the clock of a non-standard status does
    #[arg(long, value_enum)]
    clock: Option<Clock>,
    /// Place among the statuses, from 0
    #[arg(long)]
    position: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Duration {
    None,
    BusinessDays(i32),
}

fn duration(text: &str) -> Result<Duration, String> {
    match text {
        "none" => Ok(Duration::None),
        days => days.parse().map(Duration::BusinessDays).map_err(|_| "expected a number of days, or none".to_owned()),
    }
}

impl StatusFields {
    /// The fields and the names of those that were given.
    fn into_status(self, id: String, inactive: Option<bool>) -> (Status, FieldMask) {
        let mut paths = Vec::new();
        let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
        given("name", self.name.is_some());
        given("definition", self.definition.is_some());
        given("colour", self.colour.is_some());
        given("stage", self.stage.is_some());
        given("default_department", self.department.is_some());
        given("default_user", self.user.is_some());
        given("duration_business_days", self.duration.is_some());
        given("clock", self.clock.is_some());
        given("inactive", inactive.is_some());
        given("position", self.position.is_some());
        let status = Status {
            id,
            name: self.name.unwrap_or_default(),
            definition: self.definition.unwrap_or_default(),
            colour: self.colour.unwrap_or_default(),
            stage: self.stage.unwrap_or_default(),
            default_department: self.department.unwrap_or_default(),
            default_user: self.user.unwrap_or_default(),
            duration_business_days: match self.duration {
                Some(Duration::BusinessDays(days)) => Some(days),
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

/// Carries out one verb.
///
/// # Errors
/// The refusals of `OrderTypeService`; `Usage` for a wrong file.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List { all } => list(caller, all).await,
        Verb::Show { id } => {
            let found = caller.types().await?.get_order_type(GetOrderTypeRequest { id }).await?.into_inner();
            Ok(answer(caller, found.order_type, ""))
        }
        Verb::Create { file, write } => {
            let order_type = plant::read::<TypeFile>(&file)?.to_message();
            let request = CreateOrderTypeRequest {
                order_type: Some(order_type),
                request_id: write.request_id(),
                validate_only: write.preview,
            };
            let failure = Failure::of_write(&request.request_id);
            let created = caller.types().await?.create_order_type(request).await.map_err(failure)?.into_inner();
            Ok(answer(caller, created.order_type, said("created", write.preview)))
        }
        Verb::Update(update) => change(caller, *update).await,
        Verb::AddStatus(add) => add_status(caller, *add).await,
        Verb::UpdateStatus(change) => change_status(caller, *change).await,
        Verb::RemoveStatus { order_type, status, write } => {
            let request_id = write.request_id();
            let failure = Failure::of_write(&request_id);
            let validate_only = write.preview;
            let request = DeleteStatusRequest {
                order_type,
                status,
                etag: String::new(),
                request_id,
                validate_only,
                ..DeleteStatusRequest::default()
            };
            let left = caller.types().await?.delete_status(request).await.map_err(failure)?.into_inner();
            Ok(answer(caller, left.order_type, said("removed", write.preview)))
        }
    }
}

async fn list(caller: &Caller, include_inactive: bool) -> Result<Answer, Failure> {
    let request = ListOrderTypesRequest { include_inactive };
    let found = caller.types().await?.list_order_types(request).await?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("ListOrderTypesResponse", &found)));
    }
    if found.order_types.is_empty() {
        return Ok(Answer::text(
            "No order types yet. `andon types create -f FILE.toml` makes one, `andon seed` a sample.",
        ));
    }
    let mut sheet = Sheet::new(&["ID", "NAME", "CALENDAR", "STATUSES", ""], caller.colour);
    sheet.keep_whole(0);
    for it in &found.order_types {
        let tone = if it.inactive { Tone::Faint } else { Tone::Plain };
        let inactive = if it.inactive { "inactive" } else { "" };
        let cells = [&it.id, &it.name, &it.calendar, &it.statuses.len().to_string(), inactive];
        sheet.toned_row(cells.map(|text: &str| (text.to_owned(), tone)));
    }
    Ok(Answer::text(sheet.fitted()))
}

async fn change(caller: &Caller, update: Update) -> Result<Answer, Failure> {
    let mut paths = Vec::new();
    let mut given = |name: &str, is_given: bool| paths.extend(is_given.then(|| name.to_owned()));
    given("name", update.name.is_some());
    given("description", update.description.is_some());
    given("calendar", update.calendar.is_some());
    given("default_status", update.default_status.is_some());
    given("inactive", update.inactive.is_some());
    some_change(&paths)?;
    let order_type = OrderType {
        id: update.id,
        name: update.name.unwrap_or_default(),
        description: update.description.unwrap_or_default(),
        calendar: update.calendar.unwrap_or_default(),
        default_status: update.default_status.unwrap_or_default(),
        inactive: update.inactive.unwrap_or(false),
        etag: update.etag,
        ..OrderType::default()
    };
    let request = UpdateOrderTypeRequest {
        order_type: Some(order_type),
        update_mask: Some(FieldMask { paths }),
        request_id: update.write.request_id(),
        validate_only: update.write.preview,
        ..UpdateOrderTypeRequest::default()
    };
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.update_order_type(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, changed.order_type, said("changed", update.write.preview)))
}

async fn add_status(caller: &Caller, add: AddStatus) -> Result<Answer, Failure> {
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
        etag: String::new(),
        request_id: add.write.request_id(),
        validate_only: add.write.preview,
        ..CreateStatusRequest::default()
    };
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.create_status(request).await.map_err(failure)?.into_inner();
    Ok(answer(caller, changed.order_type, said("added", add.write.preview)))
}

async fn change_status(caller: &Caller, change: ChangeStatus) -> Result<Answer, Failure> {
    let (status, mask) = change.fields.into_status(change.status, change.inactive);
    some_change(&mask.paths)?;
    let request = UpdateStatusRequest {
        order_type: change.order_type,
        status: Some(status),
        update_mask: Some(mask),
        etag: change.etag,
        request_id: change.write.request_id(),
        validate_only: change.write.preview,
        ..UpdateStatusRequest::default()
    };
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.update_status(request).await.map_err(failure)?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateStatusResponse", &changed)));
    }
    let stay = usize::try_from(changed.open_orders).unwrap_or(0);
    let said = format!("{}: {} in it stay", said("changed", change.write.preview), words::count(stay, "open order"));
    Ok(answer(caller, changed.order_type, &said))
}

/// An empty mask would mean all fields.
pub fn some_change(paths: &[String]) -> Result<(), Failure> {
    if paths.is_empty() { Err(Failure::Usage("nothing to change was given; see --help".to_owned())) } else { Ok(()) }
}

/// What a write says before what it shows.
pub fn said(done: &'static str, preview: bool) -> &'static str {
    if preview { "preview, nothing changed" } else { done }
}

fn answer(caller: &Caller, order_type: Option<OrderType>, said: &str) -> Answer {
    let order_type = order_type.unwrap_or_default();
    if caller.json {
        return Answer::json(&json::value("OrderType", &order_type));
    }
    let mut text = if said.is_empty() { String::new() } else { format!("{said}\n\n") };
    let inactive = if order_type.inactive { ", inactive" } else { "" };
    let about = format!("{} ({}): calendar {}{inactive}", order_type.name, order_type.id, order_type.calendar);
    let _ = writeln!(text, "{}", words::clean(&about));
    if !order_type.description.is_empty() {
        let _ = writeln!(text, "{}", words::clean(&order_type.description));
    }
    let mut sheet = Sheet::new(&["ID", "NAME", "KIND", "DAYS", "WITH", ""], caller.colour);
    sheet.keep_whole(0);
    for status in &order_type.statuses {
        let tone = if status.inactive { Tone::Faint } else { Tone::Plain };
        sheet.toned_row(cells(status).map(|text| (text, tone)));
    }
    let _ = write!(text, "\n{}\n\netag {}", sheet.fitted(), words::clean(&order_type.etag));
    Answer::text(text)
}

fn cells(status: &Status) -> [String; 6] {
    let kind = words::word(status.kind().as_str_name(), "STATUS_KIND_");
    let clock = match words::word(status.clock().as_str_name(), "STATUS_CLOCK_").as_str() {
        "unspecified" | "runs" => String::new(),
        clock => format!(", clock {clock}"),
    };
    let with: Vec<_> =
        [&status.default_user, &status.default_department].into_iter().filter(|it| !it.is_empty()).collect();
    let with = with.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let days = status.duration_business_days.map_or_else(String::new, |days| days.to_string());
    let inactive = if status.inactive { "inactive" } else { "" };
    [status.id.clone(), status.name.clone(), kind + &clock, days, with, inactive.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_days_or_none() {
        assert_eq!(duration("none"), Ok(Duration::None));
        assert_eq!(duration("0"), Ok(Duration::BusinessDays(0)));
        assert!(duration("two").is_err());
    }

    #[test]
    fn only_given_fields_are_in_the_mask() {
        let fields = StatusFields {
            name: Some("Mill".into()),
            definition: None,
            colour: None,
            stage: None,
            department: None,
            user: None,
            duration: Some(Duration::None),
            clock: None,
            position: None,
        };
        let (status, mask) = fields.into_status("milling".into(), Some(true));
        assert_eq!(mask.paths, ["name", "duration_business_days", "inactive"]);
        assert_eq!((status.duration_business_days, status.inactive), (None, true));
    }
}
