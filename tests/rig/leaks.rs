//! Whether anything that Sluse says names a person. Tests plant CPR numbers (in payloads, names, words of the far side)
//! with [`plant`]; whatever is said goes through [`said`], which fails the test if a planted number stands in it, with
//! or without something between its parts, and inside longer runs of digits. Knows nothing of how Sluse masks.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::evidence::EVIDENCE_VARIABLE;

/// The file of the evidence's folder that has all planted numbers, one a line, as digits.
pub const PLANTED: &str = "planted.txt";

/// The folder there with all that was said.
pub const SAID: &str = "said";

/// What may stand between the six and the four, and between day, month and year.
const SEPARATORS: &[u8] = b"- ./";

/// Digits of a CPR number.
const DIGITS: usize = 10;

/// The official test number: it stands in samples and fixtures.
pub const TEST_NUMBER: u64 = 707_614_285;

static NUMBERS: LazyLock<Mutex<BTreeSet<u64>>> = LazyLock::new(|| Mutex::new(BTreeSet::from([TEST_NUMBER])));

/// These numbers will be in something that Sluse gets to see, and are not to be said.
pub fn plant(numbers: impl IntoIterator<Item = u64>) {
    let mut known = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
    let new: Vec<_> = numbers.into_iter().filter(|number| known.insert(*number)).collect();
    let Some(folder) = std::env::var_os(EVIDENCE_VARIABLE).map(PathBuf::from) else { return };
    let lines: String = new.iter().map(|number| format!("{number:010}\n")).collect();
    let mut file =
        OpenOptions::new().create(true).append(true).open(folder.join(PLANTED)).expect("the folder is there");
    file.write_all(lines.as_bytes()).expect("there is room for some numbers");
}

/// Something that Sluse said: a log, what a command printed, a notice, an answer.
pub fn said(what: &str, text: &[u8]) {
    if let Some(folder) = std::env::var_os(EVIDENCE_VARIABLE).map(PathBuf::from) {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("{}-{}-{what}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = folder.join(SAID);
        fs::create_dir_all(&folder).expect("the folder is there");
        fs::write(folder.join(name), text).expect("there is room for what was said");
    }
    let leaks = leaks(text, &NUMBERS.lock().unwrap_or_else(PoisonError::into_inner));
    // A test that fails already says why.
    assert!(leaks.is_empty() || std::thread::panicking(), "{what} names a person: {leaks:?}");
}

/// Where planted numbers stand in a text: the line with each.
pub fn leaks(text: &[u8], planted: &BTreeSet<u64>) -> Vec<String> {
    let lines = text.split(|byte| *byte == b'\n');
    let names = |line: &&[u8]| (0..line.len()).any(|at| number_at(&line[at..]).is_some_and(|n| planted.contains(&n)));
    lines.filter(names).map(|line| String::from_utf8_lossy(line).into_owned()).collect()
}

/// Ten digits that begin here, with at most one separator between day, month, year and the last four.
fn number_at(text: &[u8]) -> Option<u64> {
    let (mut number, mut digits, mut since) = (0, 0, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                number = number * 10 + u64::from(byte - b'0');
                (digits, since) = (digits + 1, since + 1);
            }
            _ if SEPARATORS.contains(byte) && since > 0 && [2, 4, 6].contains(&digits) => since = 0,
            _ => return None,
        }
        if digits == DIGITS {
            return Some(number);
        }
    }
    None
}
