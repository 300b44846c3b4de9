//! The order of the house: who may use whom, what the domain never touches, and how files look. The rules
//! are data here; `breaches` applies them to texts, so each rule is also shown to find its breach.

#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use source::{Source, after_words, identifiers, named_in, test_files};

/// Each room and the rooms that it may use. A room uses only earlier ones, so there is no cycle.
const ROOMS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("config", &["domain"]),
    ("durable", &[]),
    ("store", &["domain"]),
    ("outbox", &["domain", "durable"]),
    ("transport", &["domain"]),
    ("pipeline", &["domain", "durable", "store"]),
    ("engine", &["domain", "config", "durable", "store", "outbox", "transport", "pipeline"]),
    ("hub", &["domain", "transport"]),
    ("demo", &["domain", "config", "store", "engine", "hub"]),
    ("operator", &["domain", "config", "durable", "store", "outbox", "transport", "pipeline", "engine", "hub", "demo"]),
];

/// The domain is given time, randomness and bytes; it fetches none of them.
const NOT_IN_DOMAIN_STD: &[&str] = &["fs", "net", "io", "env", "process", "thread"];
const NOT_IN_DOMAIN: &[&str] = &["tokio", "async", "await", "rand", "new_v4", "Instant", "SystemTime", "rustix"];
const NOT_IN_DOMAIN_PATHS: &[(&str, &str)] = &[("Timestamp", "now"), ("Zoned", "now")];

/// Words that say nothing about what a thing is.
const EMPTY_WORDS: &[&str] = &["manager", "helper", "helpers", "util", "utils"];
const EMPTY_VERBS: &[&str] = &["handle_", "process_", "do_"];

/// The one place where tests wait: it asks for a state again and again, with a limit.
const WAITING_PLACE: &str = "tests/rig/wait.rs";

/// What stands outside the program: all of it is as a test is.
const OUTSIDE: &[&str] = &["tests/", "benches/"];

/// A file that one can hold in the head; tests beside the code come on top.
const CODE_LINES_MAX: usize = 500;
const FILE_LINES_MAX: usize = 1000;

/// Words that belong on a desk and not into the project. In two pieces, or this file would hold them.
const DESK_WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
const DESK: &str = concat!("/wo", "rk");

/// `path:line: what is wrong`, for all files together. Paths are relative to the project.
fn breaches(files: &BTreeMap<String, String>) -> Vec<String> {
    let tests = test_files(files);
    let mut found = Vec::new();
    for (path, text) in files {
        let mut say = |line: usize, what: String| found.push(format!("{path}:{line}: {what}"));
        desk_words(text, &mut say);
        if !path.ends_with(".rs") {
            continue;
        }
        let is_test = OUTSIDE.iter().any(|folder| path.starts_with(folder)) || tests.contains(path);
        let source = Source::new(text, is_test);
        shape(path, text, &source, &mut say);
        names(path, &source, &mut say);
        if let Some(inside) = path.strip_prefix("src/") {
            layers(inside, &source.code, &mut say);
        }
        let sleeps = identifiers(&source.tests).filter(|(_, word)| *word == "sleep" && path != WAITING_PLACE);
        for (line, word) in sleeps {
            say(line, format!("a test waits for a state, with a limit, and does not {word}"));
        }
    }
    found
}

fn desk_words(text: &str, say: &mut impl FnMut(usize, String)) {
    for (index, line) in text.lines().enumerate() {
        for word in DESK_WORDS.iter().filter(|word| line.contains(**word)) {
            say(index + 1, format!("{word} is not for those who come after"));
        }
        let mut paths = line.match_indices(DESK).map(|(at, _)| line[at + DESK.len()..].chars().next());
        if paths.any(|next| !next.is_some_and(char::is_alphanumeric)) {
            say(index + 1, format!("{DESK} is a place that nobody else has"));
        }
    }
}

fn shape(path: &str, text: &str, source: &Source, say: &mut impl FnMut(usize, String)) {
    if !text.starts_with("//!") {
        say(1, "does not open with //! and what it is for".to_owned());
    }
    let lines = text.lines().count();
    let code = text.lines().zip(source.tests.lines().chain(std::iter::repeat(""))).filter(|(_, t)| t.trim().is_empty());
    let code = if OUTSIDE.iter().any(|folder| path.starts_with(folder)) { 0 } else { code.count() };
    if code > CODE_LINES_MAX {
        say(1, format!("has {code} lines beside its tests, at most {CODE_LINES_MAX} can be held in the head"));
    }
    if lines > FILE_LINES_MAX {
        say(1, format!("has {lines} lines, at most {FILE_LINES_MAX}"));
    }
}

fn names(path: &str, source: &Source, say: &mut impl FnMut(usize, String)) {
    for code in [&source.code, &source.tests] {
        for declared in after_words(code, &["fn", "struct", "enum", "trait", "mod", "type", "const", "static"]) {
            if let Some(word) = empty_word(&declared.name) {
                say(declared.line, format!("`{}`: {word} says nothing", declared.name));
            }
        }
        for function in after_words(code, &["fn"]) {
            if EMPTY_VERBS.iter().any(|verb| function.name.starts_with(verb)) {
                say(function.line, format!("`{}` does not say what is done", function.name));
            }
        }
    }
    for part in path.trim_end_matches(".rs").split('/') {
        if let Some(word) = empty_word(part) {
            say(1, format!("the path: {word} says nothing"));
        }
    }
}

/// The word in a name, written in either way, that says nothing.
fn empty_word(name: &str) -> Option<&'static str> {
    let mut apart = String::new();
    for c in name.chars() {
        if c.is_uppercase() {
            apart.push('_');
        }
        apart.extend(c.to_lowercase());
    }
    EMPTY_WORDS.iter().copied().find(|word| apart.split('_').any(|part| part == *word))
}

/// `inside`: the path below `src`.
fn layers(inside: &str, code: &str, say: &mut impl FnMut(usize, String)) {
    let module: Vec<&str> = inside.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
    if matches!(module[..], ["lib"] | ["main"]) {
        return;
    }
    let Some((room, allowed)) = ROOMS.iter().find(|(room, _)| *room == module[0]) else {
        say(1, format!("the room {} is not in the plan", module[0]));
        return;
    };
    // `super` as often as the module is deep leads out of the room.
    let supers = vec!["super"; module.len()].join("::");
    for used in named_in(code, "crate").into_iter().chain(named_in(code, &supers)) {
        let is_room = ROOMS.iter().any(|(name, _)| *name == used.name);
        if is_room && used.name != *room && !allowed.contains(&used.name.as_str()) {
            say(used.line, format!("{room} may not use {}", used.name));
        }
    }
    if *room != "domain" {
        return;
    }
    for used in named_in(code, "std").into_iter().filter(|used| NOT_IN_DOMAIN_STD.contains(&used.name.as_str())) {
        say(used.line, format!("the domain may not use std::{}", used.name));
    }
    for (line, word) in identifiers(code).filter(|(_, word)| NOT_IN_DOMAIN.contains(word)) {
        say(line, format!("the domain may not use {word}"));
    }
    for (root, name) in NOT_IN_DOMAIN_PATHS {
        for used in named_in(code, root).into_iter().filter(|used| used.name == *name) {
            say(used.line, format!("the domain may not use {root}::{name}"));
        }
    }
}

/// Every text of the project, by its path.
fn project() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = BTreeMap::new();
    let open = ["src", "tests", "benches", "fuzz/bodies.rs", "fuzz/targets", "config", "docs", "systemd", "README.md"];
    let mut open = open.iter().chain(&["Cargo.toml"]).map(|path| root.join(path)).collect::<Vec<_>>();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder of the project").map(|e| e.expect("an entry").path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.insert(path.strip_prefix(root).unwrap_or(&path).display().to_string(), text);
        }
    }
    files
}

#[test]
fn the_house_is_tidy() {
    let files = project();

    let found = breaches(&files);

    assert!(files.len() > 10, "only {} files were found", files.len());
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn no_room_uses_a_later_one() {
    let mut earlier = BTreeSet::new();
    for (room, allowed) in ROOMS {
        assert!(allowed.iter().all(|used| earlier.contains(used)), "{room}");
        earlier.insert(*room);
    }
}

/// A file and the breaches that are planted in it.
fn planted(path: &str, text: &str) -> Vec<String> {
    breaches(&BTreeMap::from([(path.to_owned(), text.to_owned())]))
}

#[test]
fn every_breach_is_found_in_its_line() {
    let long = format!("//! x\n{}", "fn f() {}\n".repeat(CODE_LINES_MAX));
    let desk = format!("//! x\n// see {DESK}/notes\n// {}: more\n", DESK_WORDS[0]);
    for (path, text, expected) in [
        ("src/domain/a.rs", "//! x\nuse std::fs;\n", "src/domain/a.rs:2: the domain may not use std::fs"),
        ("src/domain/a.rs", "//! x\nuse std::{fmt, io::Read};\n", "src/domain/a.rs:2: the domain may not use std::io"),
        ("src/domain/a.rs", "//! x\n\nasync fn f() {}\n", "src/domain/a.rs:3: the domain may not use async"),
        (
            "src/domain/a.rs",
            "//! x\nfn f() { Timestamp::now(); }\n",
            "src/domain/a.rs:2: the domain may not use Timestamp::now",
        ),
        (
            "src/domain/a.rs",
            "//! x\nuse std::time::{Duration, Instant};\n",
            "src/domain/a.rs:2: the domain may not use Instant",
        ),
        ("src/domain/a.rs", "//! x\nuse super::super::store;\n", "src/domain/a.rs:2: domain may not use store"),
        ("src/store/mod.rs", "//! x\nuse crate::engine::Engine;\n", "src/store/mod.rs:2: store may not use engine"),
        ("src/store/mod.rs", "//! x\nuse super::engine;\n", "src/store/mod.rs:2: store may not use engine"),
        (
            "src/config/a.rs",
            "//! x\nuse crate::{\n    domain::{a, b},\n    store,\n};\n",
            "src/config/a.rs:2: config may not use store",
        ),
        ("src/hub/a.rs", "//! x\nfn f(x: crate::config::X) {}\n", "src/hub/a.rs:2: hub may not use config"),
        ("src/attic.rs", "//! x\n", "src/attic.rs:1: the room attic is not in the plan"),
        ("src/store/a.rs", "use x;\n", "src/store/a.rs:1: does not open with //! and what it is for"),
        ("src/store/a.rs", "//! x\nstruct SpoolManager;\n", "src/store/a.rs:2: `SpoolManager`: manager says nothing"),
        ("src/store/utils.rs", "//! x\n", "src/store/utils.rs:1: the path: utils says nothing"),
        ("src/store/a.rs", "//! x\nfn handle_it() {}\n", "src/store/a.rs:2: `handle_it` does not say what is done"),
        (
            "src/store/a.rs",
            &long,
            "src/store/a.rs:1: has 501 lines beside its tests, at most 500 can be held in the head",
        ),
        (
            "src/store/a.rs",
            "//! x\n#[cfg(test)]\nmod tests {\n    fn f() { thread::sleep(x); }\n}\n",
            "src/store/a.rs:4: a test waits for a state, with a limit, and does not sleep",
        ),
        (
            "benches/a/b.rs",
            "//! x\nfn f() { sleep(x) }\n",
            "benches/a/b.rs:2: a test waits for a state, with a limit, and does not sleep",
        ),
        (
            "tests/a.rs",
            "//! x\nfn f() { sleep(x) }\n",
            "tests/a.rs:2: a test waits for a state, with a limit, and does not sleep",
        ),
    ] {
        assert_eq!(planted(path, text), [expected], "{path}: {text}");
    }
    assert_eq!(planted("docs/a.md", &desk).len(), 2);
}

#[test]
fn what_only_looks_like_a_breach_is_none() {
    let innocent = r####"//! The domain never uses std::fs, tokio or Timestamp::now.
use std::{fmt, time::Duration};
use crate::domain::identity::Route;
/* async /* nested */ rand:: */
const TEXT: &str = "std::fs and \" crate::engine";
const RAW: &str = r#"crate::store " tokio"#;
const QUOTES: [char; 3] = ['"', '\'', '\u{22}'];
fn f<'a>(operand: &'a str, brand: u8) -> &'a str { operand }
#[cfg(test)]
#[allow(dead_code)]
mod tests {
    use std::fs;
    use crate::store::Store;
    fn f() { if x { y } }
}
const AFTER: u8 = 0;
#[cfg(test)]
mod proofs;
"####;
    let files = BTreeMap::from([
        ("src/domain/a.rs".to_owned(), innocent.to_owned()),
        ("src/domain/a/proofs.rs".to_owned(), "//! x\nuse std::fs;\nuse crate::engine;\n".to_owned()),
        ("src/lib.rs".to_owned(), "//! x\npub mod domain;\npub mod engine;\n".to_owned()),
        ("src/engine/mod.rs".to_owned(), "//! x\nfn pause() { sleep(x) }\nuse tokio_util::x;\n".to_owned()),
        ("docs/a.md".to_owned(), format!("a net{}, {}s\n", &DESK[1..], DESK)),
    ]);

    assert_eq!(breaches(&files), Vec::<String>::new());
}

#[test]
fn code_behind_a_test_module_is_looked_at_again() {
    let text = "//! x\n#[cfg(test)]\nmod tests { fn f() {} }\nuse std::fs;\n";

    assert_eq!(planted("src/domain/a.rs", text), ["src/domain/a.rs:4: the domain may not use std::fs"]);
}
