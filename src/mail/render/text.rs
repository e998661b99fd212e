//! Texts of people, made fit for a header or a body.

/// Zero-width joiner: glues emoji together.
const JOINER: char = '\u{200D}';

/// True for characters that turn the direction of the text around them, or hide in it.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// One line: no control characters, no line or paragraph separators, no turning of direction, single spaces, at most
/// `max` characters.
pub(super) fn line(text: &str, max: usize) -> String {
    let plain: String = text
        .chars()
        .filter(|c| !is_deceptive(*c))
        .map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c })
        .collect();
    cut(&plain.split_whitespace().collect::<Vec<_>>().join(" "), max)
}

/// Several lines, ended by `\n`, without control characters and turning of direction, at most `max` characters.
pub(super) fn lines(text: &str, max: usize) -> String {
    let ends = text.replace("\r\n", "\n").replace(['\r', '\u{0B}', '\u{0C}', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    let plain: String =
        ends.chars().filter(|c| !is_deceptive(*c)).map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    let mut kept = Vec::new();
    // Empty lines in a row are squeezed into one: a note must not push the rest of the message out of sight.
    for one in plain.trim().lines().map(str::trim_end) {
        if !one.is_empty() || kept.last().is_some_and(|last: &&str| !last.is_empty()) {
            kept.push(one);
        }
    }
    cut(&kept.join("\n"), max)
}

/// At most `max` characters; what was cut shows as an ellipsis.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    let kept = kept.trim_end_matches(|c: char| c.is_whitespace() || c == JOINER);
    format!("{kept}…")
}

/// Bytes that are not letters, digits, `-`, `_`, `.`, `~` become `%XX`.
pub(super) fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_way_out() {
        assert_eq!(
            line("a\r\nBcc: x@example.com\0\u{202E}b\u{2028}c\u{85}d", 99),
            "a Bcc: x@example.com bc d".replace("bc", "b c")
        );
        assert_eq!(line("  \n ", 9), "");
        assert_eq!(line("שלום 👩‍🔧", 99), "שלום 👩‍🔧", "right-to-left letters and emoji stay");
    }

    #[test]
    fn lines_keep_paragraphs_and_nothing_else() {
        assert_eq!(lines("a\r\n\r\n\n\n b\tc\u{1B}[31m\rd\n\n", 99), "a\n\n b c [31m\nd");
    }

    #[test]
    fn what_is_cut_shows_it() {
        assert_eq!((cut("abc", 3).as_str(), cut("abcd", 3).as_str(), cut("ab cd", 4).as_str()), ("abc", "ab…", "ab…"));
        assert_eq!(cut("👩‍🔧👩‍🔧", 3), "👩…", "no dangling joiner");
        assert_eq!(cut(&"x".repeat(20_000), 1000).chars().count(), 1000);
    }

    #[test]
    fn percent_encoding_leaves_nothing_to_escape() {
        assert_eq!(percent_encode("A 1/ü?\"<"), "A%201%2F%C3%BC%3F%22%3C");
    }
}
