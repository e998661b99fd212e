//! Tables for people: no borders, as wide as the terminal.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::words::clean;

/// Columns of the terminal; `None` where standard output is none.
pub fn terminal_width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// Text as lines of at most `width` letters, broken at spaces where there are some, each behind `indent` spaces; a table would
/// lose the indent. A line gets at least 20 letters; letters of double width count as one.
pub fn indented(text: &str, indent: usize, width: Option<usize>) -> Vec<String> {
    let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(20));
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split(' ') {
        let mut letters: Vec<_> = word.chars().collect();
        let space = usize::from(length > 0);
        if length > 0 && length + space + letters.len() > room {
            lines.push(String::new());
            length = 0;
        } else if let Some(line) = lines.last_mut().filter(|_| length > 0) {
            line.push(' ');
            length += 1;
        }
        while length + letters.len() > room {
            let rest = letters.split_off(room - length);
            lines.last_mut().expect("one line at least").extend(letters);
            lines.push(String::new());
            (letters, length) = (rest, 0);
        }
        length += letters.len();
        lines.last_mut().expect("one line at least").extend(letters);
    }
    lines.into_iter().map(|line| " ".repeat(indent) + &line).collect()
}

/// Spaces between columns.
const GAP: usize = 2;
/// Longer words are cut where there is no room.
const LEAST_MAX: usize = 20;

/// A table under construction.
pub struct Sheet {
    headings: Vec<String>,
    rows: Vec<Vec<(String, Tone)>>,
    whole: Vec<usize>,
    first_to_go: Vec<usize>,
    colour: bool,
}

/// How a cell stands out; without colour it does not.
#[derive(Clone, Copy, PartialEq)]
pub enum Tone {
    /// As the rest.
    Plain,
    /// Needs attention.
    Alarm,
    /// Of less interest.
    Faint,
    /// In a colour of its own: red, green, blue.
    Rgb(u8, u8, u8),
}

impl Tone {
    /// The colour that a `#rrggbb` of the API names; plain when it names none.
    pub fn of_colour(text: &str) -> Self {
        let part = |from: usize| text.get(from..from + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (text.strip_prefix('#').map(str::len), part(1), part(3), part(5)) {
            (Some(6), Some(red), Some(green), Some(blue)) => Self::Rgb(red, green, blue),
            _ => Self::Plain,
        }
    }
}

/// A piece of text outside a table in its tone, cleaned.
pub fn toned(text: &str, tone: Tone, colour: bool) -> String {
    let text = clean(text);
    match tone {
        _ if !colour => text,
        Tone::Plain => text,
        Tone::Alarm => format!("\u{1b}[31m{text}\u{1b}[39m"),
        Tone::Faint => format!("\u{1b}[90m{text}\u{1b}[39m"),
        Tone::Rgb(red, green, blue) => format!("\u{1b}[38;2;{red};{green};{blue}m{text}\u{1b}[39m"),
    }
}

impl Sheet {
    /// Columns with their headings.
    pub fn new(headings: &[&str], colour: bool) -> Self {
        let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Self { headings, rows: Vec::new(), whole: Vec::new(), first_to_go: Vec::new(), colour }
    }

    /// Keeps a column from being wrapped: for numbers and ids that are copied.
    pub fn keep_whole(&mut self, column: usize) {
        self.whole.push(column);
    }

    /// Leaves columns out, by their headings and in this order, as far as it takes for the rest not to be cut within words.
    pub fn leave_out_first(&mut self, headings: &[&str]) {
        let places = headings.iter().filter_map(|heading| self.headings.iter().position(|it| it == heading));
        self.first_to_go = places.collect();
    }

    /// Adds a plain row.
    pub fn row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.toned_row(cells.into_iter().map(|text| (text, Tone::Plain)));
    }

    /// Adds a row with a tone for each cell.
    pub fn toned_row<T: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = (T, Tone)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (clean(text.as_ref()), tone)).collect());
    }

    /// The text, without spaces at line ends.
    pub fn text(self, width: Option<u16>) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width {
            table.set_width(width);
        }
        let (kept, left_out) = self.fitting(table.width().map(usize::from));
        let bold = |text: &String| {
            if self.colour { Cell::new(text).add_attribute(Attribute::Bold) } else { Cell::new(text) }
        };
        table.set_header(kept.iter().map(|column| bold(&self.headings[*column])));
        for row in &self.rows {
            table.add_row(kept.iter().filter_map(|column| row.get(*column)).map(|(text, tone)| self.cell(text, *tone)));
        }
        for (place, column) in kept.iter().enumerate() {
            let gap = if place + 1 == kept.len() { 0 } else { GAP };
            let Some(shown) = table.column_mut(place) else { continue };
            shown.set_padding((0, u16::try_from(gap).unwrap_or(0)));
            shown.set_constraint(if self.whole.contains(column) {
                ColumnConstraint::ContentWidth
            } else {
                let least = u16::try_from(self.least(*column) + gap).unwrap_or(u16::MAX);
                ColumnConstraint::LowerBoundary(Width::Fixed(least))
            });
        }
        let text = table.trim_fmt();
        if left_out.is_empty() {
            return text;
        }
        let names: Vec<_> = left_out.iter().map(|column| self.headings[*column].as_str()).collect();
        format!("{text}\n\nNot shown, since the terminal is narrow: {}", names.join(", "))
    }

    /// The text, as wide as the terminal.
    pub fn fitted(self) -> String {
        self.text(None)
    }

    fn cell(&self, text: &str, tone: Tone) -> Cell {
        let cell = Cell::new(text);
        match tone {
            Tone::Alarm if self.colour => cell.fg(Color::Red),
            Tone::Faint if self.colour => cell.fg(Color::DarkGrey),
            Tone::Rgb(r, g, b) if self.colour => cell.fg(Color::Rgb { r, g, b }),
            _ => cell,
        }
    }

    /// The columns that are shown, and those that are left out.
    fn fitting(&self, width: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let mut kept: Vec<_> = (0..self.headings.len()).collect();
        let mut left_out = Vec::new();
        let least =
            |kept: &[usize]| kept.iter().map(|column| self.least(*column) + GAP).sum::<usize>().saturating_sub(GAP);
        for column in &self.first_to_go {
            if width.is_none_or(|width| least(&kept) <= width) {
                break;
            }
            kept.retain(|it| it != column);
            left_out.push(*column);
        }
        (kept, left_out)
    }

    /// Letters that a column needs so that no word of it is cut; letters of double width count as one.
    fn least(&self, column: usize) -> usize {
        let letters = |text: &str| text.chars().count();
        let longest = |text: &str| {
            if self.whole.contains(&column) {
                text.lines().map(letters).max().unwrap_or(0)
            } else {
                text.split_whitespace().map(letters).max().unwrap_or(0).min(LEAST_MAX)
            }
        };
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| longest(text));
        cells.chain([letters(&self.headings[column])]).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_its_width_and_ends_lines_without_spaces() {
        let mut sheet = Sheet::new(&["NUMBER", "TITLE"], false);
        sheet.keep_whole(0);
        sheet.row(["W-1000", "a shaft with a title that is far too long for one line"]);
        let text = sheet.text(Some(40));
        assert!(text.lines().all(|line| line.chars().count() <= 40 && !line.ends_with(' ')), "{text}");
        assert!(text.contains("W-1000"));
    }

    #[test]
    fn a_narrow_table_leaves_columns_out_and_cuts_no_word() {
        let sheet = || {
            let mut sheet = Sheet::new(&["NUMBER", "HEALTH", "TITLE", "TYPE"], false);
            sheet.keep_whole(0);
            sheet.leave_out_first(&["TYPE", "TITLE"]);
            sheet.row(["W-1000", "late by 5 days", "Measuring table", "sample-machining"]);
            sheet
        };
        assert!(!sheet().text(Some(50)).contains("Not shown"));
        let text = sheet().text(Some(30));
        assert!(text.ends_with("\n\nNot shown, since the terminal is narrow: TYPE"), "{text}");
        assert!(text.contains("Measuring") && !text.contains("sample"), "{text}");
        assert!(sheet().text(Some(20)).ends_with("narrow: TYPE, TITLE"));
    }

    #[test]
    fn without_colour_no_escape_is_written() {
        let mut sheet = Sheet::new(&["A"], false);
        sheet.toned_row([("x", Tone::Alarm), ("y", Tone::Faint)]);
        assert!(!sheet.fitted().contains('\u{1b}'));
    }

    #[test]
    fn a_colour_of_the_api_is_read() {
        assert!(Tone::of_colour("#0a80Ff") == Tone::Rgb(10, 128, 255));
        let none = ["", "#", "0a80ff", "#0a80f", "#0a80ff0", "#0a80fg", "#\u{e4}\u{e4}\u{e4}"];
        assert!(none.iter().all(|text| Tone::of_colour(text) == Tone::Plain));
    }

    #[test]
    fn text_outside_a_table_is_cleaned_too() {
        assert_eq!(toned("a\u{7}", Tone::Alarm, false), "a");
        assert_eq!(toned("a\u{1b}", Tone::Alarm, true), "\u{1b}[31ma\u{1b}[39m");
    }

    #[test]
    fn indented_text_is_broken_at_spaces_and_keeps_its_indent() {
        let text = "the part that came back measures 12.7";
        assert_eq!(indented(text, 2, Some(24)), ["  the part that came", "  back measures 12.7"]);
        assert_eq!(indented(text, 2, None), [format!("  {text}")]);
        assert_eq!(indented("", 2, Some(24)), ["  "]);
    }

    #[test]
    fn a_word_that_is_too_long_is_cut() {
        let word = "x".repeat(45);
        let lengths: Vec<_> = indented(&word, 0, Some(20)).iter().map(String::len).collect();
        assert_eq!(lengths, [20, 20, 5]);
        let lengths: Vec<_> = indented(&format!("no {word}"), 0, Some(20)).iter().map(String::len).collect();
        assert_eq!(lengths, [2, 20, 20, 5]);
    }
}
