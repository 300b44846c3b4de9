//! The page of log messages and the code say the same: every info, warning and error line of the source is on the page
//! with its level, its meaning and what to do, and nothing else is.

#[path = "../examples/package/messages.rs"]
mod messages;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use messages::documented;

const LEVELS: [&str; 3] = ["info", "warn", "error"];

/// A log line of the source: its level, its sentence, and where it stands.
type Line = (String, String, String);

/// Every call of a tracing macro in this source; the tests at its end are left out.
fn logged(path: &str, source: &str) -> Vec<Line> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    for level in LEVELS {
        let call = format!("{level}!(");
        for (at, _) in code.match_indices(&call) {
            let is_comment = code[..at].rsplit('\n').next().is_some_and(|line| line.trim_start().starts_with("//"));
            let is_other_name = code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
            if is_comment || is_other_name {
                continue;
            }
            let sentence = last_text(&code[at + call.len()..]).unwrap_or_else(|| "no sentence".to_owned());
            found.push((level.to_owned(), sentence, path.to_owned()));
        }
    }
    found
}

/// The last string literal among a call's own arguments, which begin here.
fn last_text(arguments: &str) -> Option<String> {
    let (mut at, mut depth, mut last) = (0, 1, None);
    while depth > 0 {
        let sign = arguments[at..].chars().next()?;
        match sign {
            '"' => {
                let end = at + 1 + end_of_text(&arguments[at + 1..])?;
                if depth == 1 {
                    last = Some(unescaped(&arguments[at + 1..end]));
                }
                at = end;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += sign.len_utf8();
    }
    last
}

/// Where a string literal ends whose opening quote stands before this.
fn end_of_text(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, sign)| {
        let ends = sign == '"' && !is_escaped;
        is_escaped = sign == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// A literal may go on in the next line behind a backslash.
fn unescaped(literal: &str) -> String {
    let mut lines = literal.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, line| text + line.trim_start())
}

fn all_logged() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![root.join("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path).expect("a folder of the source").map(|entry| entry.expect("an entry").path()),
            );
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).expect("a file of the source");
            found.extend(logged(&path.strip_prefix(root).unwrap_or(&path).display().to_string(), &source));
        }
    }
    found
}

#[test]
fn every_line_that_is_logged_is_explained_and_nothing_else_is() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/log-messages.md")).expect("the page");
    let documented = documented(&page);
    let logged = all_logged();
    assert!(logged.len() > 50, "only {} log lines were found in the source", logged.len());

    let told: BTreeSet<_> = documented.iter().map(|row| (row.level.clone(), row.sentence.clone())).collect();
    let said: BTreeSet<_> = logged.iter().map(|(level, sentence, _)| (level.clone(), sentence.clone())).collect();
    let untold = logged.iter().filter(|(level, sentence, _)| !told.contains(&(level.clone(), sentence.clone())));
    let untold: Vec<_> = untold.map(|(level, sentence, path)| format!("{path}: {level} | {sentence}")).collect();
    assert!(untold.is_empty(), "not on the page:\n{}", untold.join("\n"));
    for (_, sentence, path) in &logged {
        assert!(!sentence.contains('{'), "{path}: a sentence stays the same, values are fields: {sentence}");
        assert!(!sentence.ends_with('.'), "{path}: {sentence}");
    }
    let silent: Vec<_> = told.iter().filter(|row| !said.contains(*row)).collect();
    assert!(silent.is_empty(), "nothing logs these any more: {silent:?}");
    assert_eq!(told.len(), documented.len(), "a message stands on the page twice");
    for row in &documented {
        assert!(row.meaning.ends_with('.') && !row.what_to_do.is_empty(), "{row:?}");
    }
}

#[test]
fn a_line_is_found_however_it_is_written() {
    let source = r##"
fn f() {
    info!("plain");
    tracing::warn!(name = %of("(odd \" name"), ?left, "with fields");
    error!(
        why = first(&["a", "b"]), "in \
                                   two lines",
    );
    // info!("a comment");
    my_info!("another macro");
}
#[cfg(test)]
mod tests { fn f() { info!("of a test"); } }
"##;

    let found: Vec<_> = logged("a.rs", source).into_iter().map(|(level, sentence, _)| (level, sentence)).collect();

    let expected = [("info", "plain"), ("warn", "with fields"), ("error", "in two lines")];
    assert_eq!(found, expected.map(|(level, sentence)| (level.to_owned(), sentence.to_owned())));
}
