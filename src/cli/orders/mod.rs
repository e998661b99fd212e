//! `andon orders`: one file per verb.

mod ack;
mod advance;
mod board;
mod bulk;
mod change_type;
mod create;
mod due;
mod explain;
mod follow;
mod history;
mod list;
mod note;
mod notes;
mod show;
mod story;
mod times;
mod update;

use clap::{Args, Subcommand};

pub use self::history::entries as history_of;
use super::{answer::Answer, caller::Caller, failure::Failure, plant::RoleName};
use crate::grpc::proto::v1::{Notify, OrderRef, order_ref};

/// Pages read at most for one answer.
const PAGES_MAX: usize = 2_000;

/// What can be done with orders.
#[derive(Subcommand)]
pub enum Verb {
    /// List orders
    List(list::List),
    /// Show one order: how it stands, and its story
    Show(show::Show),
    /// Create an order
    Create(Box<create::Create>),
    /// Move orders to their next status, or to the one given
    Advance(Box<advance::Advance>),
    /// Change fields of an order other than its status; what is not given stays
    Update(Box<update::Update>),
    /// Give orders another type
    ChangeType(change_type::ChangeType),
    /// Set the due date of an order's current status by hand, or clear it
    Due(due::SetDue),
    /// Say that somebody has seen that an order is late: no escalation for this visit, or until a day
    Ack(ack::Ack),
    /// Say who follows an order: triggers can tell its followers
    Follow(follow::Follow),
    /// Add a note to an order
    Note(note::AddNote),
    /// List the notes of an order, answers beneath their question
    Notes(notes::Notes),
    /// How long an order was in each status
    Times(times::Times),
    /// Why the due date of an order is what it is: the rule, each step, each day
    Explain(explain::Explain),
    /// Everything that happened to an order, oldest first
    History(history::History),
    /// Open orders by status
    Board(board::Board),
}

/// Carries out one verb.
///
/// # Errors
/// As `andon --help` lists them.
pub async fn run(caller: &Caller, verb: Verb) -> Result<Answer, Failure> {
    match verb {
        Verb::List(list) => list::run(caller, list).await,
        Verb::Show(show) => show::run(caller, &show).await,
        Verb::Create(create) => create::run(caller, *create).await,
        Verb::Advance(advance) => advance::run(caller, *advance).await,
        Verb::Due(due) => due::run(caller, due).await,
        Verb::Update(update) => update::run(caller, *update).await,
        Verb::ChangeType(change) => change_type::run(caller, change).await,
        Verb::Ack(ack) => ack::run(caller, ack).await,
        Verb::Follow(follow) => follow::run(caller, follow).await,
        Verb::Note(note) => note::run(caller, note).await,
        Verb::Notes(notes) => notes::run(caller, &notes).await,
        Verb::Times(times) => times::run(caller, &times).await,
        Verb::Explain(explain) => explain::run(caller, &explain).await,
        Verb::History(history) => history::run(caller, &history).await,
        Verb::Board(board) => board::run(caller, board).await,
    }
}

/// Names one order.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Number of the order
    number: Option<String>,
    /// Id of the order, instead of its number
    #[arg(long)]
    id: Option<String>,
}

impl Which {
    fn to_ref(&self) -> OrderRef {
        match (&self.id, &self.number) {
            (Some(id), _) => OrderRef { r#ref: Some(order_ref::Ref::Id(id.clone())) },
            (None, number) => by_number(number.as_deref().unwrap_or_default()),
        }
    }
}

/// Whom to tell.
#[derive(Args)]
struct Tell {
    /// Tell this user; may be repeated
    #[arg(long = "notify-user", value_name = "USER")]
    users: Vec<String>,
    /// Tell the managers and members of this department; may be repeated
    #[arg(long = "notify-department", value_name = "DEPARTMENT")]
    departments: Vec<String>,
    /// Tell everybody who has this role; may be repeated
    #[arg(long = "notify-role", value_enum, value_name = "ROLE")]
    roles: Vec<RoleName>,
}

impl Tell {
    fn into_notify(self) -> Option<Notify> {
        let somebody = !self.users.is_empty() || !self.departments.is_empty() || !self.roles.is_empty();
        let roles = self.roles.into_iter().map(|role| role.to_message().into()).collect();
        somebody.then_some(Notify { users: self.users, departments: self.departments, roles })
    }
}

/// A reference by number.
pub fn by_number(number: &str) -> OrderRef {
    OrderRef { r#ref: Some(order_ref::Ref::Number(number.to_owned())) }
}

/// What stands before the effects of a preview.
fn preview_mark(preview: bool) -> &'static str {
    if preview { "preview, nothing changed: " } else { "" }
}
