//! `andon seed`: installs the sample plant through the API; what is there stays as it is.

use std::fmt::Write as _;

use clap::Args;
use serde::Deserialize;
use serde_json::json;
use tonic::Code;

use super::{
    answer::Answer,
    caller::{Caller, new_request_id},
    dates,
    failure::Failure,
    install::{self, Outcome},
    orders::by_number,
    plant::{CalendarFile, DepartmentFile, Kind, StageFile, TypeFile, UserFile},
    words,
};
use crate::grpc::proto::{
    Date,
    v1::{
        AddNoteRequest, Advance, AdvanceOrderRequest, CreateOrderRequest, GetOrderRequest, NewOrder, NoteKind, OrderRef,
    },
};

const SAMPLE: &str = include_str!("sample-plant.toml");

/// What to install.
#[derive(Args)]
pub struct Seed {
    /// Stages, calendar, people and order types, but no orders
    #[arg(long)]
    only_catalogue: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    stages: Vec<StageFile>,
    calendars: Vec<CalendarFile>,
    users: Vec<UserFile>,
    departments: Vec<DepartmentFile>,
    types: Vec<TypeFile>,
    orders: Vec<SampleOrder>,
}

impl Plant {
    /// The type of the sample orders.
    fn order_type(&self) -> &TypeFile {
        self.types.first().expect("a test finds it")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct SampleOrder {
    number: String,
    title: String,
    customer: String,
    product: String,
    quantity: String,
    days_ago: u32,
    through: Vec<String>,
    user: String,
    note: String,
    question: bool,
}

type Installed = Vec<(&'static str, String, Outcome)>;

/// Installs the sample plant. A second run changes nothing.
///
/// # Errors
/// The refusals of the calls it makes, except that something exists.
pub async fn run(caller: &Caller, seed: &Seed) -> Result<Answer, Failure> {
    let plant = sample();
    let mut installed = catalogue(caller, &plant).await?;
    if !seed.only_catalogue {
        let order_type = plant.order_type();
        let today = today(caller, &order_type.id).await?;
        for order in &plant.orders {
            installed.push(("order", order.number.clone(), install_order(caller, order_type, order, today).await?));
        }
    }
    if caller.json {
        let one = |(kind, id, outcome): &(&str, String, Outcome)| json!({ "kind": kind, "id": id, "created": *outcome == Outcome::Created });
        return Ok(Answer::json(&json!({ "installed": installed.iter().map(one).collect::<Vec<_>>() })));
    }
    Ok(Answer::text(report(&installed)))
}

fn sample() -> Plant {
    toml::from_str(SAMPLE).expect("a test reads the sample plant")
}

async fn catalogue(caller: &Caller, plant: &Plant) -> Result<Installed, Failure> {
    let mut installed = Installed::new();
    for (id, outcome) in install::stages(caller, plant.stages.iter().map(StageFile::to_message).collect()).await? {
        installed.push(("stage", id, outcome));
    }
    for calendar in &plant.calendars {
        let calendar = calendar.to_message()?;
        installed.push(("calendar", calendar.id.clone(), install::calendar(caller, calendar, false).await?));
    }
    for user in plant.users.iter().map(UserFile::to_message) {
        installed.push(("user", user.id.clone(), install::user(caller, user).await?));
    }
    for department in plant.departments.iter().map(DepartmentFile::to_message) {
        installed.push(("department", department.id.clone(), install::department(caller, department).await?));
    }
    for order_type in plant.types.iter().map(TypeFile::to_message) {
        installed.push(("order type", order_type.id.clone(), install::order_type(caller, order_type, false).await?));
    }
    Ok(installed)
}

/// Today in the calendar of the type, as the daemon sees it: the order date that an order without one would get.
async fn today(caller: &Caller, order_type: &str) -> Result<Date, Failure> {
    let order = NewOrder {
        number: format!("sample-{}", new_request_id()),
        order_type: order_type.to_owned(),
        ..NewOrder::default()
    };
    let request = CreateOrderRequest { order: Some(order), validate_only: true, ..CreateOrderRequest::default() };
    let answer = caller.orders().await?.create_order(request).await?.into_inner();
    let today = answer.order.and_then(|order| order.order_date);
    today.ok_or_else(|| tonic::Status::internal("the preview of an order has no order date").into())
}

async fn install_order(
    caller: &Caller,
    order_type: &TypeFile,
    sample: &SampleOrder,
    today: Date,
) -> Result<Outcome, Failure> {
    let mut client = caller.orders().await?;
    let failed = |refusal| Failure::about(&format!("order {}", sample.number), &refusal);
    let this = Some(by_number(&sample.number));
    match client.get_order(GetOrderRequest { order: this.clone() }).await {
        Ok(_) => return Ok(Outcome::AlreadyThere),
        Err(refusal) if refusal.code() == Code::NotFound => {}
        Err(refusal) => return Err(failed(refusal)),
    }
    let order = NewOrder {
        number: sample.number.clone(),
        order_type: order_type.id.clone(),
        title: sample.title.clone(),
        customer_reference: sample.customer.clone(),
        product: sample.product.clone(),
        quantity: sample.quantity.clone(),
        order_date: Some(dates::before(today, sample.days_ago)),
        assigned_user: sample.user.clone(),
        ..NewOrder::default()
    };
    let request =
        CreateOrderRequest { order: Some(order), request_id: new_request_id(), ..CreateOrderRequest::default() };
    client.create_order(request).await.map_err(failed)?;
    for target in &sample.through {
        // A move aside interrupts the current status; coming back resumes it.
        let not_complete = is_aside(order_type, target);
        let advance = Advance { target_status: target.clone(), not_complete, ..Advance::default() };
        let request = AdvanceOrderRequest {
            order: this.clone(),
            advance: Some(advance),
            request_id: new_request_id(),
            ..AdvanceOrderRequest::default()
        };
        client.advance_order(request).await.map_err(failed)?;
    }
    if !sample.note.is_empty() {
        client.add_note(note(sample, this)).await.map_err(failed)?;
    }
    Ok(Outcome::Created)
}

fn is_aside(order_type: &TypeFile, status: &str) -> bool {
    order_type.statuses.iter().any(|it| it.id == status && matches!(it.kind, Kind::NonStandard))
}

fn note(sample: &SampleOrder, order: Option<OrderRef>) -> AddNoteRequest {
    let kind = if sample.question { NoteKind::Question } else { NoteKind::Note };
    AddNoteRequest {
        order,
        text: sample.note.clone(),
        kind: kind.into(),
        request_id: new_request_id(),
        ..AddNoteRequest::default()
    }
}

fn report(installed: &Installed) -> String {
    let mut text = String::new();
    for (kind, id, outcome) in installed {
        let _ = writeln!(text, "{kind} {id}: {}", outcome.word());
    }
    let created = installed.iter().filter(|(.., outcome)| *outcome == Outcome::Created).count();
    let (there, created) = (words::grouped(installed.len() - created), words::grouped(created));
    let _ = write!(text, "\nSample plant: {created} created, {there} already there. Look at it: andon orders board");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::{StatusClock, StatusKind};

    #[test]
    fn the_sample_plant_can_be_read() {
        let plant = sample();
        assert_eq!(plant.calendars[0].to_message().expect("calendar").exceptions.len(), 9);
        assert_eq!(plant.order_type().id, "sample-machining");
        assert_eq!((plant.orders.len(), plant.types.len()), (12, 3));
        for order_type in plant.types.iter().map(TypeFile::to_message) {
            let of = |kind: StatusKind| order_type.statuses.iter().filter(|it| it.kind() == kind).count();
            assert_eq!((of(StatusKind::Initial), of(StatusKind::Final)), (1, 1), "{}", order_type.id);
            assert_eq!(order_type.statuses[0].kind(), StatusKind::Initial);
            for clock in [StatusClock::Pauses, StatusClock::Stops] {
                assert!(order_type.statuses.iter().any(|status| status.clock() == clock), "{}", order_type.id);
            }
        }
    }

    #[test]
    fn sample_types_name_what_the_sample_plant_has() {
        let plant = sample();
        let stages: Vec<_> = plant.stages.iter().map(|it| it.to_message().id).collect();
        let departments: Vec<_> = plant.departments.iter().map(|it| it.to_message().id).collect();
        let users: Vec<_> = plant.users.iter().map(|it| it.to_message().id).collect();
        for status in plant.types.iter().flat_map(|it| it.to_message().statuses) {
            assert!(status.stage.is_empty() || stages.contains(&status.stage), "{}", status.id);
            let department = &status.default_department;
            assert!(department.is_empty() || departments.contains(department), "{}", status.id);
        }
        let managers = plant.departments.iter().flat_map(|it| it.to_message().managers);
        assert!(managers.into_iter().all(|manager| users.contains(&manager)));
        for stage in &stages {
            let named = plant.types.iter().filter(|it| it.to_message().statuses.iter().any(|it| it.stage == *stage));
            assert!(named.count() > 0, "{stage}");
        }
    }

    #[test]
    fn sample_orders_go_through_statuses_that_exist() {
        let plant = sample();
        let known: Vec<_> = plant.order_type().statuses.iter().map(|status| status.id.as_str()).collect();
        for target in plant.orders.iter().flat_map(|order| &order.through) {
            assert!(known.contains(&target.as_str()), "{target}");
        }
    }

    #[test]
    fn a_second_run_says_that_all_is_there() {
        let there = |id: &str| ("order", id.to_owned(), Outcome::AlreadyThere);
        let text = report(&vec![there("SAMPLE-1"), there("SAMPLE-2")]);
        assert!(text.starts_with("order SAMPLE-1: already there\n"), "{text}");
        assert!(text.contains("0 created, 2 already there"), "{text}");
    }

    #[test]
    fn sample_addresses_lead_nowhere() {
        assert!(sample().users.iter().map(UserFile::to_message).all(|user| user.email.ends_with("@example.com")));
    }
}
