//! Wrong fields: each named, with what is allowed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One wrong field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Path of the field, for example `order.number` or `visits[2].enter_time`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub description: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.description)
    }
}

/// Gathers violations, so that a caller learns all of them at once.
#[derive(Debug, Default)]
pub struct Violations {
    prefix: String,
    found: Vec<Violation>,
}

impl Violations {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn add(&mut self, field: &str, description: impl Into<String>) {
        self.found.push(Violation { field: format!("{}{field}", self.prefix), description: description.into() });
    }

    /// Runs `check` with `prefix` put before the fields it names.
    pub fn within<T>(&mut self, prefix: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.prefix.len();
        self.prefix.push_str(prefix);
        let result = check(self);
        self.prefix.truncate(length);
        result
    }

    /// A text of `min` to `max` characters without control characters.
    pub fn line(&mut self, field: &str, text: &str, min: usize, max: usize) {
        self.length(field, text, min, max);
        if text.chars().any(char::is_control) {
            self.add(field, "must not contain control characters");
        }
    }

    /// A text of `min` to `max` characters; line breaks and tabs are allowed, NUL and other control characters are not.
    pub fn text(&mut self, field: &str, text: &str, min: usize, max: usize) {
        self.length(field, text, min, max);
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(field, "must not contain control characters other than line breaks and tabs");
        }
    }

    /// A text as `line` takes it of which every character shows: nothing of no width, nothing that turns the direction of the
    /// text around it. Two texts that look the same to a person then are the same, as far as this can be told.
    pub fn printable(&mut self, field: &str, text: &str, min: usize, max: usize) {
        self.line(field, text, min, max);
        if text.chars().any(is_invisible) {
            self.add(field, "must not contain characters that are invisible or turn the direction of the text");
        }
    }

    /// The id of something that may or may not exist, or empty: at most 63 characters, so that no refusal echoes a long text.
    pub fn id(&mut self, field: &str, text: &str) {
        self.line(field, text, 0, 63);
    }

    /// A slug: `[a-z0-9][a-z0-9-]{0,62}`.
    pub fn slug(&mut self, field: &str, text: &str) {
        if !is_slug(text) {
            self.add(field, "must be 1 to 63 of a-z, 0-9 and '-', not beginning with '-'");
        }
    }

    fn length(&mut self, field: &str, text: &str, min: usize, max: usize) {
        let length = text.chars().count();
        if length < min || length > max {
            let text = if min == 0 {
                format!("has {length} characters; at most {max} are allowed")
            } else {
                format!("has {length} characters; {min} to {max} are allowed")
            };
            self.add(field, text);
        }
    }

    /// All that were found, in the order in which they were tested.
    #[must_use]
    pub fn into_found(self) -> Vec<Violation> {
        self.found
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// Whether a character has no width, or turns the direction of the text around it.
#[must_use]
pub fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Whether a text is a slug: `[a-z0-9][a-z0-9-]{0,62}`.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_has_1_to_63_characters_and_does_not_begin_with_a_dash() {
        for good in ["a", "0", "a-b", "milling", &"a".repeat(63)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "ä", "a b", &"a".repeat(64)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn what_is_printable_hides_nothing() {
        let wrong = |text: &str| {
            let mut violations = Violations::new();
            violations.printable("number", text, 1, 64);
            !violations.is_empty()
        };
        for bad in ["\u{200b}", "A-1\u{202e}", "A\u{2066}1", "A-1\u{feff}", "A\u{200d}1", "A\n1", ""] {
            assert!(wrong(bad), "{bad:?}");
        }
        for good in ["A-1", "ﾃ-1", "بغداد 7", "Größe 3/4"] {
            assert!(!wrong(good), "{good}");
        }
    }

    #[test]
    fn all_violations_are_named_with_their_path() {
        let mut violations = Violations::new();
        violations.within("order.", |v| {
            v.line("number", "", 1, 64);
            v.line("title", "a\0b", 0, 200);
        });
        let fields: Vec<_> = violations.into_found().into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["order.number", "order.title"]);
    }
}
