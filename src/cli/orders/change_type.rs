//! `andon orders change-type`: gives orders another type.

use std::collections::BTreeMap;

use clap::Args;

use super::{bulk, by_number};
use crate::{
    cli::{
        answer::Answer,
        caller::{Caller, Write},
        failure::Failure,
        json,
    },
    grpc::proto::v1::{BulkMode, ChangeOrderTypeRequest},
};

/// Which orders, which type, and where each status leads.
#[derive(Args)]
pub struct ChangeType {
    /// Numbers of the orders; all of one type
    #[arg(required = true)]
    numbers: Vec<String>,
    /// Id of the new type
    #[arg(long, value_name = "TYPE")]
    to: String,
    /// Status of the new type for one of the present type (ids); may be repeated [default: the one with the same id]
    #[arg(long = "map", value_name = "FROM=TO", value_parser = pair)]
    statuses: Vec<(String, String)>,
    /// Change all or none
    #[arg(long)]
    atomic: bool,
    /// Why; kept in history
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
    /// Act for this user
    #[arg(long, value_name = "USER", default_value = "", hide_default_value = true)]
    on_behalf_of: String,
    #[command(flatten)]
    write: Write,
}

/// Changes the type.
///
/// # Errors
/// The refusals of `ChangeOrderType`; each refused order stands in the answer. `Usage`: a status is mapped twice.
pub async fn run(caller: &Caller, change: ChangeType) -> Result<Answer, Failure> {
    let request_id = change.write.request_id();
    let preview = change.write.preview;
    let request = ChangeOrderTypeRequest {
        orders: change.numbers.iter().map(|number| by_number(number)).collect(),
        order_type: change.to,
        statuses: mapping(change.statuses).map_err(Failure::Usage)?,
        mode: if change.atomic { BulkMode::Atomic } else { BulkMode::Each }.into(),
        reason: change.reason,
        on_behalf_of: change.on_behalf_of,
        request_id: request_id.clone(),
        validate_only: preview,
    };
    let mut client = caller.orders().await?;
    let answer = client.change_order_type(request).await.map_err(Failure::of_write(&request_id))?.into_inner();
    let json = caller.json.then(|| json::value("ChangeOrderTypeResponse", &answer));
    Ok(bulk::answer(&change.numbers, &answer.results, "changed", preview, json))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (from, to) = text.split_once('=').ok_or("expected FROM=TO")?;
    Ok((from.to_owned(), to.to_owned()))
}

fn mapping(pairs: Vec<(String, String)>) -> Result<BTreeMap<String, String>, String> {
    let mut statuses = BTreeMap::new();
    for (from, to) in pairs {
        if statuses.contains_key(&from) {
            return Err(format!("--map {from}=...: this status is mapped twice"));
        }
        statuses.insert(from, to);
    }
    Ok(statuses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_mapped_once() {
        let read = |texts: &[&str]| mapping(texts.iter().map(|text| pair(text).expect("a pair")).collect());
        assert_eq!(read(&["a=b", "c=b"]).expect("fine").len(), 2);
        assert!(read(&["a=b", "a=c"]).expect_err("twice").contains("mapped twice"));
        assert!(pair("milling").is_err());
    }
}
