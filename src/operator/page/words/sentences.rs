//! The engine's sentences in Danish. They come in English, put together from patterns; here is each pattern with its
//! Danish one. What has none stays English, and says so to a screen reader. Start with [`Said::of`].

mod alarms;
mod danish;

use std::fmt;
use std::slice;

use askama::filters::{Escaper, Html, HtmlSafe};

use super::Language;

/// What stands around a command in a sentence.
const MARK: char = '`';

/// A text for the page, some of which may be in English on a Danish page. Shown, it is escaped HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    text: String,
    is_foreign: bool,
}

impl Said {
    /// What is of no language, such as a name, or of the page's own.
    pub fn plain(text: impl Into<String>) -> Said {
        Said(vec![Piece { text: text.into(), is_foreign: false }])
    }

    /// A sentence of the engine.
    pub fn of(language: Language, english: &str) -> Said {
        match language {
            Language::English => Said::plain(english),
            Language::Danish => Said(danish(english)),
        }
    }

    /// Words of the page, with this in the place of its `{}`, if they have one.
    pub fn filled(words: &str, with: Said) -> Said {
        match words.split_once("{}") {
            Some((before, after)) => Said::plain(before).then(with).then(Said::plain(after)),
            None => Said::plain(words),
        }
    }

    pub fn then(mut self, other: Said) -> Said {
        self.0.extend(other.0.into_iter().filter(|piece| !piece.text.is_empty()));
        self
    }

    /// As a sentence of its own: with a capital letter and a full stop.
    pub fn sentence(mut self) -> Said {
        if let Some(first) = self.0.iter_mut().find(|piece| !piece.text.is_empty()) {
            let mut letters = first.text.chars();
            first.text = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        }
        if let Some(last) = self.0.iter_mut().rfind(|piece| !piece.text.is_empty())
            && !last.text.ends_with(['.', '!', '?'])
        {
            last.text.push('.');
        }
        self
    }

    /// Whether a part of it is English on a Danish page.
    pub fn is_foreign(&self) -> bool {
        self.0.iter().any(|piece| piece.is_foreign)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|piece| piece.text.is_empty())
    }

    /// The bare text.
    pub fn text(&self) -> String {
        self.0.iter().map(|piece| piece.text.as_str()).collect()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = |pieces: &[Piece]| pieces.iter().map(|piece| piece.text.matches(MARK).count()).sum::<usize>();
        // A pair may begin in one piece and end in another, but not across the edge of a foreign one.
        let are_pairs = self.0.split(|piece| piece.is_foreign).all(|pieces| marks(pieces).is_multiple_of(2))
            && self.0.iter().all(|piece| !piece.is_foreign || marks(slice::from_ref(piece)).is_multiple_of(2));
        let mut is_command = false;
        for piece in &self.0 {
            if piece.is_foreign {
                f.write_str("<span lang=\"en\">")?;
            }
            let mut parts = piece.text.split(|letter| are_pairs && letter == MARK);
            Html.write_escaped_str(&mut *f, parts.next().unwrap_or_default())?;
            for part in parts {
                is_command = !is_command;
                f.write_str(if is_command { "<code>" } else { "</code>" })?;
                Html.write_escaped_str(&mut *f, part)?;
            }
            if piece.is_foreign {
                f.write_str("</span>")?;
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Said {}

/// An English sentence, or several in one text, in Danish; foreign pieces where there is no pattern.
fn danish(english: &str) -> Vec<Piece> {
    let joined = |before: Vec<Piece>, rest: &str| {
        let gap = Piece { text: "; ".to_owned(), is_foreign: false };
        before.into_iter().chain([gap]).chain(danish(rest)).collect()
    };
    if let Some(pieces) = by_pattern(english) {
        return pieces;
    }
    // A sentence may have a semicolon itself, so the longest beginning that is known.
    for (at, gap) in english.rmatch_indices("; ") {
        if let Some(pieces) = by_pattern(&english[..at]) {
            return joined(pieces, &english[at + gap.len()..]);
        }
    }
    let foreign = |text: &str| vec![Piece { text: text.to_owned(), is_foreign: true }];
    match english.split_once("; ") {
        Some((first, rest)) => joined(foreign(first), rest),
        None => foreign(english),
    }
}

/// None: there is no pattern for this.
fn by_pattern(english: &str) -> Option<Vec<Piece>> {
    let found = danish::PATTERNS
        .iter()
        .chain(alarms::PATTERNS)
        .find_map(|(pattern, danish)| Some((captures(pattern, english)?, danish)));
    let (captured, in_danish) = found?;
    let own = |text: String| Piece { text, is_foreign: false };
    let mut pieces = Vec::new();
    let mut captured = captured.into_iter();
    for (index, literal) in in_danish.split("{}").enumerate() {
        if index > 0
            && let Some(Captured { text, is_sentence }) = captured.next()
        {
            match is_sentence {
                true => pieces.extend(danish(text)),
                false => pieces.push(own(Language::Danish.figure(text))),
            }
        }
        pieces.push(own(literal.to_owned()));
    }
    pieces.retain(|piece| !piece.text.is_empty());
    Some(pieces)
}

struct Captured<'t> {
    text: &'t str,
    /// It is a sentence of the engine too.
    is_sentence: bool,
}

/// What stands in a text at the places of a pattern: `{}` is a name or a number, `{t}` a sentence. None: the text is not
/// of this pattern.
fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<Captured<'t>>> {
    let mut captured = Vec::new();
    let (mut pattern, mut text) = (pattern, text);
    loop {
        let Some(place) = pattern.find('{') else {
            return (pattern == text).then_some(captured);
        };
        text = text.strip_prefix(&pattern[..place])?;
        let end = place + pattern[place..].find('}')?;
        let is_sentence = &pattern[place..=end] == "{t}";
        pattern = &pattern[end + 1..];
        let literal = &pattern[..pattern.find('{').unwrap_or(pattern.len())];
        let until = match (literal.is_empty(), literal.len() == pattern.len()) {
            (true, _) => text.len(),
            // The last words of the pattern are the last of the text.
            (false, true) => text.len().checked_sub(literal.len()).filter(|at| text.get(*at..) == Some(literal))?,
            (false, false) => text.find(literal)?,
        };
        captured.push(Captured { text: &text[..until], is_sentence });
        text = &text[until..];
    }
}

#[cfg(test)]
mod tests;
