//! The manual as a text: its pages, the fenced blocks and code spans on them, and the commands in those. Start with
//! [`pages`] and [`mistakes`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory, Parser};
use sluse::operator::cli::Cli;

/// A fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    pub page: String,
    /// Of its first line, from 1.
    pub line: usize,
    pub language: String,
    /// What stands behind the language.
    pub name: String,
    pub text: String,
}

/// README.md and every page of docs/, by path.
pub fn pages() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    pages
        .chain(["README.md".to_owned()])
        .map(|path| (path.clone(), fs::read_to_string(root.join(path)).unwrap()))
        .collect()
}

/// The fenced blocks of a page, as they stand; one within a list is moved to the left.
pub fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let (language, name) = info.trim().split_once(' ').unwrap_or((info.trim(), ""));
                let (language, name) = (language.to_owned(), name.to_owned());
                let block = Block { page: page.to_owned(), line: number + 1, language, name, text: String::new() };
                open = Some((block, line.len() - line.trim_start().len()));
            }
            (Some(_), Some(_)) => found.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                block.text += line.get(*indent..).unwrap_or("");
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    found
}

/// The page without its blocks.
fn prose(text: &str) -> String {
    let mut is_inside = false;
    let outside = |line: &&str| {
        let is_fence = line.trim_start().starts_with("```");
        is_inside ^= is_fence;
        !is_inside && !is_fence
    };
    text.lines().filter(outside).map(|line| format!("{line}\n")).collect()
}

/// What stands between single backticks outside the blocks; a span may go on in the next line.
pub fn spans(text: &str) -> Vec<String> {
    let paragraphs = prose(text).replace("\r", "");
    let spans = paragraphs.split("\n\n").flat_map(|paragraph| {
        let pieces: Vec<_> =
            paragraph.split('`').map(|piece| piece.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        pieces.into_iter().enumerate().filter(|(at, _)| at % 2 == 1).map(|(_, piece)| piece).collect::<Vec<_>>()
    });
    spans.collect()
}

/// The simple commands of a shell text, each as its words. Not a shell: what is within `$( )` is one word, and a
/// here-document's lines are words of no command that begins with `sluse`.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    let (mut quote, mut depth) = (None, 0_u32);
    let end = |word: &mut String, found: &mut Vec<Vec<String>>| {
        if !word.is_empty() {
            found.last_mut().expect("it begins with one").push(std::mem::take(word));
        }
    };
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\\') if chars.next_if_eq(&'\n').is_some() => {}
            (Some('\''), c) if c != '\'' => word.push(c),
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (_, '$') if chars.next_if_eq(&'(').is_some() => {
                depth += 1;
                word.push_str("$(");
            }
            (_, ')') if depth > 0 => depth -= 1,
            (_, _) if depth > 0 || quote.is_some() => word.push(c),
            (None, '#') if word.is_empty() => while chars.next_if(|c| *c != '\n').is_some() {},
            (None, '\n' | ';' | '|' | '&' | '<' | '>') => {
                // The number before a redirection is not an argument.
                if matches!(c, '<' | '>') && word.chars().all(|c| c.is_ascii_digit()) {
                    word.clear();
                }
                end(&mut word, &mut found);
                found.push(Vec::new());
            }
            (None, c) if c.is_whitespace() => end(&mut word, &mut found),
            (_, c) => word.push(c),
        }
    }
    end(&mut word, &mut found);
    found.into_iter().filter(|words| !words.is_empty()).collect()
}

/// Words that may stand before the program.
const BEFORE: &[&str] = &["until", "while", "if", "then", "do", "!", "$"];

/// The arguments of each call of the program in a block.
fn calls(block: &Block) -> Vec<Vec<String>> {
    let text = match block.language.as_str() {
        "sh" => block.text.clone(),
        // What was typed, and the commands that are shown to be copied.
        "console" => block.text.lines().filter(|line| is_call(line)).map(|line| format!("{line}\n")).collect(),
        _ => return Vec::new(),
    };
    let called = |words: Vec<String>| {
        let words: Vec<_> = words.into_iter().skip_while(|word| BEFORE.contains(&word.as_str())).collect();
        let called_by = match words.first()?.as_str() {
            "sudo" if words.get(2).is_some_and(|user| user == "sluse") => 3,
            "systemd-run" => words.iter().position(|word| word == "sluse")?,
            _ => 0,
        };
        let (program, arguments) = words.get(called_by..)?.split_first()?;
        (program == "sluse").then(|| arguments.to_vec())
    };
    commands(&text).into_iter().filter_map(called).collect()
}

fn is_call(line: &str) -> bool {
    line.starts_with("$ ") || (line.starts_with("  ") && line.trim_start().starts_with("sluse "))
}

/// What a shell would put in: a day for a day, a word for the rest.
fn filled_in(word: &str) -> String {
    match word {
        word if word.starts_with("$(date") => "2031-01-27".to_owned(),
        word => word.replace('$', ""),
    }
}

/// Stands in the table of exit statuses, for what is mistaken; tests/missing_store.rs calls it.
const SHOWN_AS_WRONG: &str = "sluse held --no-such-option";

/// Every call of the program that it would not understand, with its place.
pub fn mistakes(page: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks(page, text) {
        for arguments in calls(&block) {
            let filled = arguments.iter().map(|word| filled_in(word));
            if let Err(error) = Cli::try_parse_from(["sluse".to_owned()].into_iter().chain(filled))
                && error.use_stderr()
            {
                found.push(format!("{page}:{}: sluse {}: {error}", block.line, arguments.join(" ")));
            }
        }
    }
    let mut whole = Cli::command();
    whole.build();
    for span in spans(text).iter().filter(|span| span.starts_with("sluse ") && *span != SHOWN_AS_WRONG) {
        if let Some(unknown) = unknown(&whole, span) {
            found.push(format!("{page}: `{span}`: there is no {unknown}"));
        }
    }
    found
}

/// The first word of a call in a sentence that the program does not know: such a call may leave arguments out, have
/// placeholders in capital letters, and options in brackets.
fn unknown(whole: &Command, span: &str) -> Option<String> {
    let mut command = whole;
    for word in span.split([' ', '|', '\\']).skip(1).map(|word| word.trim_matches(['[', ']', '<', '>', ',', '…'])) {
        let is_placeholder = !word.chars().any(char::is_lowercase);
        if let Some(option) = word.strip_prefix("--") {
            let option = option.split('=').next().unwrap_or(option);
            let is_known = command.get_arguments().any(|argument| argument.get_long() == Some(option));
            if !is_known && whole.get_arguments().all(|argument| argument.get_long() != Some(option)) {
                return Some(format!("option {word}"));
            }
        } else if let Some(below) = command.find_subcommand(word) {
            command = below;
        } else if command.has_subcommands() && !is_placeholder && !word.is_empty() {
            return Some(format!("command {word}"));
        }
    }
    None
}

/// Links from page to page that lead nowhere.
pub fn dead_links(pages: &BTreeMap<String, String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut dead = Vec::new();
    for (page, text) in pages {
        let prose = prose(text);
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(page).parent().unwrap_or(Path::new(""));
            let path = if file.is_empty() { page.clone() } else { folder.join(file).display().to_string() };
            let is_there = match pages.get(&path) {
                Some(text) => anchor.is_empty() || anchors(text).contains(anchor),
                None => anchor.is_empty() && root.join(&path).exists(),
            };
            if !is_there {
                dead.push(format!("{page}: {target}"));
            }
        }
    }
    dead
}

/// What headings are called in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    prose(text).lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}
