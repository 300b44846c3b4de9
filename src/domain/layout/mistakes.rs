//! The mistakes in a layout file, each with its place, and the walk through the TOML that finds them all in one
//! go. Start with [`LayoutMistakes`]; [`Table`] is what `source` reads with.

use std::collections::BTreeSet;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// All mistakes of one layout file, in the order of their places. One line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutMistakes {
    /// The file's name, as it was given.
    pub source: String,
    pub mistakes: Vec<Mistake>,
}

/// One mistake: what is there, and what was expected. Line and column (in characters) count from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl std::error::Error for LayoutMistakes {}

impl fmt::Display for LayoutMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { line, column, message }) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{line}:{column}: {message}", self.source)?;
        }
        Ok(())
    }
}

/// Mistakes while they are being found, by byte in the TOML.
#[derive(Debug, Default)]
pub(super) struct Found(Vec<(usize, String)>);

impl Found {
    pub fn add(&mut self, at: usize, message: impl Into<String>) {
        self.0.push((at, message.into()));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn into_mistakes(self, source: &str, toml: &str) -> LayoutMistakes {
        let mut mistakes: Vec<_> = self.0.into_iter().map(|(at, message)| mistake(toml, at, message)).collect();
        mistakes.sort();
        mistakes.dedup();
        LayoutMistakes { source: source.to_owned(), mistakes }
    }
}

fn mistake(toml: &str, at: usize, message: String) -> Mistake {
    let mut at = at.min(toml.len());
    while !toml.is_char_boundary(at) {
        at -= 1;
    }
    let line_start = toml[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Mistake { line: toml[..at].matches('\n').count() + 1, column: toml[line_start..at].chars().count() + 1, message }
}

/// A text, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'t> {
    pub text: &'t str,
    pub at: usize,
}

/// A TOML table that remembers which of its keys were asked for; the others are mistakes.
pub(super) struct Table<'t> {
    entries: &'t DeTable<'t>,
    /// Where it stands, for what is missing in it.
    pub at: usize,
    asked: BTreeSet<&'static str>,
}

impl<'t> Table<'t> {
    pub fn new(entries: &'t DeTable<'t>, at: usize) -> Self {
        Table { entries, at, asked: BTreeSet::new() }
    }

    pub fn text(&mut self, key: &'static str, found: &mut Found) -> Option<Word<'t>> {
        word(self.value(key)?, key, found)
    }

    pub fn required_text(&mut self, key: &'static str, found: &mut Found) -> Option<Word<'t>> {
        if !self.entries.contains_key(key) {
            self.asked.insert(key);
            found.add(self.at, format!("missing key `{key}`"));
            return None;
        }
        self.text(key, found)
    }

    /// One of some words. A missing one is a mistake unless there is a default.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        default: Option<T>,
        found: &mut Found,
    ) -> Option<T> {
        if default.is_some() && !self.entries.contains_key(key) {
            self.asked.insert(key);
            return default;
        }
        let word = self.required_text(key, found)?;
        let choice = choices.iter().find(|(name, _)| *name == word.text).map(|(_, choice)| *choice);
        if choice.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            found.add(word.at, format!("`{key}` is {:?}, expected one of {}", word.text, names.join(", ")));
        }
        choice
    }

    pub fn flag(&mut self, key: &'static str, found: &mut Found) -> bool {
        let Some(value) = self.value(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            wrong_type(value, key, "true or false", found);
            false
        })
    }

    pub fn required_number(&mut self, key: &'static str, found: &mut Found) -> Option<(usize, usize)> {
        let Some(value) = self.value(key) else {
            found.add(self.at, format!("missing key `{key}`"));
            return None;
        };
        let number = value.get_ref().as_integer().and_then(|i| i.as_str().parse().ok().filter(|_| i.radix() == 10));
        if number.is_none() {
            wrong_type(value, key, "a whole number", found);
        }
        Some((number?, value.span().start))
    }

    /// One text or a list of texts.
    pub fn texts(&mut self, key: &'static str, found: &mut Found) -> Option<Vec<Word<'t>>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Array(items) => Some(items.iter().filter_map(|item| word(item, key, found)).collect()),
            _ => word(value, key, found).map(|word| vec![word]),
        }
    }

    /// A list of tables, at least one.
    pub fn tables(&mut self, key: &'static str, found: &mut Found) -> Vec<Table<'t>> {
        let Some(value) = self.value(key) else {
            found.add(self.at, format!("missing `{key}`, expected at least one"));
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            wrong_type(value, key, "a list of tables", found);
            return Vec::new();
        };
        if items.is_empty() {
            found.add(value.span().start, format!("`{key}` is empty, expected at least one"));
        }
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref().as_table() {
                Some(entries) => tables.push(Table::new(entries, item.span().start)),
                None => wrong_type(item, key, "a table", found),
            }
        }
        tables
    }

    /// Errors: keys that nobody asked for.
    pub fn finish(self, found: &mut Found) {
        for key in self.entries.keys().filter(|key| !self.asked.contains(key.get_ref().as_ref())) {
            let known: Vec<_> = self.asked.iter().copied().collect();
            let message = format!("unknown key `{}`, expected one of {}", key.get_ref(), known.join(", "));
            found.add(key.span().start, message);
        }
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.asked.insert(key);
        self.entries.get(key)
    }
}

fn word<'t>(value: &'t Spanned<DeValue<'t>>, key: &str, found: &mut Found) -> Option<Word<'t>> {
    let text = value.get_ref().as_str();
    if text.is_none() {
        wrong_type(value, key, "a text", found);
    }
    Some(Word { text: text?, at: value.span().start })
}

fn wrong_type(value: &Spanned<DeValue<'_>>, key: &str, expected: &str, found: &mut Found) {
    let message = format!("`{key}` is of type {}, expected {expected}", value.get_ref().type_str());
    found.add(value.span().start, message);
}
