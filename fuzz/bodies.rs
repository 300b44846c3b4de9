//! What holds for every input whatever, beyond that nothing panics: what is read can be written and reads the same, however
//! it comes in pieces; work and words are bounded; no error says a CPR number. The fuzzing targets and the replay of the
//! corpus (`tests/fuzz_corpus.rs`) use the same functions. Start with [`TARGETS`].
#![allow(dead_code, reason = "each target uses its own function")]

use std::sync::LazyLock;

use sluse::config::{Depth, Settings};
use sluse::domain::agreement::Agreement;
use sluse::domain::envelope::{
    EnvelopeTrouble, FileMetadata, ReceiptOutcome, SendersFileId, TEXT_CHARS_MAX, TechnicalReceipt, Trigger,
};
use sluse::domain::exchange::Book;
use sluse::domain::identity::{ContentHash, EndpointName, ExchangeName, FileId, RemoteName, TransferId, UserName};
use sluse::domain::layout::{Layout, Unfit, Wholeness, read, wholeness, write};
use sluse::domain::municipality::MunicipalityCode;
use sluse::domain::person::{Cpr, mask_in_text};
use sluse::domain::query::read_query;
use sluse::domain::reply::{ReplyEnd, ReplyReader, write_reply};
use sluse::store::chain::Stored;
use sluse::store::{Body, Head};

/// Takes any input; returns whether it was read as what it pretends to be, or refused with a sentence.
pub type Target = fn(&[u8]) -> bool;

/// Every target by its name, which is also its corpus's folder.
pub const TARGETS: [(&str, Target); 7] = [
    ("layout", layout),
    ("query", query),
    ("reply", reply),
    ("xml", xml),
    ("settings", settings),
    ("journal", journal),
    ("names", names),
];

/// Between a layout and a file to be read by it.
const BETWEEN: &str = "\n====\n";

/// The shipped layouts, read once: a million inputs a target.
static QUERY_LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::shipped_query);
static REPLY_LAYOUT: LazyLock<Layout> = LazyLock::new(Layout::shipped_reply);

/// No error of ours is longer than some lines on a screen. Characters.
const WORDS_MAX: usize = 2_000;

/// A layout file, and behind [`BETWEEN`] a file in that layout.
pub fn layout(input: &[u8]) -> bool {
    let middle = input.windows(BETWEEN.len()).position(|window| window == BETWEEN.as_bytes());
    let (toml, file) = match middle {
        Some(at) => (&input[..at], &input[at + BETWEEN.len()..]),
        None => (input, &[][..]),
    };
    let Ok(toml) = std::str::from_utf8(toml) else { return false };
    let Ok(layout) = Layout::parse("fuzz.toml", toml) else { return false };
    assert_eq!(Layout::parse("fuzz.toml", toml), Ok(layout.clone()), "the same text is the same layout");
    let Ok(records) = read(&layout, file) else { return true };
    assert_eq!(wholeness(&layout, file), Wholeness::Whole, "what is read is whole");
    assert!(records.len() <= file.len(), "no record is made of nothing");
    match write(&layout, &records) {
        Ok(written) => assert_eq!(written, file, "what is read is written back byte for byte"),
        Err(trouble) => panic!("what is read cannot be written: {trouble}"),
    }
    true
}

/// A query file of municipality 0751.
pub fn query(input: &[u8]) -> bool {
    let layout = &*QUERY_LAYOUT;
    let route = route();
    let query = match read_query(layout, "BETADM_FORESP_0751_20261201_0042.txt", input, route) {
        Ok(query) => query,
        Err(unfit) => return refused(&unfit),
    };
    assert_eq!(query.municipality, route);
    assert_eq!(wholeness(layout, input), Wholeness::Whole);
    let records = read(layout, input).expect("what is a query has records");
    assert_eq!(write(layout, &records).as_deref(), Ok(input), "what is read is written back byte for byte");
    true
}

/// How a reply is cut into pieces (8 bytes, the pieces' lengths in turn), and a reply of municipality 0751.
pub fn reply(input: &[u8]) -> bool {
    let Some((cuts, file)) = input.split_at_checked(8) else { return false };
    let layout = &*REPLY_LAYOUT;
    let whole = read_reply(layout, &[file]);
    let mut pieces = Vec::new();
    let mut rest = file;
    for length in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(*length).max(1)));
        pieces.push(piece);
        rest = behind;
    }
    assert!(read_reply(layout, &pieces) == whole, "it reads the same however it is cut");
    let (agreements, end) = match whole {
        (agreements, Ok(end)) => (agreements, end),
        (_, Err(unfit)) => return refused(&unfit),
    };
    assert_eq!(agreements.len() as u64, end.count);
    let created = end.head.date.at(12, 0, 0, 0);
    match write_reply(layout, &end.head, created, &agreements) {
        Ok(written) => assert!(read_reply(layout, &[&written]) == (agreements, Ok(end)), "it reads back"),
        Err(trouble) => panic!("what is read cannot be written: {trouble}"),
    }
    true
}

fn read_reply(layout: &Layout, pieces: &[&[u8]]) -> (Vec<Agreement>, Result<ReplyEnd, Unfit>) {
    let mut reader = ReplyReader::new(layout, route());
    let mut agreements = Vec::new();
    for piece in pieces {
        let fed = reader.feed(piece, &mut |_, agreement| {
            agreements.push(agreement.to_agreement().expect("what is read is whole"));
            Ok(())
        });
        if let Err(unfit) = fed {
            return (agreements, Err(unfit));
        }
    }
    let end = reader.finish();
    (agreements, end)
}

/// A trigger, metadata or a receipt.
pub fn xml(input: &[u8]) -> bool {
    let trigger = Trigger::read(input);
    match Trigger::read_strictly(input) {
        Ok(strict) => assert_eq!(trigger.as_ref(), Ok(&strict), "what is strict is lenient, too"),
        Err(trouble) => assert_silent(&trouble),
    }
    let metadata = FileMetadata::read(input);
    let receipt = TechnicalReceipt::read(input);
    let is_read = trigger.is_ok() || metadata.is_ok() || receipt.is_ok();
    match trigger {
        Ok(trigger) => {
            let again = Trigger::read_strictly(&trigger.to_xml()).expect("what is written keeps to the contract");
            assert_eq!(
                (&again.file_name, again.size, &again.sender, &again.recipients),
                (&trigger.file_name, trigger.size, &trigger.sender, &trigger.recipients)
            );
            assert_eq!(Trigger::read(&again.to_xml()), Ok(again));
        }
        Err(trouble) => assert_silent(&trouble),
    }
    match metadata {
        Ok(metadata) => {
            let again = FileMetadata::read(&metadata.to_xml()).expect("what is written can be read");
            assert_eq!(
                (&again.file_name, again.size, again.transfer, &again.sender, &again.recipients),
                (&metadata.file_name, metadata.size, metadata.transfer, &metadata.sender, &metadata.recipients)
            );
            assert_eq!(FileMetadata::read(&again.to_xml()), Ok(again));
        }
        Err(trouble) => assert_silent(&trouble),
    }
    match receipt {
        Ok(receipt) => {
            if let ReceiptOutcome::Failure { errors } = &receipt.outcome {
                assert!(!errors.is_empty(), "a failure says at least one error");
                for error in errors {
                    assert!(
                        error.title.chars().count() <= TEXT_CHARS_MAX && error.text.chars().count() <= TEXT_CHARS_MAX
                    );
                    assert_masked(&error.title);
                    assert_masked(&error.text);
                }
            }
            let again = TechnicalReceipt::read(&receipt.to_xml()).expect("what is written can be read");
            assert_eq!(again.transfer, receipt.transfer);
            assert!(
                again.senders_file_id == receipt.senders_file_id || receipt.senders_file_id == SendersFileId::Other
            );
            let is_success = |receipt: &TechnicalReceipt| receipt.outcome == ReceiptOutcome::Success;
            assert_eq!(is_success(&again), is_success(&receipt), "no failure becomes a success");
        }
        Err(trouble) => assert_silent(&trouble),
    }
    is_read
}

/// It names elements of the contract, and nothing that the document said.
fn assert_silent(trouble: &EnvelopeTrouble) {
    let said = trouble.to_string();
    assert!(said.len() < 200, "{said}");
    assert_masked(&said);
}

/// A settings file.
pub fn settings(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let environment = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| "/credentials".to_owned());
    let parsed = || Settings::parse("sluse.toml", text, &environment, Depth::Values);
    match parsed() {
        Ok(settings) => {
            assert!(!settings.endpoints.is_empty() && !settings.exchanges.is_empty());
            assert!(settings.exchanges.values().all(|exchange| {
                settings.endpoints.contains_key(&exchange.endpoint) && !exchange.municipalities.is_empty()
            }));
            assert!(settings.endpoints.values().all(|endpoint| !endpoint.host_keys.is_empty()));
            assert_eq!(parsed(), Ok(settings), "the same text is the same settings");
            true
        }
        Err(mistakes) => {
            assert!(!mistakes.to_string().is_empty(), "a mistake says what it is");
            false
        }
    }
}

/// Facts, one a line: which exchange (`0` to `9`, `h` for the house), the version, and the fact as JSON.
pub fn journal(input: &[u8]) -> bool {
    const ENTRIES_MAX: usize = 64;
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut book = Book::default();
    let mut head = Head::genesis();
    let mut is_read = true;
    for line in text.lines().take(ENTRIES_MAX) {
        let mut characters = line.chars();
        let (Some(whose), Some(version)) = (characters.next(), characters.next()) else { continue };
        let seq = head.seq + 1;
        let stored = Stored {
            seq,
            version: version.to_digit(10).unwrap_or(0),
            at_micros: 1_790_000_000_000_000 + seq as i64,
            exchange: match whose {
                'h' => None,
                digit => Some(digit.to_digit(10).map_or("?".to_owned(), |number| id(number).to_string())),
            },
            kind: "fuzz".to_owned(),
            body: characters.as_str().to_owned(),
        };
        let hash = stored.hash(head.hash);
        let edited = Stored { body: format!("{} ", stored.body), ..stored.clone() };
        assert_ne!(edited.hash(head.hash), hash, "an edited entry has another hash");
        let entry = stored.into_entry(hash);
        match &entry.body {
            Body::NotUnderstood { what, .. } => {
                is_read = false;
                assert!(what.chars().count() <= WORDS_MAX);
                assert_masked(what);
            }
            body => {
                let written = Stored::behind(head, entry.at, body).expect("what was read can be written");
                assert_eq!(written.into_entry(hash).body, *body, "what is written reads the same");
            }
        }
        if let Body::Exchange { id, fact } = &entry.body {
            let before = book.get(*id).cloned();
            book.take_in(seq, *id, entry.at, fact);
            let after = book.get(*id);
            assert!(after.is_some() || book.broken(*id).is_some(), "no fact is lost without a word");
            assert!(book.broken(*id).is_none() || after == before.as_ref() || after.is_some());
        }
        head = Head { seq, hash };
    }
    assert!(book.open().all(|exchange| !exchange.state.is_final()), "what is open is not at its end");
    is_read
}

/// Any name: of files there and here, of users, routes, transfers; hashes, codes, CPR numbers; and what is masked of a text.
pub fn names(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let mut is_read = false;
    macro_rules! reads_back {
        ($kind:ty) => {
            match text.parse::<$kind>() {
                Ok(name) => {
                    assert_eq!(name.to_string().parse::<$kind>(), Ok(name), stringify!($kind));
                    is_read = true;
                }
                Err(trouble) => assert!(trouble.to_string().chars().count() < WORDS_MAX),
            }
        };
    }
    reads_back!(RemoteName);
    reads_back!(UserName);
    reads_back!(ExchangeName);
    reads_back!(EndpointName);
    reads_back!(FileId);
    reads_back!(TransferId);
    reads_back!(MunicipalityCode);
    if let Ok(name) = text.parse::<RemoteName>() {
        assert!(!name.as_str().contains(['/', '\\', '\0']) && !name.as_str().starts_with('.'));
        assert!(std::path::Path::new(name.as_str()).components().count() == 1, "it cannot leave its folder");
        for suffix in [".metadata", ".trigger", ".sftpreceipt"] {
            assert_eq!(name.with_suffix(suffix).is_ok(), name.as_str().len() + suffix.len() <= 255);
        }
    }
    if let Ok(hash) = ContentHash::try_from(text.to_owned()) {
        assert_eq!(hash.to_string(), text.to_lowercase());
    }
    match text.parse::<Cpr>() {
        Ok(cpr) => {
            assert_eq!(cpr.digits(), text);
            assert!(!format!("{cpr} {cpr:?}").contains(text), "a CPR number never shows itself in full");
        }
        Err(trouble) => assert_masked(&trouble.to_string()),
    }
    for layout in [&*QUERY_LAYOUT, &*REPLY_LAYOUT] {
        if let Some(parts) = layout.file_name().read(text) {
            let composed = layout.file_name().compose(&parts).expect("the parts are a name's");
            assert_eq!(layout.file_name().read(composed.as_str()), Some(parts), "a name reads back");
        }
    }
    let masked = mask_in_text(text);
    assert_eq!(mask_in_text(&masked), masked, "what is masked stays so");
    assert_eq!(masked.chars().count(), text.chars().count(), "nothing is moved");
    assert!(!masked.as_bytes().windows(10).any(|ten| ten.iter().all(u8::is_ascii_digit)), "{masked}");
    is_read
}

fn refused(unfit: &Unfit) -> bool {
    let said = unfit.to_string();
    assert!(said.chars().count() < WORDS_MAX, "{said}");
    // What was expected is ours: a constant, or a count or a sum over the whole file, of 15 digits perhaps.
    assert_masked(said.split(", expected").next().unwrap_or_default());
    false
}

fn assert_masked(said: &str) {
    assert_eq!(mask_in_text(said), said, "no sentence says what could be a CPR number");
}

fn route() -> MunicipalityCode {
    "0751".parse().expect("Aarhus is in the table")
}

fn id(number: u32) -> FileId {
    FileId::new(uuid::Uuid::from_u128(0xfade_0000_0000_4000_8000_0000_0000_0000 + u128::from(number)))
}
