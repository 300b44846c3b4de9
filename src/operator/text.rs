//! How things look to a person: times, sizes and names, lines that are wrapped, columns that stand in line, and
//! colour where a terminal shows it. Text from elsewhere never sends a terminal control characters. Start with
//! [`Look`] and [`Table`].

use std::ffi::OsStr;
use std::fmt::Write;

use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;

/// Nothing that is wrapped is wider, in characters.
pub const WIDTH: usize = 100;

/// The last column of a table is never narrower than this, or one word would stand in each line.
const LAST_COLUMN_MIN: usize = 24;

const GAP: &str = "  ";

/// What a colour says; it never says more than the word that wears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    /// At its end, as it should be.
    Good,
    /// A person must look.
    Bad,
    /// A heading.
    Strong,
}

/// Whether there is colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    pub is_coloured: bool,
}

impl Look {
    pub const PLAIN: Look = Look { is_coloured: false };

    /// Colour only on a terminal, and not where `NO_COLOR` (<https://no-color.org>) or `TERM` says otherwise.
    pub fn of(is_terminal: bool, environment: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Look {
        let is_unwanted = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
        let is_dumb = environment("TERM").is_some_and(|term| term == OsStr::new("dumb"));
        Look { is_coloured: is_terminal && !is_unwanted && !is_dumb }
    }

    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "1;31",
            Tone::Strong => "1",
            Tone::Plain => return text.to_owned(),
        };
        if self.is_coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The tone of a state's name.
pub fn tone_of(state: &str) -> Tone {
    match state {
        "done" => Tone::Good,
        "held" | "in doubt" | "given up" | "refused" | "rejected" | "withdrawn" => Tone::Bad,
        _ => Tone::Plain,
    }
}

/// One field of a table.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub fn toned(tone: Tone, text: &str) -> Cell {
        Cell { text: printable(text), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::toned(Tone::Plain, text.as_ref())
    }
}

/// Columns that stand in line; the last one is wrapped. Thirty lines of our own, since the crates for it count
/// colour as width or bring a terminal library along.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new<const N: usize>(head: [&str; N]) -> Table {
        Table { rows: vec![head.iter().map(|name| Cell::toned(Tone::Strong, name)).collect()] }
    }

    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    pub fn show(&self, look: Look) -> String {
        let mut shown = String::new();
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns.saturating_sub(1)).map(widest).collect();
        let before_last: usize = widths.iter().map(|width| width + GAP.len()).sum();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let padding = " ".repeat(width - cell.text.chars().count());
                let _ = write!(line, "{}{padding}{GAP}", look.paint(cell.tone, &cell.text));
            }
            if let Some(last) = row.get(widths.len()) {
                let room = WIDTH.saturating_sub(before_last).max(LAST_COLUMN_MIN);
                for (i, piece) in pieces(&last.text, room).iter().enumerate() {
                    if i > 0 {
                        let _ = write!(line, "\n{}", " ".repeat(before_last));
                    }
                    line.push_str(&look.paint(last.tone, piece));
                }
            }
            shown.push_str(line.trim_end());
            shown.push('\n');
        }
        shown
    }
}

/// A paragraph of lines of at most [`WIDTH`] characters, the first one behind `first`, the others as far in.
pub fn paragraph(first: &str, text: &str) -> String {
    let indent = first.chars().count();
    let mut shown = first.to_owned();
    for (i, piece) in pieces(&printable(text), WIDTH.saturating_sub(indent).max(LAST_COLUMN_MIN)).iter().enumerate() {
        if i > 0 {
            let _ = write!(shown, "\n{}", " ".repeat(indent));
        }
        shown.push_str(piece);
    }
    shown.push('\n');
    shown
}

/// Lines of at most `room` characters; a longer word stands alone, for it may be a name that is to be copied.
fn pieces(text: &str, room: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match pieces.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
    }
    pieces
}

/// Without control characters, which could rewrite what a terminal shows.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `2026-12-01 04:15`, Danish local time.
pub fn minute(moment: Moment) -> String {
    moment.minute()
}

/// `2026-12-01 04:15:09`, Danish local time.
pub fn second(moment: Moment) -> String {
    moment.in_copenhagen().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `0751 Aarhus`.
pub fn municipality(code: MunicipalityCode) -> String {
    format!("{code} {}", code.name())
}

/// `1 agreement`, `12,345 agreements`.
pub fn count(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line_with_danish_letters_and_with_colour() {
        let mut table = Table::new(["MUNICIPALITY", "STATE", "NEXT"]);
        table.row(["0350 Lejre".into(), Cell::toned(Tone::Good, "done"), "nothing".into()]);
        table.row(["0825 Læsø".into(), "held".into(), "a person".into()]);

        assert_eq!(
            table.show(Look::PLAIN),
            "MUNICIPALITY  STATE  NEXT\n0350 Lejre    done   nothing\n0825 Læsø     held   a person\n"
        );
        let coloured = table.show(Look { is_coloured: true });
        assert!(coloured.contains("\u{1b}[32mdone\u{1b}[0m   nothing\n"), "{coloured:?}");
    }

    #[test]
    fn no_line_is_wider_than_100_characters_and_what_follows_stands_under_its_column() {
        let mut table = Table::new(["FIRST", "LAST"]);
        table.row(["x".into(), Cell::from("word ".repeat(60))]);

        let shown = table.show(Look::PLAIN);

        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH), "{shown}");
        assert!(shown.lines().nth(2).unwrap().starts_with("       word"), "{shown}");
        let paragraph = paragraph("04:15  ", &"word ".repeat(60));
        assert!(paragraph.lines().skip(1).all(|line| line.starts_with("       word") && line.len() <= WIDTH));
    }

    #[test]
    fn a_terminal_is_never_sent_control_characters_of_others() {
        assert_eq!(paragraph("", "a\u{1b}[2J\r\nb"), "a [2J b\n");
        assert_eq!(Cell::from("\u{7}x").text, " x");
    }

    #[test]
    fn there_is_colour_on_a_terminal_alone_and_only_if_it_is_wanted() {
        let look = |is_terminal, name: &'static str, value: &'static str| {
            Look::of(is_terminal, &move |asked| (asked == name).then(|| value.into())).is_coloured
        };
        assert!(look(true, "TERM", "xterm") && look(true, "NO_COLOR", ""));
        assert!(!look(false, "TERM", "xterm") && !look(true, "NO_COLOR", "1") && !look(true, "TERM", "dumb"));
    }

    #[test]
    fn a_time_is_danish_in_winter_and_in_summer() {
        let at = |text: &str| text.parse::<Moment>().unwrap();

        assert_eq!(second(at("2026-12-01T03:15:09Z")), "2026-12-01 04:15:09");
        assert_eq!(minute(at("2026-07-01T22:15:00Z")), "2026-07-02 00:15");
    }

    #[test]
    fn numbers_are_grouped_and_things_counted() {
        assert_eq!([grouped(7), grouped(1_000), grouped(1_234_567)], ["7", "1,000", "1,234,567"]);
        assert_eq!([count(1, "byte"), count(0, "byte")], ["1 byte", "0 bytes"]);
    }
}
