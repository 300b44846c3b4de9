//! Danish for every sentence that the engine can say: of each fact, state, next step, reason to hold and advice. What the
//! code says is taken from the code, so that a new sentence without its Danish is found here.

use super::*;
use crate::engine::concern::ConcernKind;
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
        // What may be a sentence itself is to have its Danish, too.
        text += "held";
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

/// Of each source that makes concerns, where the first and behind the last sentence stands, and how many there are.
const CONCERNS: [(&str, &str, &str, usize); 5] = [
    (include_str!("../../../../engine/desk/concerns.rs"), "fn of_open(", "#[cfg(test)]", 50),
    (include_str!("../../../../engine/restored.rs"), "fn concern(", "command:", 2),
    (include_str!("../../../../engine/alarm.rs"), "the engine has not turned", "..Concern", 2),
    (include_str!("../../../alarm.rs"), "fn notice(", "\n}\n", 4),
    (include_str!("../../../../engine/alarm/refusal.rs"), "fn of_certificate(", "\n}\n", 6),
];

#[test]
fn every_sentence_of_an_alarm_is_told_in_danish() {
    for (source, from, to, least) in CONCERNS {
        let line = source.find(from).and_then(|at| source[..at].rfind('\n')).expect("the place is there");
        let mut told = literals(&source[line..], "\n", to);
        told.retain(|literal| literal.contains(' '));
        assert!(told.len() >= least, "{}: {told:?}", told.len());
        // Commands are the same in every language; a municipality's name, or a reason behind a colon, is only ever put in.
        told.retain(|literal| {
            !["explain held", "status held", "alarm test", ": held", "held held"].contains(&&**literal)
        });
        let missing: Vec<String> = told.into_iter().filter(|english| danish_of(english).is_foreign()).collect();
        assert!(missing.is_empty(), "no Danish for {missing:#?}");
    }
}

/// An alarm of each kind as the engine says it, and as the Danish page does.
const OF_EACH_KIND: [(ConcernKind, &str, &str); 22] = [
    (
        ConcernKind::Query,
        "the query of 0751 Aarhus (exchange 3f0f9a2e) for payment date 2026-12-30 is held and not sent, it was due by \
         2026-12-28 12:00",
        "Forespørgslen fra 0751 Aarhus (udveksling 3f0f9a2e) for betalingsdatoen 2026-12-30 er holdt tilbage og ikke sendt, \
         den skulle være sendt inden 2026-12-28 12:00.",
    ),
    (
        ConcernKind::Receipt,
        "the hub's receipt for 0751 Aarhus (exchange 3f0f9a2e) has not come, and is expected by 2026-12-01 16:15",
        "Hubbens kvittering til 0751 Aarhus (udveksling 3f0f9a2e) er ikke kommet, og ventes inden 2026-12-01 16:15.",
    ),
    (
        ConcernKind::Reply,
        "the reply for 0751 Aarhus (exchange 3f0f9a2e) has not come, and was expected by 2026-12-01 16:15",
        "Svaret til 0751 Aarhus (udveksling 3f0f9a2e) er ikke kommet, og var ventet inden 2026-12-01 16:15.",
    ),
    (
        ConcernKind::Poll,
        "IN of endpoint hub could not be listed since 2026-12-01 16:15: far side not reachable: connection refused",
        "IN hos modparten hub har ikke kunnet læses siden 2026-12-01 16:15: modparten kan ikke nås: connection refused.",
    ),
    (
        ConcernKind::HostKey,
        "endpoint hub: the server shows another host key than the settings have, and nothing was sent to it: found SHA256:a \
         (ED25519), pinned SHA256:b, SHA256:c. Ask the operator of the far side, by telephone, whether the found one is its \
         new key; if so, it goes into host_keys beside the old one",
        "Modpart hub: serveren viser en anden værtsnøgle end indstillingernes, og intet blev sendt til den: fundet SHA256:a \
         (ED25519), kendt SHA256:b, SHA256:c. Spørg modpartens driftsansvarlige i telefonen, om den fundne er deres nye \
         nøgle; er den det, skrives den i host_keys ved siden af den gamle.",
    ),
    (ConcernKind::Login, "endpoint hub: login refused: for KY", "Modpart hub: login afvist: for KY."),
    (
        ConcernKind::Held,
        "a reply of 0751 Aarhus (exchange 3f0f9a2e) is held: the reply ends all 1,203 agreements of the register",
        "Et svar fra 0751 Aarhus (udveksling 3f0f9a2e) holdes tilbage: svaret afslutter alle 1.203 aftaler i registret.",
    ),
    (
        ConcernKind::InDoubt,
        "whether the trigger of 0751 Aarhus (exchange 3f0f9a2e) was made is unknown: no answer from the far side, so the \
         outcome is unknown: timed out",
        "Om triggeren fra 0751 Aarhus (udveksling 3f0f9a2e) blev lavet, vides ikke: intet svar fra modparten, så udfaldet er \
         ukendt: timed out.",
    ),
    (
        ConcernKind::Rejected,
        "the hub rejected the query of 0751 Aarhus (exchange 3f0f9a2e): 1001 Ukendt modtager",
        "Hubben afviste forespørgslen fra 0751 Aarhus (udveksling 3f0f9a2e): 1001 Ukendt modtager.",
    ),
    (
        ConcernKind::Unfit,
        "the latest file of 0751 Aarhus (exchange 3f0f9a2e) is no fit query: it was refused",
        "Den seneste fil fra 0751 Aarhus (udveksling 3f0f9a2e) er ingen brugbar forespørgsel: den blev afvist her.",
    ),
    (
        ConcernKind::Journal,
        "the journal of exchange 3f0f9a2e cannot be followed, nothing is done for it: entry 7 is not understood",
        "Journalen for udveksling 3f0f9a2e kan ikke følges, intet gøres for den: entry 7 is not understood.",
    ),
    (
        ConcernKind::Stuck,
        "0751 Aarhus (exchange 3f0f9a2e) does not get on from accepted: the far side refused: no space",
        "0751 Aarhus (udveksling 3f0f9a2e) kommer ikke videre fra taget imod: modparten afviste: no space.",
    ),
    (
        ConcernKind::Untakable,
        "the file a.txt in IN of endpoint hub cannot be taken: its metadata says 7 bytes, it has 3",
        "Filen a.txt i IN hos modparten hub kan ikke hentes: dens metadata siger 7 byte, den har 3.",
    ),
    (
        ConcernKind::Disk,
        "2 exchanges cannot go on: No space left on device (os error 28)",
        "2 udvekslinger kan ikke fortsætte: No space left on device (os error 28).",
    ),
    (
        ConcernKind::Folder,
        "the folder /var/spool/sluse/outbox/0751 cannot be read, what lies there waits: Permission denied (os error 13)",
        "Mappen /var/spool/sluse/outbox/0751 kan ikke læses, og det, der ligger i den, venter: Permission denied (os error 13).",
    ),
    (
        ConcernKind::Restored,
        "the journal ends at entry 3, and had 7 at 2026-12-01 16:15:00 Danish time: the store was put back from a backup or \
         lost its end, nothing is sent",
        "Journalen slutter ved post 3 og havde 7 poster 2026-12-01 16:15:00 dansk tid: databasen er lagt tilbage fra en \
         sikkerhedskopi eller har mistet sin slutning, og intet sendes.",
    ),
    (
        ConcernKind::Anchor,
        "the anchor /var/lib/sluse/journal.anchor cannot be written: Permission denied (os error 13)",
        "Ankeret /var/lib/sluse/journal.anchor kan ikke skrives: Permission denied (os error 13).",
    ),
    (
        ConcernKind::Calendar,
        "the payment dates of [calendar] end on 2026-12-30: no query is expected after that",
        "Betalingsdatoerne i [calendar] slutter 2026-12-30: derefter ventes ingen forespørgsel.",
    ),
    (
        ConcernKind::Receiver,
        "alarms do not get through by webhook: it answered with HTTP status 503",
        "Alarmer kommer ikke igennem ved webhook: den svarede med HTTP-status 503.",
    ),
    (
        ConcernKind::Stalled,
        "the engine has not turned since 2026-12-01 16:15, nothing happens",
        "Motoren har stået stille siden 2026-12-01 16:15, og intet sker.",
    ),
    (
        ConcernKind::Unit,
        "the unit sluse.service has failed and is not started again: nothing happens by itself",
        "Enheden sluse.service er fejlet og bliver ikke startet igen: intet sker af sig selv.",
    ),
    (ConcernKind::Test, "this is a test, nothing is wrong", "Dette er en prøve, intet er galt."),
];

#[test]
fn an_alarm_of_every_kind_is_told_in_both_languages() {
    assert_eq!(OF_EACH_KIND.map(|(kind, ..)| kind), ConcernKind::ALL);
    for (_, english, danish) in OF_EACH_KIND {
        assert_eq!(danish_of(english).sentence().to_string(), danish);
        assert_eq!(Said::of(Language::English, english).to_string(), english.replace('\'', "&#39;"));
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
