//! One order type with its statuses and moves, for people.

use std::fmt::Write as _;

use super::moves;
use crate::{
    cli::{
        duration::{self, method_name},
        sheet::{Sheet, Tone},
        words,
    },
    grpc::proto::v1::{OrderType, ScheduleMethod, Status},
};

/// The type; inactive statuses only with `all`, otherwise it says how many there are.
pub fn block(order_type: &OrderType, all: bool, colour: bool) -> String {
    let mut text = String::new();
    let inactive = if order_type.inactive { ", inactive" } else { "" };
    let method = match order_type.schedule_method() {
        ScheduleMethod::Unspecified => String::new(),
        method => format!(", dates {}", method_name(method).replace('-', " ")),
    };
    let about = format!("{} ({}): calendar {}{method}{inactive}", order_type.name, order_type.id, order_type.calendar);
    let _ = writeln!(text, "{}", words::clean(&about));
    if !order_type.description.is_empty() {
        let _ = writeln!(text, "{}", words::clean(&order_type.description));
    }
    let _ = writeln!(text, "{}", tolerance(order_type.health_tolerance_business_days));
    if !order_type.default_status.is_empty() {
        let _ = writeln!(text, "new orders begin in {}", words::clean(&order_type.default_status));
    }
    let _ = writeln!(text, "\n{}", statuses(&order_type.statuses, all, colour));
    let hidden = order_type.statuses.iter().filter(|status| status.inactive).count();
    if hidden > 0 && !all {
        let (noun, verb) = if hidden == 1 { ("status", "is") } else { ("statuses", "are") };
        let _ = writeln!(text, "{} inactive {noun} {verb} hidden; --all shows them.", words::grouped(hidden));
    }
    let _ = writeln!(text, "\n{}\n\netag {}", moves::told(&order_type.moves, colour), words::clean(&order_type.etag));
    text
}

fn tolerance(days: i32) -> String {
    match usize::try_from(days).unwrap_or(0) {
        0 => "on target: to the day".to_owned(),
        days => format!("on target: up to {} before or after", words::count(days, "business day")),
    }
}

/// The statuses; columns in which none has anything are left out.
fn statuses(statuses: &[Status], all: bool, colour: bool) -> String {
    let shown: Vec<_> = statuses.iter().filter(|status| all || !status.inactive).collect();
    let headings = ["ID", "NAME", "KIND", "TAKES", "STAGE", "ICON", "WITH", ""];
    let rows: Vec<_> = shown.iter().map(|status| cells(status)).collect();
    let filled = |column: &usize| *column < 4 || rows.iter().any(|row| !row[*column].is_empty());
    let columns: Vec<_> = (0..headings.len()).filter(filled).collect();
    let mut sheet = Sheet::new(&columns.iter().map(|column| headings[*column]).collect::<Vec<_>>(), colour);
    sheet.keep_whole(0);
    for (status, row) in shown.iter().zip(&rows) {
        let tone = if status.inactive { Tone::Faint } else { Tone::Plain };
        let of_column = |column: usize| match column {
            1 if !status.inactive => Tone::of_colour(&status.colour),
            _ => tone,
        };
        sheet.toned_row(columns.iter().map(|column| (row[*column].clone(), of_column(*column))));
    }
    sheet.fitted()
}

fn cells(status: &Status) -> [String; 8] {
    let kind = words::word(status.kind().as_str_name(), "STATUS_KIND_");
    let clock = match words::word(status.clock().as_str_name(), "STATUS_CLOCK_").as_str() {
        "unspecified" | "runs" => String::new(),
        clock => format!(", clock {clock}"),
    };
    let with: Vec<_> = [status.default_user.as_str(), status.default_department.as_str()]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    let inactive = if status.inactive { "inactive" } else { "" };
    [
        status.id.clone(),
        status.name.clone(),
        kind + &clock,
        duration::of(status),
        status.stage.clone(),
        status.icon.clone(),
        with.join(", "),
        inactive.to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> OrderType {
        let status = |id: &str, inactive| Status { id: id.into(), inactive, ..Status::default() };
        OrderType {
            id: "machining".into(),
            statuses: vec![status("milling", false), status("welding", true)],
            health_tolerance_business_days: 1,
            ..OrderType::default()
        }
    }

    #[test]
    fn inactive_statuses_are_hidden_and_counted() {
        let text = block(&sample(), false, false);
        assert!(text.contains("milling") && !text.contains("welding"), "{text}");
        assert!(text.contains("1 inactive status is hidden; --all shows them."), "{text}");
        let text = block(&sample(), true, false);
        assert!(text.contains("welding") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_type_tells_its_tolerance_and_that_all_moves_are_allowed() {
        let text = block(&sample(), false, false);
        assert!(text.contains("on target: up to 1 business day before or after\n"), "{text}");
        assert!(text.contains("All moves are allowed."), "{text}");
        assert_eq!(tolerance(0), "on target: to the day");
    }

    #[test]
    fn stage_and_icon_stand_only_where_there_are_some() {
        assert!(!block(&sample(), false, false).contains("ICON"));
        let status = Status { icon: "wrench".into(), stage: "shop".into(), ..Status::default() };
        let text = statuses(&[status], false, false);
        assert!(text.contains("wrench") && text.contains("STAGE") && !text.contains("WITH"), "{text}");
    }
}
