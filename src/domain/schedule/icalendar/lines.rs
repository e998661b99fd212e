//! The content lines of an iCalendar file: unfolded, numbered as in the file, and taken apart.
//!
//! # Source
//! RFC 5545, section 3.1. Read more kindly than it is written: line ends of all kinds, a byte order mark, empty lines.

/// One content line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Of its first piece, from 1.
    pub number: usize,
    /// In capitals.
    pub name: String,
    parameters: Vec<(String, String)>,
    /// As it stands there.
    pub value: String,
}

impl Line {
    /// A line without parameters.
    pub fn bare(number: usize, name: &str, value: &str) -> Self {
        Self { number, name: name.to_owned(), parameters: Vec::new(), value: value.to_owned() }
    }

    /// The first parameter of this name, without quotes.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value as text: escapes resolved.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut letters = self.value.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some('n' | 'N') => text.push('\n'),
                    Some(escaped) => text.push(escaped),
                    None => text.push('\\'),
                },
                letter => text.push(letter),
            }
        }
        text
    }
}

/// Takes a file apart; a line that is none is told with its number.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Result<Line, (usize, String)>> {
    unfolded(text).into_iter().map(|(number, line)| content(number, &line).map_err(|why| (number, why)))
}

/// Lines with the number of their first piece; a piece that begins with a space or a tab goes on with the line before it.
fn unfolded(text: &str) -> Vec<(usize, String)> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, piece) in (1..).zip(text.split('\n')) {
        match (piece.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, line))) => line.push_str(rest),
            _ if piece.trim().is_empty() => {}
            _ => lines.push((number, piece.to_owned())),
        }
    }
    lines
}

fn content(number: usize, line: &str) -> Result<Line, String> {
    let end = line.find([':', ';']).ok_or_else(|| format!("'{}' is no property: it has no ':'", head(line)))?;
    let (name, mut rest) = line.split_at(end);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_name(name) {
        return Err(format!("'{}' is no name of a property", head(name)));
    }
    let name = name.to_ascii_uppercase();
    let mut parameters = Vec::new();
    while let Some(begun) = rest.strip_prefix(';') {
        let end = outside_quotes(begun).ok_or_else(|| format!("{name} has no value: a ':' is missing"))?;
        let (parameter, next) = begun.split_at(end);
        let (key, value) = parameter
            .split_once('=')
            .filter(|(key, _)| is_name(key))
            .ok_or_else(|| format!("{name} has the parameter '{}', which has no '='", head(parameter)))?;
        parameters.push((key.to_ascii_uppercase(), value.trim_matches('"').to_owned()));
        rest = next;
    }
    Ok(Line { number, name, parameters, value: rest.get(1..).unwrap_or_default().to_owned() })
}

/// Where the next ';' or ':' stands that is not between quotes.
fn outside_quotes(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices()
        .find(|(_, letter)| {
            quoted ^= *letter == '"';
            !quoted && matches!(letter, ';' | ':')
        })
        .map(|(at, _)| at)
}

/// The beginning of a text, fit to be quoted.
pub(super) fn head(text: &str) -> String {
    const SHOWN: usize = 40;
    let clean = text.chars().map(|letter| if letter.is_control() { '?' } else { letter });
    let mut head: String = clean.take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        head.push_str("...");
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Line {
        let found: Vec<_> = lines(text).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone().unwrap_or_else(|why| panic!("{why:?}"))
    }

    #[test]
    fn lines_keep_their_number_however_they_end_and_are_folded() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["\u{feff}A:1", "", "B:2", "  3", "\t4", "C:5", ""].join(end);
            let found: Vec<_> = lines(&text).map(Result::unwrap).map(|it| (it.number, it.name, it.value)).collect();
            let line = |number, name: &str, value: &str| (number, name.to_owned(), value.to_owned());
            assert_eq!(found, [line(1, "A", "1"), line(3, "B", "2 34"), line(6, "C", "5")], "{end:?}");
        }
    }

    #[test]
    fn parameters_may_be_quoted_and_hold_what_ends_them_elsewhere() {
        let line = one("dtstart;tzid=\"a;b:c\";Value=DATE:2026:01");
        assert_eq!((line.name.as_str(), line.value.as_str()), ("DTSTART", "2026:01"));
        assert_eq!((line.parameter("TZID"), line.parameter("VALUE")), (Some("a;b:c"), Some("DATE")));
        assert_eq!(line.parameter("X"), None);
    }

    #[test]
    fn escaped_text_is_read() {
        assert_eq!(one(r"SUMMARY:a\, b\; c\\ d\ne\Nf\").text(), "a, b; c\\ d\ne\nf\\");
    }

    #[test]
    fn what_is_no_line_is_told_with_its_number() {
        for (text, number, part) in [
            ("A:1\nhello", 2, "'hello' is no property"),
            ("A:1\n\nB C:1", 3, "'B C' is no name"),
            (":1", 1, "'' is no name"),
            ("A;B:1", 1, "the parameter 'B'"),
            ("A;B=\"1:2", 1, "a ':' is missing"),
            ("A;B=1", 1, "a ':' is missing"),
        ] {
            let (found, why) = lines(text).find_map(Result::err).expect(text);
            assert!(found == number && why.contains(part), "{text}: {found} {why}");
        }
    }

    #[test]
    fn what_is_quoted_is_short_and_clean() {
        assert_eq!(head("a\u{7}b"), "a?b");
        assert_eq!(head(&"ä".repeat(41)), format!("{}...", "ä".repeat(40)));
        assert_eq!(head(&"ä".repeat(40)), "ä".repeat(40));
    }
}
