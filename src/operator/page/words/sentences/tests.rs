//! Danish for every sentence that the engine can say: of each fact, state, next step, reason to hold and advice. What the
//! code says is taken from the code, so that a new sentence without its Danish is found here.

use super::*;
use crate::operator::held;
use crate::operator::sentence::{self, Around};
use crate::operator::tests::{every_fact, held_items, story};

fn danish_of(english: &str) -> Said {
    Said::of(Language::Danish, english)
}

/// What a far side or a system said, which is told as it was said.
const OTHERS_WORDS: &[&str] = &["connection lost while renaming", "connection lost while writing it"];

fn assert_is_danish(english: &str) {
    let ours =
        OTHERS_WORDS.iter().fold(english.to_owned(), |text, words| text.replace(words, "far side not reachable: x"));
    let said = danish_of(&ours);
    assert!(!said.is_foreign(), "no Danish for {english:?}: {said}");
}

/// The text literals between two places of a source file, joined as the compiler joins them, with something in the place
/// of what is put in.
fn literals(source: &str, from: &str, to: &str) -> Vec<String> {
    let begin = source.find(from).expect("the place is there");
    let end = begin + source[begin..].find(to).expect("the place is there");
    let parts: Vec<&str> = source[begin..end].split('"').collect();
    let inside = parts.iter().skip(1).step_by(2);
    inside.map(|literal| filled(&literal.split("\\\n").map(str::trim_start).collect::<String>())).collect()
}

fn filled(literal: &str) -> String {
    let mut text = String::new();
    let mut rest = literal;
    while let Some((before, after)) = rest.split_once('{') {
        let (_, behind) = after.split_once('}').expect("a place ends");
        text += before;
        text += "1,234.50";
        rest = behind;
    }
    text + rest
}

#[test]
fn every_fact_is_told_in_danish() {
    for fact in every_fact() {
        assert_is_danish(&sentence::of(&fact, Around::default()));
    }
    let mut before = None;
    for entry in &story().entries {
        if let Some(fact) = &entry.fact {
            assert_is_danish(&sentence::of(fact, Around { before: before.as_ref(), recovered: None }));
        }
        before = crate::operator::explain::after(before, &story(), entry);
    }
}

#[test]
fn every_part_of_a_sentence_about_a_person_is_told_in_danish() {
    let source = include_str!("../../../sentence.rs");
    for what in ["fn set_aside(", "fn refused("] {
        for literal in literals(source, what, "\n}\n").iter().filter(|literal| literal.contains(' ')) {
            // A part that only ever stands behind another
            let literal = match literal.strip_prefix(';') {
                Some(_) => format!("refused the reply x{literal}"),
                None => literal.clone(),
            };
            assert_is_danish(&literal);
        }
    }
}

#[test]
fn every_state_and_every_next_step_is_told_in_danish() {
    let source = include_str!("../../../../domain/exchange/mod.rs");
    let mut told = literals(source, "pub fn name(&self)", "\n    }\n");
    told.extend(literals(source, "fn next_step(&self) -> &'static str", "\n    }\n"));
    told.extend(literals(source, "pub fn state_name(&self)", "\n    }\n"));
    assert!(told.len() > 35, "{told:?}");
    let (state, next) = crate::operator::status::NO_QUERY;
    told.extend([state, next, crate::operator::status::NOTHING_TAKEN].map(str::to_owned));
    told.push(crate::engine::snapshot::NOTHING_BY_ITSELF.to_owned());

    for english in told {
        assert_is_danish(&english);
    }
}

#[test]
fn every_reason_to_wait_for_a_person_and_every_advice_is_told_in_danish() {
    let source = include_str!("../../../../domain/exchange/hold.rs");
    let mut reasons = literals(source, "pub enum HoldReason", "\nimpl HoldReason");
    reasons.retain(|literal| literal.contains(' '));
    assert!(reasons.len() >= 20, "{reasons:?}");
    reasons.iter().for_each(|reason| assert_is_danish(reason));
    for item in held_items() {
        assert_is_danish(held::advice(&item));
        item.reasons.iter().for_each(|reason| assert_is_danish(reason));
    }
}

#[test]
fn several_reasons_in_one_text_are_each_told_and_what_is_not_known_says_that_it_is_english() {
    let reasons = "the trigger was tried 3 times and never made; look at the far side before it goes on; something new; the \
                   reply ends all 1,234 agreements of the register";

    let said = danish_of(reasons);

    assert_eq!(
        said.to_string(),
        "triggeren er forsøgt 3 gange og aldrig lavet; se efter hos modparten, før det går videre; \
         <span lang=\"en\">something new</span>; svaret afslutter alle 1.234 aftaler i registret"
    );
    assert_eq!(Said::of(Language::English, reasons).to_string(), reasons);
}

#[test]
fn names_stay_as_they_are_and_are_escaped_and_a_sentence_gets_its_capital_and_its_stop() {
    let said =
        danish_of("the inbox already holds a file named <b>1.5.txt, and nothing is ever written over").sentence();

    assert_eq!(
        said.to_string(),
        "Inbox har allerede en fil ved navn &#60;b&#62;1.5.txt, og intet overskrives nogensinde."
    );
    assert_eq!(danish_of("1,234 bytes").text(), "1.234 byte");
}

#[test]
fn a_command_in_a_sentence_is_shown_as_one_and_nothing_else_is() {
    let in_danish = danish_of("a receipt, a reply or a person (`sluse settle`) says whether the trigger was made");
    assert!(in_danish.to_string().contains("(<code>sluse settle</code>)"), "{in_danish}");

    // In English inside Danish, and put together from pieces
    let foreign = danish_of("nobody has translated `a < b` yet");
    assert_eq!(foreign.to_string(), "<span lang=\"en\">nobody has translated <code>a &#60; b</code> yet</span>");
    let pieces = Said::plain("see `sluse explain ").then(Said::plain("0751")).then(Said::plain("`"));
    assert_eq!(pieces.to_string(), "see <code>sluse explain 0751</code>");
    // A mark alone, and one that would reach over a foreign piece, stay what they are
    assert_eq!(Said::plain("file a`b").to_string(), "file a`b");
    let over = Said::plain("a `").then(foreign).then(Said::plain("`"));
    assert!(!over.to_string().contains("<code>"), "{over}");
}
