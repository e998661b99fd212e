//! Durations of statuses, and schedule methods, as they are written and told: `2` business days, `4h30m` of working time.

use crate::grpc::proto::v1::{ScheduleMethod, Status};

/// How long a visit may take, as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duration {
    /// No due date.
    None,
    /// Business days.
    Days(i32),
    /// Minutes of working time.
    Minutes(i32),
}

/// Reads a duration: a number of business days, hours and minutes of working time, or `none`.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || "expected business days (2), working time (4h, 90m, 4h30m), or none".to_owned();
    if text == "none" {
        return Ok(Duration::None);
    }
    if let Ok(days) = text.parse() {
        return Ok(Duration::Days(days));
    }
    let (hours, minutes) = match text.split_once('h') {
        Some((hours, "")) => (hours, "0"),
        Some((hours, rest)) => (hours, rest.strip_suffix('m').ok_or_else(wrong)?),
        None => ("0", text.strip_suffix('m').ok_or_else(wrong)?),
    };
    let number = |text: &str| text.parse::<u16>().map(i32::from).map_err(|_| wrong());
    Ok(Duration::Minutes(number(hours)? * 60 + number(minutes)?))
}

/// The duration of a status: `2`, `4h30m`, or empty.
pub fn of(status: &Status) -> String {
    match (status.duration_business_days, status.duration_working_minutes) {
        (_, Some(minutes)) => working(minutes),
        (Some(days), None) => days.to_string(),
        (None, None) => String::new(),
    }
}

/// Working time: `45m`, `4h`, `4h30m`.
pub fn working(minutes: i32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}

/// How due dates are planned, on the command line and in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::enum_variant_names, reason = "the names of the methods")]
pub enum Method {
    /// Forward from the order date
    FromOrderDate,
    /// Back from the delivery date
    FromDeliveryDate,
    /// From the day of entry
    FromEntry,
}

impl Method {
    /// As the API has it.
    pub fn to_message(self) -> ScheduleMethod {
        match self {
            Self::FromOrderDate => ScheduleMethod::FromOrderDate,
            Self::FromDeliveryDate => ScheduleMethod::FromDeliveryDate,
            Self::FromEntry => ScheduleMethod::FromEntry,
        }
    }
}

/// A method by its name: `from-order-date`; empty for none.
pub fn method_name(method: ScheduleMethod) -> &'static str {
    match method {
        ScheduleMethod::Unspecified => "",
        ScheduleMethod::FromOrderDate => "from-order-date",
        ScheduleMethod::FromDeliveryDate => "from-delivery-date",
        ScheduleMethod::FromEntry => "from-entry",
    }
}

/// Reads a method on the command line; empty gives it back to the rule above.
pub fn clearable_method(text: &str) -> Result<ScheduleMethod, String> {
    match text {
        "" => Ok(ScheduleMethod::Unspecified),
        "from-order-date" => Ok(ScheduleMethod::FromOrderDate),
        "from-delivery-date" => Ok(ScheduleMethod::FromDeliveryDate),
        "from-entry" => Ok(ScheduleMethod::FromEntry),
        _ => Err("expected from-order-date, from-delivery-date or from-entry; empty gives it back".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_told() {
        for (text, duration) in [
            ("none", Duration::None),
            ("0", Duration::Days(0)),
            ("12", Duration::Days(12)),
            ("45m", Duration::Minutes(45)),
            ("4h", Duration::Minutes(240)),
            ("4h30m", Duration::Minutes(270)),
        ] {
            assert_eq!(parse(text), Ok(duration), "{text}");
            if let Duration::Minutes(minutes) = duration {
                assert_eq!(working(minutes), text);
            }
        }
        for text in ["", "h", "m", "4x", "4h30", "-1h", "4h-3m", "1.5h", "99999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
