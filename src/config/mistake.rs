//! What is wrong with a settings file, and where: [`Mistakes`] holds all of it at once, each with file,
//! line, column and what was expected. A [`Note`] is no mistake: it says what could not be looked at.
//!
//! Nothing here repeats what may be a secret: a line with a pass phrase or a private key is cut short.

use std::fmt;
use std::ops::Range;

/// More than this is no longer read by a person; the rest is counted.
const MISTAKES_MAX: usize = 100;

/// A longer line is cut in what is shown, in characters.
const SHOWN_MAX: usize = 160;

/// Everything that is wrong with the settings, in the order of the file. There is at least one mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    pub mistakes: Vec<Mistake>,
    pub notes: Vec<Note>,
    /// Mistakes beyond the first 100, which are only counted.
    pub further: usize,
}

/// One thing that must be put right before these settings are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub place: Place,
    /// A sentence: what was found and what was expected.
    pub message: String,
}

/// Something that could not be looked at from here, or that a person should know. The settings hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub place: Place,
    pub message: String,
}

/// Where in which file; without a spot the file as a whole is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as it was given.
    pub file: String,
    pub spot: Option<Spot>,
}

/// A piece of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// In characters, at least 1.
    pub width: usize,
    /// The line as it can be shown: no control characters, no secrets, of bounded length.
    pub source_line: String,
}

/// `error: …`, the place, the line and carets; one block per mistake, then the notes.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in &self.mistakes {
            writeln!(f, "{mistake}")?;
        }
        if self.further > 0 {
            writeln!(f, "error: and {} more\n", self.further)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

impl Mistakes {
    /// The same in one line, for the log.
    pub fn in_a_line(&self) -> String {
        let mut said: Vec<_> = self.mistakes.iter().map(Mistake::in_a_line).collect();
        if self.further > 0 {
            said.push(format!("and {} more", self.further));
        }
        said.join("; ")
    }
}

impl Mistake {
    fn in_a_line(&self) -> String {
        let Place { file, spot } = &self.place;
        match spot {
            Some(spot) => format!("{file}:{}:{}: {}", spot.line, spot.column, self.message),
            None => format!("{file}: {}", self.message),
        }
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}\n{}", self.message, self.place)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "note: {}\n{}", self.message, self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(spot) = &self.spot else {
            return writeln!(f, "  --> {}", self.file);
        };
        let number = spot.line.to_string();
        let gutter = " ".repeat(number.len());
        let indent = " ".repeat(spot.column - 1);
        writeln!(f, "{gutter}--> {}:{}:{}", self.file, spot.line, spot.column)?;
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{number} | {}", spot.source_line)?;
        writeln!(f, "{gutter} | {indent}{}", "^".repeat(spot.width))
    }
}

/// Collects what is wrong with one text, by byte ranges, and turns it into [`Mistakes`].
pub(super) struct Findings<'t> {
    file: &'t str,
    text: &'t str,
    /// A line in which the syntax is broken says nothing reliable about anything else.
    broken: Vec<Range<usize>>,
    mistakes: Vec<(Option<Range<usize>>, String)>,
    notes: Vec<(Option<Range<usize>>, String)>,
}

impl<'t> Findings<'t> {
    pub fn new(file: &'t str, text: &'t str) -> Self {
        Findings { file, text, broken: Vec::new(), mistakes: Vec::new(), notes: Vec::new() }
    }

    /// The text is no TOML here. Only the first such finding of a line is kept: the others follow from it.
    pub fn broken(&mut self, span: Range<usize>, message: String) {
        let line = self.line_of(span.start);
        if !self.broken.contains(&line) {
            self.broken.push(line);
            self.mistakes.push((Some(span), message));
        }
    }

    pub fn mistake(&mut self, span: Range<usize>, message: String) {
        if !self.broken.contains(&self.line_of(span.start)) {
            self.mistakes.push((Some(span), message));
        }
    }

    /// Something is not there. Where the syntax is broken it may only have been passed over, so then
    /// nothing is said. No span: missing in the file as a whole.
    pub fn missing(&mut self, span: Option<Range<usize>>, message: String) {
        if self.broken.is_empty() {
            self.mistakes.push((span, message));
        }
    }

    pub fn note(&mut self, span: Range<usize>, message: String) {
        self.notes.push((Some(span), message));
    }

    /// `Err` if there was a mistake, else the notes.
    pub fn conclude(mut self) -> Result<Vec<Note>, Mistakes> {
        // What is wrong with the file as a whole comes first.
        self.mistakes.sort_by_key(|(span, _)| span.as_ref().map(|span| span.start));
        self.notes.sort_by_key(|(span, _)| span.as_ref().map(|span| span.start));
        let further = self.mistakes.len().saturating_sub(MISTAKES_MAX);
        let place = |span: Option<Range<usize>>| Place {
            file: self.file.to_owned(),
            spot: span.map(|span| spot(self.text, span)),
        };
        let notes =
            self.notes.into_iter().map(|(span, message)| Note { place: place(span), message }).collect::<Vec<_>>();
        let mistakes = self
            .mistakes
            .into_iter()
            .take(MISTAKES_MAX)
            .map(|(span, message)| Mistake { place: place(span), message })
            .collect::<Vec<_>>();
        if mistakes.is_empty() { Ok(notes) } else { Err(Mistakes { mistakes, notes, further }) }
    }

    fn line_of(&self, offset: usize) -> Range<usize> {
        line_of(self.text, offset)
    }
}

/// The byte range of the line that holds `offset`, without its line end.
fn line_of(text: &str, offset: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let offset = offset.min(bytes.len());
    let start = bytes[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let end = bytes[offset..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |newline| offset + newline);
    start..end
}

fn spot(text: &str, span: Range<usize>) -> Spot {
    let line = line_of(text, span.start);
    let start = span.start.clamp(line.start, line.end);
    let end = span.end.clamp(start, line.end);
    let characters = |range: Range<usize>| text.get(range.clone()).map_or(range.len(), |piece| piece.chars().count());
    let number = text.as_bytes()[..line.start].iter().filter(|b| **b == b'\n').count() + 1;
    let content = text.get(line.clone()).unwrap_or_default().trim_end_matches('\r');
    let (shown, cut) = shown(content);
    let column = characters(line.start..start) + 1;
    // Where the line is cut short, the carets are as well.
    let room = if cut { shown.chars().count().saturating_sub(column - 1) } else { usize::MAX };
    let width = characters(start..end).min(room).max(1);
    Spot { line: number, column, width, source_line: shown }
}

/// The line without control characters, without what may be a secret, and of bounded length; and whether
/// anything was left out.
fn shown(line: &str) -> (String, bool) {
    let secret = secret_from(line).unwrap_or(line.len());
    let mut shown: String =
        line[..secret].chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let cut = shown.chars().count() < line.chars().count();
    if cut {
        shown.push('…');
    }
    (shown, cut)
}

/// Where in a line a pass phrase (`pass… =`) or a private key begins. Bytes.
fn secret_from(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let phrase = lower.find("pass").and_then(|word| Some(word + lower[word..].find('=')? + 1));
    let key = lower.find("private key");
    [phrase, key].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_for(text: &str, span: Range<usize>, message: &str) -> String {
        let mut findings = Findings::new("sluse.toml", text);
        findings.mistake(span, message.to_owned());
        findings.conclude().unwrap_err().to_string()
    }

    #[test]
    fn a_mistake_is_shown_with_its_line_and_carets_under_it() {
        let text = "a = 1\n\næ = 2\npol = 3\n";

        let shown = shown_for(text, 14..17, "unknown key `pol`");

        assert_eq!(shown, "error: unknown key `pol`\n --> sluse.toml:4:1\n  |\n4 | pol = 3\n  | ^^^\n\n");
        assert!(shown_for(text, 7..9, "æ").contains("sluse.toml:3:1\n  |\n3 | æ = 2\n  | ^\n"));
    }

    #[test]
    fn what_may_be_a_secret_is_never_shown() {
        for line in ["passphrase = \"hunter2\"", "PassPhrse=\"hunter2\"", "x = { a = 1, passphrase = \"hunter2\" }"] {
            assert!(!shown_for(line, 0..line.len(), "wrong").contains("hunter2"), "{line}");
        }
        let pasted = "identity = \"-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Blbn\"";
        assert!(!shown_for(pasted, 11..pasted.len(), "wrong").contains("b3Blbn"));
    }

    #[test]
    fn a_terminal_is_never_sent_control_characters() {
        assert!(!shown_for("a = \"\u{1b}[2J\"\r\n", 4..10, "wrong").contains(['\u{1b}', '\r']));
    }

    #[test]
    fn a_span_beyond_the_text_or_inside_a_character_is_still_a_place() {
        for (text, span) in [("", 0..0), ("a", 1..9), ("a\n", 2..2), ("æøå", 1..3), ("a\r\n", 2..3)] {
            assert!(shown_for(text, span, "wrong").contains('^'), "{text:?}");
        }
    }

    #[test]
    fn thousands_of_mistakes_are_counted_and_not_all_printed() {
        let text = "x\n".repeat(5000);
        let mut findings = Findings::new("f", &text);
        (0..5000).for_each(|line| findings.mistake(line * 2..line * 2 + 1, "wrong".to_owned()));

        let mistakes = findings.conclude().unwrap_err();

        assert_eq!((mistakes.mistakes.len(), mistakes.further), (100, 4900));
    }
}
