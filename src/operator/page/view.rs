//! What every page is made with: the language and the moment, times that say themselves, the frame around the content,
//! and one shape for whatever needs a person. Decides nothing. Start with [`Eye`].

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::civil::Date;

use super::words::sentences::Said;
use super::words::{Language, Words};
use crate::domain::change::ChangeSummary;
use crate::domain::moment::Moment;
use crate::operator::held::Called;

/// Who looks, when, and how commands are called here.
#[derive(Clone, Copy)]
pub struct Eye<'e> {
    pub language: Language,
    pub now: Moment,
    pub called: &'e Called,
}

impl Eye<'_> {
    pub fn words(&self) -> &'static Words {
        self.language.words()
    }

    /// A sentence of the engine, or a state's name.
    pub fn say(&self, english: &str) -> Said {
        Said::of(self.language, english)
    }

    pub fn time(&self, at: Moment) -> When {
        When { iso: at.to_string(), shown: self.language.time(at, self.now) }
    }

    /// The same to the second.
    pub fn second(&self, at: Moment) -> When {
        When { iso: at.to_string(), shown: self.language.second(at, self.now) }
    }

    pub fn date(&self, date: Date) -> When {
        When { iso: date.to_string(), shown: self.language.date(date) }
    }

    /// Words of the page with a number in them, in singular or plural.
    pub fn count(&self, number: usize, one: &str, many: &str) -> Said {
        let figure = self.language.number(number as u64);
        Said::filled(if number == 1 { one } else { many }, Said::plain(figure))
    }

    /// Words of the page with a time in them.
    pub fn at(&self, words: &str, at: Moment) -> Said {
        Said::filled(words, Said::plain(self.language.time(at, self.now)))
    }

    /// What a reply changes, in counts.
    pub fn change(&self, summary: &ChangeSummary) -> Change {
        let (words, number) = (self.words(), |number| self.language.number(number));
        let kroner = |amount: crate::domain::amount::Oere| self.language.punctuated(&amount.to_string());
        Change {
            is_first: summary.first_load,
            tallies: vec![
                (number(summary.new), words.new),
                (number(summary.changed), words.changed),
                (number(summary.ended), words.ended),
                (number(summary.resumed), words.resumed),
                (number(summary.unchanged), words.unchanged),
            ],
            agreements: (number(summary.before_count), number(summary.after_count)),
            kroner: (kroner(summary.before_total), kroner(summary.after_total)),
        }
    }
}

/// A moment or a day, as HTML has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    iso: String,
    shown: String,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Both are made here, of digits and words of ours.
        write!(f, "<time datetime=\"{}\">{}</time>", self.iso, self.shown)
    }
}

impl HtmlSafe for When {}

/// What stands around the content.
pub struct Frame {
    pub words: &'static Words,
    pub language: &'static str,
    pub title: String,
    /// The same page in the other language.
    pub other_language_href: String,
    pub as_of: Option<When>,
    /// Of style and script, so that a new version is fetched.
    pub assets: &'static str,
}

impl Frame {
    /// `path`: of this page.
    pub fn new(language: Language, title: impl Into<String>, path: &str, as_of: Option<When>) -> Frame {
        let words = language.words();
        Frame {
            words,
            language: language.code(),
            title: title.into(),
            other_language_href: format!("{path}?lang={}", words.other_language_code),
            as_of,
            assets: super::assets::version(),
        }
    }
}

/// Something that needs a person: what, why, and what to do.
#[derive(Default)]
pub struct Matter {
    /// Of its element on the page, so that a live page knows it again.
    pub id: String,
    pub title: Said,
    /// Where more is told.
    pub href: Option<String>,
    /// Short, such as the state.
    pub kind: Said,
    pub since: Option<When>,
    /// The files it is about, each with what it is.
    pub about: Vec<(&'static str, Said)>,
    pub lines: Vec<Line>,
    pub change: Option<Change>,
    pub advice: Said,
    /// To be copied as they are.
    pub commands: Vec<String>,
    /// Whether a command carries the mark of what was seen.
    pub has_mark: bool,
    /// It may become something that needs a person, and does not yet.
    pub is_warning: bool,
}

impl Matter {
    /// Without what the page around it says already.
    pub fn body(self) -> Matter {
        Matter { title: Said::default(), href: None, kind: Said::default(), since: None, ..self }
    }
}

/// One sentence, and where more is told.
pub struct Line {
    pub text: Said,
    pub href: Option<String>,
}

impl From<Said> for Line {
    fn from(text: Said) -> Line {
        Line { text, href: None }
    }
}

/// What a reply changes, written as the language has it.
pub struct Change {
    pub is_first: bool,
    pub tallies: Vec<(String, &'static str)>,
    /// Before and after.
    pub agreements: (String, String),
    pub kroner: (String, String),
}
