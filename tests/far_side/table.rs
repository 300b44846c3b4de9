//! The manual's table of what may come from the far side, as the test run has seen it: `docs/far-side.md`.

use std::fs;
use std::path::Path;

/// One line: what came, what became of it, and what a person does.
pub struct Line {
    pub comes: &'static str,
    /// The state's name, or where the file stays.
    pub state: String,
    /// As Sluse says it, ids replaced.
    pub sentence: String,
    pub person: &'static str,
}

const OPENING: &str = "\
# What may come from the far side

IN is shared, and what lies there may be late, doubled, cut, for somebody else, or made to do harm. For everything that we
could think of there is one outcome. Three rules hold throughout:

- What is not understood stays where it is. Nothing in IN is deleted but what the journal owns and the archive holds, byte
  for byte.
- What is not beyond doubt waits for a person, and the register stays as it was. The copy in the archive is kept, whatever
  the person decides.
- Only a bounded part of anything is read: 64 KiB of metadata or a receipt, 2 GB of a reply.

**not taken**: the file lies in IN, and `sluse status` shows it with the sentence (\"cannot be taken: …\"). It is looked at again
as soon as its size changes, and at every tenth poll. **left alone**: it counts among the files for others. Every other word is
a state of the exchange; `sluse explain` tells its story.

A receipt that says success and error at once counts as an error: the hub complains of something, and a person finds out of what. If
it has taken the query all the same, its reply is held as one that nobody asked for, and can be approved.

What stands here was seen in tests against a real OpenSSH server.
";

/// Compares with the manual, or writes it where `SLUSE_UPDATE` is set.
pub fn assert_is_the_manuals(chapters: &[(&str, Vec<Line>)]) {
    let mut made = OPENING.to_owned();
    for (heading, lines) in chapters {
        made += &format!("\n## {heading}\n\n| what comes | what it is then | what Sluse says | what a person does |\n");
        made += "|---|---|---|---|\n";
        for Line { comes, state, sentence, person } in lines {
            made += &format!("| {comes} | **{state}** | {} | {person} |\n", sentence.replace('|', "\\|"));
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/far-side.md");
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    for (is, should_be) in made.lines().zip(kept.lines()) {
        assert_eq!(is, should_be, "docs/far-side.md; SLUSE_UPDATE=1 cargo test --test far_side writes it anew");
    }
    assert_eq!(made, kept, "docs/far-side.md; SLUSE_UPDATE=1 cargo test --test far_side writes it anew");
}

/// Every UUID replaced, as it is another in each run, and the byte of a document, as it moves with the user's name.
pub fn without_ids(text: &str) -> String {
    const BYTE: &str = " at byte ";
    let mut said = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let id = rest.get(..uuid::fmt::Hyphenated::LENGTH).filter(|piece| uuid::Uuid::try_parse(piece).is_ok());
        if let Some(id) = id {
            said.push('…');
            rest = &rest[id.len()..];
        } else if let Some(behind) = rest.strip_prefix(BYTE) {
            said.push_str(BYTE);
            said.push('…');
            rest = behind.trim_start_matches(|c: char| c.is_ascii_digit());
        } else {
            said.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    said
}
