//! `andon types`: order types, one file for each thing about them.

mod moves;
mod show;
mod stages;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use prost_types::FieldMask;

use super::{
    answer::Answer,
    caller::{Caller, Write},
    duration::clearable_method,
    edit_plan,
    failure::Failure,
    json,
    plant::{self, TypeFile},
    sheet::{Sheet, Tone},
};
use crate::grpc::proto::v1::{
    CreateOrderTypeRequest, EditPlan, GetOrderTypeRequest, ListOrderTypesRequest, OrderType, ScheduleMethod,
    UpdateOrderTypeRequest,
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
    /// Show one order type with its statuses and the moves it allows
    Show {
        /// Id of the type
        id: String,
        /// Also the inactive statuses
        #[arg(long)]
        all: bool,
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
    /// Insert a status; live orders stay where they are
    AddStatus(Box<status::Add>),
    /// Change fields of one status, its place among them; orders in it stay
    UpdateStatus(Box<status::Change>),
    /// Remove a status
    RemoveStatus(Box<status::Remove>),
    /// List the moves that a type allows
    Moves(moves::List),
    /// Allow a move; with the first one, those that are not listed are refused
    AllowMove(moves::Allow),
    /// Take a move from those that are allowed
    ForbidMove(moves::Forbid),
    /// The columns of the board
    #[command(subcommand)]
    Stages(stages::Verb),
}

/// What changes in the type; what is not given stays.
#[derive(Args)]
pub struct Update {
    /// Id of the type
    id: String,
    /// Name as shown
    #[arg(long)]
    name: Option<String>,
    /// What it is for
    #[arg(long)]
    description: Option<String>,
    /// Id of the calendar
    #[arg(long)]
    calendar: Option<String>,
    /// How due dates are planned; empty = as the company does
    #[arg(long, value_parser = clearable_method)]
    method: Option<ScheduleMethod>,
    /// Status that new orders get; empty = the initial one
    #[arg(long, value_name = "STATUS")]
    default_status: Option<String>,
    /// Business days before or after its target in which an order is on target
    #[arg(long, value_name = "DAYS")]
    health_tolerance: Option<i32>,
    /// Takes no new orders
    #[arg(long, value_name = "true|false")]
    inactive: Option<bool>,
    #[command(flatten)]
    edit: Edit,
}

/// Flags of an edit that may touch live orders.
#[derive(Args)]
struct Edit {
    /// Also plan the due dates of open orders anew, except those set by hand
    #[arg(long)]
    apply_to_open: bool,
    /// Do exactly the plan that a preview showed under this fingerprint, or nothing
    #[arg(long, value_name = "FINGERPRINT", default_value = "", hide_default_value = true)]
    expected_plan: String,
    /// Only if this is still the version of the type
    #[arg(long, default_value = "", hide_default_value = true)]
    etag: String,
    #[command(flatten)]
    write: Write,
}

/// Carries out one verb.
///
/// # Errors
/// The refusals of `OrderTypeService`; `Usage` for a wrong file.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List { all } => list(caller, all).await,
        Verb::Show { id, all } => {
            let found = get(caller, id).await?;
            if caller.json {
                return Ok(Answer::json(&json::value("OrderType", &found)));
            }
            Ok(Answer::text(show::block(&found, all, caller.colour)))
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
            let created = created.order_type.unwrap_or_default();
            if caller.json {
                return Ok(Answer::json(&json::value("OrderType", &created)));
            }
            let said = said("created", write.preview);
            Ok(Answer::text(format!("{said}\n\n{}", show::block(&created, true, caller.colour))))
        }
        Verb::Update(update) => change(caller, *update).await,
        Verb::AddStatus(add) => status::add(caller, *add).await,
        Verb::UpdateStatus(change) => status::change(caller, *change).await,
        Verb::RemoveStatus(remove) => status::remove(caller, *remove).await,
        Verb::Moves(list) => moves::list(caller, list).await,
        Verb::AllowMove(allow) => moves::allow(caller, allow).await,
        Verb::ForbidMove(forbid) => moves::forbid(caller, forbid).await,
        Verb::Stages(verb) => stages::run(caller, verb).await,
    }
}

async fn get(caller: &Caller, id: String) -> Result<OrderType, Failure> {
    let found = caller.types().await?.get_order_type(GetOrderTypeRequest { id }).await?.into_inner();
    Ok(found.order_type.unwrap_or_default())
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
        let active = it.statuses.iter().filter(|status| !status.inactive).count();
        let cells = [&it.id, &it.name, &it.calendar, &active.to_string(), inactive];
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
    given("schedule_method", update.method.is_some());
    given("default_status", update.default_status.is_some());
    given("health_tolerance_business_days", update.health_tolerance.is_some());
    given("inactive", update.inactive.is_some());
    some_change(&paths)?;
    let order_type = OrderType {
        id: update.id,
        name: update.name.unwrap_or_default(),
        description: update.description.unwrap_or_default(),
        calendar: update.calendar.unwrap_or_default(),
        schedule_method: update.method.unwrap_or_default().into(),
        default_status: update.default_status.unwrap_or_default(),
        health_tolerance_business_days: update.health_tolerance.unwrap_or(0),
        inactive: update.inactive.unwrap_or(false),
        etag: update.edit.etag,
        ..OrderType::default()
    };
    let request = UpdateOrderTypeRequest {
        order_type: Some(order_type),
        update_mask: Some(FieldMask { paths }),
        request_id: update.edit.write.request_id(),
        validate_only: update.edit.write.preview,
        apply_to_open: update.edit.apply_to_open,
        expected_plan: update.edit.expected_plan,
        ..UpdateOrderTypeRequest::default()
    };
    let preview = request.validate_only;
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.update_order_type(request).await.map_err(failure)?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateOrderTypeResponse", &changed)));
    }
    Ok(edited(caller, said("changed", preview), changed.order_type, (changed.plan, changed.replan), preview))
}

/// The answer to an edit: what was done, the type as it is then, what it does to live orders, and where to look on when that goes
/// on in the background.
fn edited(
    caller: &Caller,
    said: &str,
    after: Option<OrderType>,
    (plan, replan): (Option<EditPlan>, i64),
    preview: bool,
) -> Answer {
    let after = show::block(&after.unwrap_or_default(), true, caller.colour);
    let plan = edit_plan::told(&plan.unwrap_or_default(), preview, caller.colour);
    let follow = edit_plan::followed(replan).unwrap_or_default();
    Answer::text(format!("{said}\n\n{after}\n{plan}{follow}"))
}

/// An empty mask would mean all fields.
pub fn some_change(paths: &[String]) -> Result<(), Failure> {
    if paths.is_empty() { Err(Failure::Usage("nothing to change was given; see --help".to_owned())) } else { Ok(()) }
}

/// What a write says before what it shows.
pub fn said(done: &'static str, preview: bool) -> &'static str {
    if preview { "preview, nothing changed" } else { done }
}
