//! `andon orders board`: how many open orders each status has.

use std::fmt::Write as _;

use clap::Args;

use crate::{
    cli::{
        answer::Answer,
        caller::Caller,
        failure::Failure,
        json,
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{CountOrdersRequest, StatusCount},
};

const BAR_MAX: usize = 30;

/// Which types.
#[derive(Args)]
pub struct Board {
    /// Only these order types (ids)
    #[arg(long = "type", value_delimiter = ',', value_name = "TYPE")]
    types: Vec<String>,
}

/// Shows the board.
///
/// # Errors
/// The refusals of `CountOrders`.
pub async fn run(caller: &Caller, board: Board) -> Result<Answer, Failure> {
    let mut client = caller.orders().await?;
    let answer = client.count_orders(CountOrdersRequest { order_types: board.types }).await?.into_inner();
    if caller.json {
        return Ok(Answer::json(&json::value("CountOrdersResponse", &answer)));
    }
    Ok(Answer::text(render(&answer.counts, caller.colour)))
}

fn render(counts: &[StatusCount], colour: bool) -> String {
    if counts.is_empty() {
        return "No open orders.".to_owned();
    }
    let most = counts.iter().map(|count| at_least_0(count.open)).max().unwrap_or(0);
    let mut text = String::new();
    for of_type in counts.chunk_by(|one, other| one.order_type == other.order_type) {
        let open: usize = of_type.iter().map(|count| at_least_0(count.open)).sum();
        let overdue: usize = of_type.iter().map(|count| at_least_0(count.overdue)).sum();
        let _ = writeln!(
            text,
            "{}: {} open, {} overdue",
            words::clean(&of_type[0].order_type),
            words::count(open, "order"),
            words::grouped(overdue)
        );
        let _ = writeln!(text, "{}\n", table(of_type, most, colour));
    }
    text.trim_end().to_owned()
}

fn table(counts: &[StatusCount], most: usize, colour: bool) -> String {
    let mut sheet = Sheet::new(&["STATUS", "OPEN", "OVERDUE", ""], colour);
    (0..4).for_each(|column| sheet.keep_whole(column));
    for count in counts {
        let (open, overdue) = (at_least_0(count.open), at_least_0(count.overdue));
        let (tone, late) = match (open, overdue) {
            (0, _) => (Tone::Faint, String::new()),
            (_, 0) => (Tone::Plain, String::new()),
            _ => (Tone::Alarm, format!("{:>7}", words::grouped(overdue))),
        };
        let rest = if open == 0 { Tone::Faint } else { Tone::Plain };
        sheet.toned_row([
            (count.status_name.clone(), rest),
            (format!("{:>4}", words::grouped(open)), rest),
            (late, tone),
            (bar(open, overdue, most), tone),
        ]);
    }
    sheet.fitted()
}

/// A bar as long as its share of the fullest status: `#` for overdue orders, `=` for the others; each part that is not 0 shows.
fn bar(open: usize, overdue: usize, most: usize) -> String {
    let length = |part: usize| if most <= BAR_MAX { part } else { (part * BAR_MAX).div_ceil(most) };
    let late = length(overdue);
    let whole = length(open).max(late + usize::from(open > overdue));
    "#".repeat(late) + &"=".repeat(whole - late)
}

fn at_least_0(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_each_part() {
        assert_eq!(bar(0, 0, 100), "");
        assert_eq!(bar(3, 1, 5), "#==");
        assert_eq!(bar(5, 5, 5), "#####");
        assert_eq!(bar(2, 1, 1000), "#=");
        assert_eq!(bar(1000, 0, 1000).len(), BAR_MAX);
    }

    #[test]
    fn types_stand_apart_with_their_sums() {
        let count = |order_type: &str, name: &str, open, overdue| StatusCount {
            order_type: order_type.into(),
            status_name: name.into(),
            open,
            overdue,
            ..StatusCount::default()
        };
        let text = render(&[count("a", "Milling", 3, 1), count("a", "Packing", 1, 0), count("b", "Cut", 0, 0)], false);
        assert!(text.starts_with("a: 4 orders open, 1 overdue\n"), "{text}");
        assert!(text.contains("b: 0 orders open, 0 overdue\n"), "{text}");
        assert_eq!(render(&[], false), "No open orders.");
    }
}
