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
    /// A column for each stage, whichever types share it
    #[arg(long)]
    by_stage: bool,
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
    let shown =
        if board.by_stage { by_stage(answer.counts, caller.colour) } else { by_type(&answer.counts, caller.colour) };
    Ok(Answer::text(shown))
}

fn by_type(counts: &[StatusCount], colour: bool) -> String {
    let groups = counts.chunk_by(|one, other| one.order_type == other.order_type);
    render(groups, |count| &count.order_type, false, most_open(counts), colour)
}

/// The stages in their order, then the columns that are not listed, as their statuses come.
fn by_stage(mut counts: Vec<StatusCount>, colour: bool) -> String {
    let mut unlisted: Vec<String> = Vec::new();
    for count in counts.iter().filter(|count| count.stage_position <= 0) {
        if !unlisted.contains(&count.stage) {
            unlisted.push(count.stage.clone());
        }
    }
    let place = |count: &StatusCount| match count.stage_position {
        ..=0 => (1, unlisted.iter().position(|stage| *stage == count.stage).unwrap_or(0)),
        position => (0, usize::try_from(position).unwrap_or(0)),
    };
    counts.sort_by_key(place);
    let groups = counts.chunk_by(|one, other| place(one) == place(other));
    render(groups, |count| &count.stage, true, most_open(&counts), colour)
}

fn most_open(counts: &[StatusCount]) -> usize {
    counts.iter().map(|count| at_least_0(count.open)).max().unwrap_or(0)
}

/// The groups, each with its name and sums; the type of each status where a group has several.
fn render<'a>(
    groups: impl Iterator<Item = &'a [StatusCount]>,
    name: impl Fn(&StatusCount) -> &str,
    types: bool,
    most: usize,
    colour: bool,
) -> String {
    let mut text = String::new();
    for group in groups {
        let open: usize = group.iter().map(|count| at_least_0(count.open)).sum();
        let overdue: usize = group.iter().map(|count| at_least_0(count.overdue)).sum();
        let _ = writeln!(
            text,
            "{}: {} open, {} overdue",
            words::clean(name(&group[0])),
            words::count(open, "order"),
            words::grouped(overdue)
        );
        let _ = writeln!(text, "{}\n", table(group, types, most, colour));
    }
    if text.is_empty() { "No open orders.".to_owned() } else { text.trim_end().to_owned() }
}

/// One row for each status; its colour is that of a bar before the name, where there are colours.
fn table(counts: &[StatusCount], types: bool, most: usize, colour: bool) -> String {
    let mut headings = Vec::new();
    headings.extend(colour.then_some(""));
    headings.push("STATUS");
    headings.extend(types.then_some("TYPE"));
    headings.extend(["OPEN", "OVERDUE", ""]);
    let mut sheet = Sheet::new(&headings, colour);
    (0..headings.len()).for_each(|column| sheet.keep_whole(column));
    for count in counts {
        let (open, overdue) = (at_least_0(count.open), at_least_0(count.overdue));
        let (tone, late) = match (open, overdue) {
            (0, _) => (Tone::Faint, String::new()),
            (_, 0) => (Tone::Plain, String::new()),
            _ => (Tone::Alarm, format!("{:>7}", words::grouped(overdue))),
        };
        let rest = if open == 0 { Tone::Faint } else { Tone::Plain };
        let mut cells = Vec::new();
        cells.extend(colour.then(|| ("\u{2588}".to_owned(), Tone::of_colour(&count.colour))));
        cells.push((count.status_name.clone(), rest));
        cells.extend(types.then(|| (count.order_type.clone(), Tone::Faint)));
        cells.push((format!("{:>4}", words::grouped(open)), rest));
        cells.push((late, tone));
        cells.push((bar(open, overdue, most), tone));
        sheet.toned_row(cells);
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

    fn count(order_type: &str, name: &str, open: i64, overdue: i64) -> StatusCount {
        StatusCount { order_type: order_type.into(), status_name: name.into(), open, overdue, ..StatusCount::default() }
    }

    #[test]
    fn types_stand_apart_with_their_sums() {
        let text = by_type(&[count("a", "Milling", 3, 1), count("a", "Packing", 1, 0), count("b", "Cut", 0, 0)], false);
        assert!(text.starts_with("a: 4 orders open, 1 overdue\n"), "{text}");
        assert!(text.contains("b: 0 orders open, 0 overdue\n"), "{text}");
        assert_eq!(by_type(&[], false), "No open orders.");
    }

    #[test]
    fn stages_come_in_their_order_and_take_statuses_of_several_types() {
        let of = |count: StatusCount, stage: &str, stage_position| StatusCount {
            stage: stage.into(),
            stage_position,
            ..count
        };
        let counts = vec![
            of(count("a", "Odd", 1, 0), "Odd", 0),
            of(count("a", "Packing", 2, 0), "Out", 2),
            of(count("a", "Milling", 3, 1), "Shop", 1),
            of(count("b", "Cut", 4, 0), "Shop", 1),
        ];
        let text = by_stage(counts, false);
        let headings: Vec<_> = text.lines().filter(|line| line.contains("open,")).collect();
        assert_eq!(
            headings,
            ["Shop: 7 orders open, 1 overdue", "Out: 2 orders open, 0 overdue", "Odd: 1 order open, 0 overdue"]
        );
        assert!(text.contains("TYPE"), "{text}");
    }

    #[test]
    fn a_status_has_its_colour_where_there_are_colours() {
        let red = StatusCount { colour: "#ff0000".into(), ..count("a", "Milling", 1, 0) };
        assert!(!by_type(std::slice::from_ref(&red), false).contains('\u{2588}'));
        assert!(by_type(&[red], true).contains('\u{2588}'));
    }
}
