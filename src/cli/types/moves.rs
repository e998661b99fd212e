//! The moves that an order type allows: listed, added, taken away.

use clap::Args;
use prost_types::FieldMask;
use serde_json::json;

use super::{edited, get, said};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        failure::Failure,
        json,
        plant::RoleName,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{AllowedMove, OrderType, UpdateOrderTypeRequest, UpdateOrderTypeResponse},
};

/// What stands for a move from every status.
const ANY: &str = "any";

/// Which type.
#[derive(Args)]
pub struct List {
    /// Id of the type
    id: String,
}

/// The move, and who may make it.
#[derive(Args)]
pub struct Allow {
    #[command(flatten)]
    step: Step,
    /// Only users with this role may make it; may be repeated [default: anybody]
    #[arg(long = "role", value_enum, value_name = "ROLE")]
    roles: Vec<RoleName>,
    #[command(flatten)]
    write: Write,
}

/// The move.
#[derive(Args)]
pub struct Forbid {
    #[command(flatten)]
    step: Step,
    /// Take away even the last move that is listed; then all are allowed again
    #[arg(long)]
    allow_all: bool,
    #[command(flatten)]
    write: Write,
}

#[derive(Args)]
struct Step {
    /// Id of the type
    order_type: String,
    /// Status it leaves (id), or `any`
    from: String,
    /// Status it goes to (id)
    to: String,
}

impl Step {
    /// The status it leaves as the API has it: empty stands for any.
    fn from(&self) -> &str {
        if self.from == ANY { "" } else { &self.from }
    }

    fn is(&self, listed: &AllowedMove) -> bool {
        listed.from == self.from() && listed.to == self.to
    }

    fn name(&self) -> String {
        words::clean(&format!("{} -> {}", self.from, self.to))
    }
}

/// Lists the moves of a type.
///
/// # Errors
/// `NOT_FOUND`.
pub async fn list(caller: &Caller, list: List) -> Result<Answer, Failure> {
    let found = get(caller, list.id).await?;
    if caller.json {
        return Ok(Answer::json(&json!({ "moves": json::list("AllowedMove", &found.moves), "etag": found.etag })));
    }
    Ok(Answer::text(told(&found.moves, caller.colour)))
}

/// Adds a move to the list, or changes who may make it.
///
/// # Errors
/// `NOT_FOUND` and the refusals of `UpdateOrderType`.
pub async fn allow(caller: &Caller, allow: Allow) -> Result<Answer, Failure> {
    let found = get(caller, allow.step.order_type.clone()).await?;
    let first = found.moves.is_empty();
    let roles = allow.roles.iter().map(|role| role.to_message().into()).collect();
    let Some(moves) = with(found.moves.clone(), &allow.step, roles) else {
        return Ok(unchanged(caller, found, &format!("{} is allowed already; nothing changed.", allow.step.name())));
    };
    let mut said = said("changed", allow.write.preview).to_owned();
    if first {
        said += "\nwarning: so far all moves were allowed; with this one listed, all others are refused";
    }
    write(caller, found, moves, &allow.write, &said).await
}

/// Takes a move from the list.
///
/// # Errors
/// `NOT_FOUND` and the refusals of `UpdateOrderType`; `Usage`: it is the last one, or there is no list.
pub async fn forbid(caller: &Caller, forbid: Forbid) -> Result<Answer, Failure> {
    let found = get(caller, forbid.step.order_type.clone()).await?;
    let left = without(&found.moves, &forbid.step, forbid.allow_all).map_err(Failure::Usage)?;
    let Some(moves) = left else {
        let covered = covered(&found.moves, &forbid.step).map_or_else(String::new, |line| format!("\n{line}"));
        let text = format!("{} is not listed; nothing changed.{covered}", forbid.step.name());
        return Ok(unchanged(caller, found, &text));
    };
    let warning = covered(&moves, &forbid.step).map_or_else(String::new, |line| format!("\nwarning: {line}"));
    let said = said("changed", forbid.write.preview).to_owned() + &warning;
    write(caller, found, moves, &forbid.write, &said).await
}

/// The list with the move in it; `None` when it is there already, for the same roles.
fn with(mut moves: Vec<AllowedMove>, step: &Step, roles: Vec<i32>) -> Option<Vec<AllowedMove>> {
    match moves.iter_mut().find(|listed| step.is(listed)) {
        Some(listed) if listed.roles == roles => return None,
        Some(listed) => listed.roles = roles,
        None => moves.push(AllowedMove { from: step.from().to_owned(), to: step.to.clone(), roles }),
    }
    Some(moves)
}

/// The list without the move; `None` when it is not in it. Refused when nothing would be left and that is not wanted.
fn without(moves: &[AllowedMove], step: &Step, allow_all: bool) -> Result<Option<Vec<AllowedMove>>, String> {
    if moves.is_empty() {
        return Err(format!(
            "{} lists no moves, so all are allowed: list those that are allowed with `andon types allow-move` first",
            words::clean(&step.order_type)
        ));
    }
    let left: Vec<_> = moves.iter().filter(|listed| !step.is(listed)).cloned().collect();
    if left.is_empty() && !allow_all {
        return Err(format!(
            "{} is the last move that is listed: without it all moves would be allowed; \
             give --allow-all if that is what you want",
            step.name()
        ));
    }
    Ok((left.len() < moves.len()).then_some(left))
}

/// That a move stays allowed since moves from any status to its target are.
fn covered(moves: &[AllowedMove], step: &Step) -> Option<String> {
    let any = moves.iter().any(|listed| listed.from.is_empty() && listed.to == step.to);
    (any && !step.from().is_empty()).then(|| format!("it stays allowed by {ANY} -> {}", words::clean(&step.to)))
}

fn unchanged(caller: &Caller, found: OrderType, text: &str) -> Answer {
    if caller.json {
        let answer = UpdateOrderTypeResponse { order_type: Some(found), ..UpdateOrderTypeResponse::default() };
        return Answer::json(&json::value("UpdateOrderTypeResponse", &answer));
    }
    Answer::text(text)
}

async fn write(
    caller: &Caller,
    found: OrderType,
    moves: Vec<AllowedMove>,
    write: &Write,
    said: &str,
) -> Result<Answer, Failure> {
    let request = UpdateOrderTypeRequest {
        order_type: Some(OrderType { id: found.id, etag: found.etag, moves, ..OrderType::default() }),
        update_mask: Some(FieldMask { paths: vec!["moves".to_owned()] }),
        request_id: write.request_id(),
        validate_only: write.preview,
        ..UpdateOrderTypeRequest::default()
    };
    let failure = Failure::of_write(&request.request_id);
    let changed = caller.types().await?.update_order_type(request).await.map_err(failure)?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("UpdateOrderTypeResponse", &changed)));
    }
    Ok(edited(caller, said, changed.order_type, (changed.plan, changed.replan), write.preview))
}

/// The moves as a table, or that all are allowed.
pub fn told(moves: &[AllowedMove], colour: bool) -> String {
    if moves.is_empty() {
        return "All moves are allowed.".to_owned();
    }
    let mut sheet = Sheet::new(&["MOVE FROM", "TO", "BY"], colour);
    (0..2).for_each(|column| sheet.keep_whole(column));
    for listed in moves {
        let from = if listed.from.is_empty() { ANY } else { &listed.from };
        let roles: Vec<_> = listed.roles().map(|role| words::word(role.as_str_name(), "ROLE_")).collect();
        let by = if roles.is_empty() { ("anybody".to_owned(), Tone::Faint) } else { (roles.join(", "), Tone::Plain) };
        sheet.toned_row([(from.to_owned(), Tone::Plain), (listed.to.clone(), Tone::Plain), by]);
    }
    sheet.fitted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::proto::v1::Role;

    fn step(from: &str, to: &str) -> Step {
        Step { order_type: "machining".into(), from: from.into(), to: to.into() }
    }

    fn listed(from: &str, to: &str) -> AllowedMove {
        AllowedMove { from: from.into(), to: to.into(), roles: Vec::new() }
    }

    #[test]
    fn a_move_is_listed_once_with_its_latest_roles() {
        let moves = with(vec![listed("a", "b")], &step("any", "b"), Vec::new()).expect("new");
        assert_eq!(moves, [listed("a", "b"), listed("", "b")]);
        assert_eq!(with(moves.clone(), &step("any", "b"), Vec::new()), None);
        let roles = vec![Role::Manager.into()];
        let moves = with(moves, &step("a", "b"), roles.clone()).expect("changed");
        assert_eq!(moves, [AllowedMove { roles, ..listed("a", "b") }, listed("", "b")]);
    }

    #[test]
    fn the_last_move_is_not_taken_away_by_accident() {
        let moves = [listed("a", "b")];
        assert!(without(&moves, &step("a", "b"), false).expect_err("refused").contains("--allow-all"));
        assert_eq!(without(&moves, &step("a", "b"), true), Ok(Some(Vec::new())));
        assert_eq!(without(&moves, &step("b", "a"), false), Ok(None));
        assert!(without(&[], &step("a", "b"), true).expect_err("no list").contains("allow-move"));
    }

    #[test]
    fn a_move_that_stays_allowed_is_told() {
        let moves = [listed("", "b")];
        assert_eq!(covered(&moves, &step("a", "b")), Some("it stays allowed by any -> b".into()));
        assert_eq!(covered(&moves, &step("any", "b")), None);
        assert_eq!(covered(&moves, &step("a", "c")), None);
    }

    #[test]
    fn moves_tell_who_may_make_them() {
        let moves = [
            AllowedMove { roles: vec![Role::Planner.into(), Role::Admin.into()], ..listed("", "b") },
            listed("b", "c"),
        ];
        let text = told(&moves, false);
        assert!(text.contains("any") && text.contains("planner, admin") && text.contains("anybody"), "{text}");
    }
}
