//! The mapping file: which column of a log is what, and which text means which status.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use chrono_tz::Tz;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Deserialize;

use crate::{
    cli::{
        failure::Failure,
        plant::{self, CalendarFile, TypeFile},
    },
    grpc::proto::v1::{Calendar, NewOrder},
};

const NOTE: &str = "notes.text";
const TITLE: &str = "orders.title";
const CUSTOMER: &str = "orders.customer_reference";
const PRODUCT: &str = "orders.product";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    /// Create the calendar and the type where they are missing.
    #[serde(default)]
    create: bool,
    columns: Columns,
    time: TimeFile,
    notes: Notes,
    #[serde(default)]
    orders: Orders,
    calendar: Option<CalendarFile>,
    r#type: TypeFile,
}

/// Names of columns.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Number of the order.
    pub order: String,
    /// Text that means a status.
    pub status: String,
    /// Who reported.
    pub author: String,
    /// When, in local time.
    pub time: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeFile {
    format: String,
    zone: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Notes {
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Orders {
    title: String,
    customer_reference: String,
    product: String,
}

/// A mapping file that was read and found sound.
pub struct Mapping {
    file: MappingFile,
    zone: Tz,
    statuses: HashMap<String, String>,
    templates: Environment<'static>,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// `Usage`: it cannot be read, or names a zone, template or calendar that is none, or one text for two statuses.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let wrong = |cause: String| Failure::Usage(format!("{}: {cause}", path.display()));
        Self::new(plant::read(path)?).map_err(wrong)
    }

    fn new(file: MappingFile) -> Result<Self, String> {
        let zone = file.time.zone.parse().map_err(|_| format!("time.zone: `{}` is no IANA zone", file.time.zone))?;
        let mut statuses = HashMap::new();
        for status in &file.r#type.statuses {
            let default = std::slice::from_ref(&status.name);
            let activities = if status.activities.is_empty() { default } else { &status.activities };
            for activity in activities {
                if let Some(other) = statuses.insert(activity.clone(), status.id.clone()) {
                    return Err(format!("`{activity}` means both {other} and {}", status.id));
                }
            }
        }
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        let orders = &file.orders;
        let sources = [
            (NOTE, &file.notes.text),
            (TITLE, &orders.title),
            (CUSTOMER, &orders.customer_reference),
            (PRODUCT, &orders.product),
        ];
        for (name, source) in sources {
            templates.add_template_owned(name, source.clone()).map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(Self { file, zone, statuses, templates })
    }

    /// Which column is what.
    pub fn columns(&self) -> &Columns {
        &self.file.columns
    }

    /// The zone of the times in the log.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// How the times in the log are written, in the letters of `strftime`.
    pub fn time_format(&self) -> &str {
        &self.file.time.format
    }

    /// Whether calendar and type are created where they are missing.
    pub fn create(&self) -> bool {
        self.file.create
    }

    /// The order type with its statuses.
    pub fn order_type(&self) -> &TypeFile {
        &self.file.r#type
    }

    /// The calendar, if the mapping brings one.
    ///
    /// # Errors
    /// `Usage`: a weekday, time or date in it is none.
    pub fn calendar(&self) -> Result<Option<Calendar>, Failure> {
        self.file.calendar.as_ref().map(CalendarFile::to_message).transpose()
    }

    /// The id of the status that a text means.
    pub fn status(&self, text: &str) -> Option<&str> {
        self.statuses.get(text).map(String::as_str)
    }

    /// The note for one row.
    ///
    /// # Errors
    /// A sentence with the cause, for example a column that does not exist.
    pub fn note(&self, row: &BTreeMap<&str, &str>) -> Result<String, String> {
        self.render(NOTE, row)
    }

    /// The fields of an order, from its first row.
    ///
    /// # Errors
    /// As `note`.
    pub fn order(&self, number: &str, row: &BTreeMap<&str, &str>) -> Result<NewOrder, String> {
        Ok(NewOrder {
            number: number.to_owned(),
            order_type: self.file.r#type.id.clone(),
            title: self.render(TITLE, row)?,
            customer_reference: self.render(CUSTOMER, row)?,
            product: self.render(PRODUCT, row)?,
            ..NewOrder::default()
        })
    }

    /// Each column is a variable of its name, and stands in `row` for names that are no identifiers.
    fn render(&self, template: &str, row: &BTreeMap<&str, &str>) -> Result<String, String> {
        let mut variables: BTreeMap<&str, Value> = row.iter().map(|(name, cell)| (*name, Value::from(*cell))).collect();
        variables.insert("row", Value::from_pairs(row.iter().map(|(name, cell)| (*name, *cell))));
        let rendered = self.templates.get_template(template).and_then(|it| it.render(variables));
        rendered.map(|text| text.trim().to_owned()).map_err(|error| format!("{template}: {error}"))
    }
}

/// A small mapping for the tests of this folder.
#[cfg(test)]
pub fn small() -> Mapping {
    let text = "
        columns = { order = 'order', status = 'step', author = 'who', time = 'at' }
        time = { format = '%Y-%m-%d %H:%M', zone = 'Europe/Vienna' }
        notes = { text = '{{ step }}: {{ row[\"good pieces\"] }} good' }
        orders = { title = 'Run {{ order }}' }
        [type]
        id = 'run'
        name = 'Run'
        calendar = 'c'
        statuses = [
            { id = 'cut', name = 'Cut', kind = 'initial' },
            { id = 'mill', name = 'Mill', activities = ['MILL', 'Mill  2'] },
            { id = 'pack', name = 'Pack', kind = 'final' },
        ]";
    Mapping::new(toml::from_str(text).expect("toml")).expect("a sound mapping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_meant_by_its_name_or_by_its_activities() {
        let mapping = small();
        assert_eq!((mapping.status("Cut"), mapping.status("Mill  2")), (Some("cut"), Some("mill")));
        assert_eq!((mapping.status("Mill"), mapping.status("cut")), (None, None));
    }

    #[test]
    fn a_note_that_names_a_column_which_is_not_there_is_refused() {
        let row = BTreeMap::from([("step", "Cut")]);
        assert!(small().note(&row).is_err());
    }

    #[test]
    fn the_mapping_of_the_factory_log_is_sound() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/factory-log.mapping.toml");
        let mapping = Mapping::read(&path).unwrap_or_else(|failure| panic!("{}", failure.text(false)));
        assert_eq!(mapping.order_type().statuses.len(), 24);
        assert_eq!(mapping.status("SETUP     Turning & Milling"), Some("setup-turning-milling"));
        assert!(mapping.calendar().expect("a sound calendar").is_some());
    }
}
