//! Lays file and environment over the documented defaults, and hands out checked values key by key.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use config::{Environment, File, FileFormat, Value, ValueKind};

use super::secret::Secret;

/// Every key with its default and its meaning; the very file that is installed as an example.
pub const DEFAULTS: &str = include_str!("../../systemd/andon.toml");

const PREFIX: &str = "ANDON";
const SEPARATOR: &str = "__";
/// Where the config crate says that a value came from when it came from the environment.
const ENVIRONMENT_ORIGIN: &str = "the environment";
/// Variables that begin like settings but belong to the commands around the daemon.
const NOT_SETTINGS: [&str; 2] = ["ANDON_SERVER", "ANDON_CONFIG"];
const NOT_SETTINGS_PREFIXES: [&str; 3] = ["ANDON_TEST_", "ANDON_TRY_", "ANDON_BENCH_"];

/// One thing that is wrong with the configuration, never with a value in it, which may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigViolation {
    /// The file, the environment variable, or "defaults" for what nobody has set.
    pub source_name: String,
    /// The key, its sections separated by dots; empty when the file as a whole is meant.
    pub key: String,
    /// What must be different.
    pub reason: String,
}

impl fmt::Display for ConfigViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source_name)?;
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConfigViolation {}

/// The merged layers. Reading a bad value notes a violation and yields the default, so that reading can go on.
pub struct Layers {
    defaults: BTreeMap<String, ValueKind>,
    merged: BTreeMap<String, Value>,
    file: Option<PathBuf>,
    credentials: Option<PathBuf>,
    asked: RefCell<BTreeSet<String>>,
    violations: RefCell<Vec<ConfigViolation>>,
}

impl Layers {
    /// Reads the file, if one is named, and the environment.
    ///
    /// # Errors
    /// The file cannot be read or is not TOML: nothing else can be judged then.
    pub fn read(path: Option<&Path>, env: HashMap<String, String>) -> Result<Self, ConfigViolation> {
        let credentials = env.get("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let settings = env.into_iter().filter(|(name, _)| is_setting(name)).collect();
        let whole = |reason: String| ConfigViolation {
            source_name: path.map_or_else(|| "defaults".to_owned(), |path| path.display().to_string()),
            key: String::new(),
            reason,
        };
        let text = match path {
            Some(path) => std::fs::read_to_string(path).map_err(|error| whole(format!("cannot be read: {error}")))?,
            None => String::new(),
        };
        let defaults = config::Config::builder()
            .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
            .build()
            .expect("the built-in defaults are TOML, a test reads them");
        let merged = config::Config::builder()
            .add_source(defaults.clone())
            .add_source(File::from_str(&text, FileFormat::Toml))
            .add_source(
                Environment::with_prefix(PREFIX).prefix_separator("_").separator(SEPARATOR).source(Some(settings)),
            )
            .build()
            .map_err(|error| whole(without_values(&error.to_string())))?;
        let layers = Self {
            defaults: flat(defaults.cache).into_iter().map(|(key, value)| (key, value.kind)).collect(),
            merged: flat(merged.cache),
            file: path.map(Path::to_path_buf),
            credentials,
            asked: RefCell::default(),
            violations: RefCell::default(),
        };
        for key in layers.merged.keys().filter(|key| !layers.defaults.contains_key(*key)) {
            layers.refuse(key, layers.reason_for_unknown(key));
        }
        Ok(layers)
    }

    fn reason_for_unknown(&self, key: &str) -> String {
        let inside = format!("{key}.");
        if self.defaults.keys().any(|known| known.starts_with(&inside)) {
            "is a section, not a value".to_owned()
        } else if self.defaults.keys().any(|known| key.starts_with(&format!("{known}."))) {
            "is inside of a key that holds a single value".to_owned()
        } else {
            "is not a key of andon".to_owned()
        }
    }

    /// Notes that `key` is wrong.
    pub fn refuse(&self, key: &str, reason: impl Into<String>) {
        let from_environment = self.merged.get(key).is_some_and(|value| value.origin() == Some(ENVIRONMENT_ORIGIN));
        let source_name = if from_environment {
            format!("{PREFIX}_{}", key.to_uppercase().replace('.', SEPARATOR))
        } else if let (true, Some(file)) = (self.is_set(key), &self.file) {
            file.display().to_string()
        } else {
            "defaults".to_owned()
        };
        let violation = ConfigViolation { source_name, key: key.to_owned(), reason: reason.into() };
        self.violations.borrow_mut().push(violation);
    }

    /// Whether somebody gave the key a value other than its default.
    fn is_set(&self, key: &str) -> bool {
        self.merged.get(key).map(|value| &value.kind) != self.defaults.get(key)
    }

    /// A whole number from `least` to `most`, both inclusive.
    pub fn number(&self, key: &str, least: u32, most: u32) -> u32 {
        let parsed = match self.value(key) {
            ValueKind::I64(number) => u32::try_from(number).ok(),
            ValueKind::String(text) if self.is_from_environment(key) => text.trim().parse().ok(),
            _ => None,
        };
        if let Some(number) = parsed.filter(|number| (least..=most).contains(number)) {
            return number;
        }
        self.refuse(key, format!("must be a whole number from {least} to {most}"));
        match self.default(key) {
            ValueKind::I64(number) => u32::try_from(number).unwrap_or(least),
            _ => least,
        }
    }

    /// True or false.
    pub fn truth(&self, key: &str) -> bool {
        match self.value(key) {
            ValueKind::Boolean(truth) => return truth,
            ValueKind::String(text) if self.is_from_environment(key) => {
                if let Ok(truth) = bool::from_str(text.trim()) {
                    return truth;
                }
            }
            _ => {}
        }
        self.refuse(key, "must be true or false");
        matches!(self.default(key), ValueKind::Boolean(true))
    }

    /// A text; `None` when empty.
    pub fn text(&self, key: &str) -> Option<String> {
        let ValueKind::String(text) = self.value(key) else {
            self.refuse(key, "must be a text");
            return None;
        };
        if text.chars().any(char::is_control) {
            self.refuse(key, "must not hold control characters");
            return None;
        }
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// A path; `None` when empty.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    /// One of the words that `choices` lists, as the value beside it.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> T {
        let word = self.text(key);
        if let Some((_, value)) = choices.iter().find(|(name, _)| Some(*name) == word.as_deref()) {
            return *value;
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.refuse_once(key, format!("must be one of {}", names.join(", ")));
        choices.first().expect("a choice has at least one word").1
    }

    /// A text that `T` can be read from; `None` when it is not, which is noted with `what` it must be.
    pub fn parsed<T: FromStr>(&self, key: &str, what: &str) -> Option<T> {
        let parsed = self.text(key).and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.refuse_once(key, format!("must be {what}"));
        }
        parsed
    }

    /// A list of texts; in the environment separated by commas.
    pub fn list(&self, key: &str) -> Vec<String> {
        let texts: Option<Vec<String>> = match self.value(key) {
            ValueKind::Array(values) => values
                .into_iter()
                .map(|value| if let ValueKind::String(text) = value.kind { Some(text) } else { None })
                .collect(),
            ValueKind::String(text) if self.is_from_environment(key) => {
                Some(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
            }
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.refuse(key, "must be a list of texts");
            Vec::new()
        })
    }

    /// The secret in the file that `key` names, else in the systemd credential `credential`, without the final line end.
    pub fn secret_file(&self, key: &str, credential: &str) -> Option<Secret> {
        let path = self.path(key).or_else(|| self.credential(credential))?;
        match std::fs::read_to_string(&path) {
            Ok(text) if text.trim().is_empty() => self.refuse(key, format!("{} is empty", path.display())),
            Ok(text) => return Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => self.refuse(key, format!("{} cannot be read: {error}", path.display())),
        }
        None
    }

    fn credential(&self, name: &str) -> Option<PathBuf> {
        self.credentials.as_ref().map(|folder| folder.join(name)).filter(|path| path.exists())
    }

    /// Whether a violation of this key has been noted.
    pub fn is_refused(&self, key: &str) -> bool {
        self.violations.borrow().iter().any(|violation| violation.key == key)
    }

    /// All violations in the order of their keys, none if the configuration is good.
    pub fn into_violations(self) -> Vec<ConfigViolation> {
        let mut violations = self.violations.into_inner();
        violations.sort_by(|a, b| a.key.cmp(&b.key));
        violations
    }

    /// Documented keys that nobody has read.
    #[cfg(test)]
    pub fn never_asked(&self) -> Vec<String> {
        self.defaults.keys().filter(|key| !self.asked.borrow().contains(*key)).cloned().collect()
    }

    fn refuse_once(&self, key: &str, reason: String) {
        if !self.is_refused(key) {
            self.refuse(key, reason);
        }
    }

    fn default(&self, key: &str) -> ValueKind {
        self.defaults.get(key).cloned().expect("every key that is read is documented, a test reads them all")
    }

    fn value(&self, key: &str) -> ValueKind {
        self.asked.borrow_mut().insert(key.to_owned());
        self.merged.get(key).map_or_else(|| self.default(key), |value| value.kind.clone())
    }

    fn is_from_environment(&self, key: &str) -> bool {
        self.merged.get(key).is_some_and(|value| value.origin() == Some(ENVIRONMENT_ORIGIN))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("file", &self.file).finish_non_exhaustive()
    }
}

fn is_setting(name: &str) -> bool {
    name.starts_with("ANDON_")
        && !NOT_SETTINGS.contains(&name)
        && !NOT_SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The parser shows the faulty line, which may hold a secret; the place is enough.
fn without_values(message: &str) -> String {
    let place = message.lines().next().unwrap_or_default();
    format!("is not TOML: {place}")
}

/// Every leaf under its dotted key. A section without keys is a leaf, so that an unknown one is seen.
fn flat(root: Value) -> BTreeMap<String, Value> {
    let mut leaves = BTreeMap::new();
    let mut open = vec![(String::new(), root)];
    while let Some((key, value)) = open.pop() {
        match value.kind {
            ValueKind::Table(table) if key.is_empty() => open.extend(table),
            ValueKind::Table(table) if !table.is_empty() => {
                open.extend(table.into_iter().map(|(name, inner)| (format!("{key}.{name}"), inner)));
            }
            _ => {
                leaves.insert(key, value);
            }
        }
    }
    leaves
}
