//! Rust text as the rules need it: code without comments and literals, tests told from the rest, and the
//! paths that it names. Knows just enough of the language for that; it is no parser.

use std::collections::{BTreeMap, BTreeSet};

/// One file, each part with its lines in their places and blanks where something was left out.
pub struct Source {
    /// Code that is built into the program.
    pub code: String,
    /// Code that is built for tests only.
    pub tests: String,
}

/// A name with its line, from 1.
pub struct Found {
    pub line: usize,
    pub name: String,
}

impl Source {
    /// `is_test`: the file as a whole is test code.
    pub fn new(text: &str, is_test: bool) -> Source {
        let bare = without_comments_and_literals(text);
        if is_test || bare.iter().collect::<String>().contains("#![cfg(test)]") {
            return Source { code: String::new(), tests: bare.into_iter().collect() };
        }
        let mut code = bare.clone();
        let mut tests = blanked(&bare, 0..bare.len());
        for range in test_items(&bare) {
            tests[range.clone()].copy_from_slice(&bare[range.clone()]);
            let blank = blanked(&bare, range.clone());
            code[range].copy_from_slice(&blank);
        }
        Source { code: code.into_iter().collect(), tests: tests.into_iter().collect() }
    }
}

/// Files that a `#[cfg(test)] mod name;` of another file declares.
pub fn test_files(files: &BTreeMap<String, String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (path, text) in files {
        let tests = Source::new(text, path.starts_with("tests/")).tests;
        let folder = path.strip_suffix("mod.rs").or(path.strip_suffix("lib.rs")).map(str::to_owned);
        let folder = folder.unwrap_or_else(|| format!("{}/", path.trim_end_matches(".rs")));
        for module in after_words(&tests, &["mod"]) {
            found.insert(format!("{folder}{}.rs", module.name));
            found.insert(format!("{folder}{}/mod.rs", module.name));
        }
    }
    found
}

/// The names that are declared, by the word before them: `fn`, `struct`, `mod`, …
pub fn after_words(code: &str, words: &[&str]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut last = "";
    for (line, word) in identifiers(code) {
        if words.contains(&last) {
            found.push(Found { line, name: word.to_owned() });
        }
        last = word;
    }
    found
}

/// Identifiers and keywords with their lines, in order.
pub fn identifiers(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(index, line)| {
        let words = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        words.map(move |word| (index + 1, word))
    })
}

/// What is named right behind `root::`, also in a group: `crate::{store, domain::x}` gives store and domain.
pub fn named_in(code: &str, root: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (start, _) in code.match_indices(root) {
        let before = code[..start].chars().next_back();
        let rest = &code[start + root.len()..];
        let Some(path) = rest.trim_start().strip_prefix("::") else { continue };
        if before.is_some_and(is_word) {
            continue;
        }
        let line = code[..start].lines().count().max(1) + usize::from(code[..start].ends_with('\n'));
        found.extend(first_names(path.trim_start()).into_iter().map(|name| Found { line, name }));
    }
    found
}

/// The first name of a path, or of each path in a group.
fn first_names(path: &str) -> Vec<String> {
    let word = |text: &str| text.trim_start().chars().take_while(|c| is_word(*c)).collect::<String>();
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let mut names = vec![word(group)];
    let mut depth = 1;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(word(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Blanks for everything but line ends.
fn blanked(text: &[char], range: std::ops::Range<usize>) -> Vec<char> {
    text[range].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }).collect()
}

fn without_comments_and_literals(text: &str) -> Vec<char> {
    let source: Vec<char> = text.chars().collect();
    let mut bare = source.clone();
    let mut at = 0;
    while at < source.len() {
        let end = skipped_from(&source, at);
        if end > at {
            let blank = blanked(&source, at..end);
            bare[at..end].copy_from_slice(&blank);
            at = end;
        } else {
            at += 1;
        }
    }
    bare
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn skipped_from(source: &[char], at: usize) -> usize {
    let rest = &source[at..];
    let end_of = |found: Option<usize>| found.map_or(source.len(), |length| at + length);
    match rest {
        ['/', '/', ..] => end_of(rest.iter().position(|c| *c == '\n')),
        ['/', '*', ..] => {
            let mut depth = 0;
            let mut i = 0;
            while i < rest.len() {
                match (rest[i], rest.get(i + 1)) {
                    ('/', Some('*')) => (depth, i) = (depth + 1, i + 2),
                    ('*', Some('/')) => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    return at + i;
                }
            }
            source.len()
        }
        ['r', '#' | '"', ..] if !is_in_word(source, at) => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            if rest.get(1 + hashes) != Some(&'"') {
                return at;
            }
            let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let body = 2 + hashes;
            let length = rest[body..].windows(closing.len()).position(|window| window == closing);
            end_of(length.map(|length| body + length + closing.len()))
        }
        ['"', ..] => {
            let mut i = 1;
            while i < rest.len() && rest[i] != '"' {
                i += if rest[i] == '\\' { 2 } else { 1 };
            }
            source.len().min(at + i + 1)
        }
        ['\'', '\\', _, ..] => end_of(rest[3..].iter().position(|c| *c == '\'').map(|length| length + 4)),
        ['\'', _, '\'', ..] => at + 3,
        _ => at,
    }
}

/// A letter inside a word, but not the `r` of `br"…"`.
fn is_in_word(source: &[char], at: usize) -> bool {
    let before = |n: usize| at.checked_sub(n).and_then(|i| source.get(i)).copied();
    match before(1) {
        Some('b' | 'c') => before(2).is_some_and(is_word),
        other => other.is_some_and(is_word),
    }
}

/// The items behind `#[cfg(test)]` (and `#[cfg(all(test, …))]`), with their attributes.
fn test_items(bare: &[char]) -> Vec<std::ops::Range<usize>> {
    let starts_with = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| bare.get(at + i) == Some(&c));
    let mut items = Vec::new();
    let mut at = 0;
    while at < bare.len() {
        if starts_with(at, "#[cfg(test)]") || starts_with(at, "#[cfg(all(test") {
            let end = end_of_item(bare, at);
            items.push(at..end);
            at = end;
        } else {
            at += 1;
        }
    }
    items
}

/// Behind the `;` or the closing brace of the item whose attributes begin at `start`.
fn end_of_item(bare: &[char], start: usize) -> usize {
    let (mut braces, mut others) = (0_usize, 0_usize);
    for (at, c) in bare.iter().enumerate().skip(start) {
        match c {
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 && others == 0 {
                    return at + 1;
                }
            }
            '(' | '[' => others += 1,
            ')' | ']' => others = others.saturating_sub(1),
            ';' if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    bare.len()
}
