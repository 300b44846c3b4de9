//! What is written outside the database about how far the journal was: one line per write, `seq hash moment`, so that
//! a database that was put back from a backup is known by being behind it. Text only, no file is touched here. Start
//! with [`AnchorLine`].

use std::fmt;
use std::str::FromStr;

use super::{Entry, Head};
use crate::domain::identity::ContentHash;
use crate::domain::moment::Moment;

/// That the journal had this entry: `42 9f86d081…0a08 2026-12-01T03:15:00Z`, ended by a line feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorLine {
    /// The entry's number, from 1.
    pub seq: u64,
    pub hash: ContentHash,
    /// The entry's moment, UTC; to the second, once it is read back.
    pub at: Moment,
}

impl AnchorLine {
    /// The end of the journal that this entry was.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }
}

impl From<&Entry> for AnchorLine {
    fn from(entry: &Entry) -> Self {
        AnchorLine { seq: entry.seq, hash: entry.hash, at: entry.at }
    }
}

/// Without the line feed.
impl fmt::Display for AnchorLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.seq, self.hash, self.at)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is no line of an anchor, expected `seq hash moment`, as in `42 9f86… 2026-12-01T03:15:00Z`")]
pub struct NoAnchorLine {
    found: String,
}

/// Of what is no line, so much is shown.
const SHOWN_MAX: usize = 100;

impl FromStr for AnchorLine {
    type Err = NoAnchorLine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = text.split(' ');
            let (seq, hash, at) = (parts.next()?, parts.next()?, parts.next()?);
            let is_number = !seq.is_empty() && seq.bytes().all(|byte| byte.is_ascii_digit());
            let seq = is_number.then(|| seq.parse().ok()).flatten().filter(|seq| *seq > 0)?;
            let line = AnchorLine { seq, hash: ContentHash::try_from(hash.to_owned()).ok()?, at: at.parse().ok()? };
            parts.next().is_none().then_some(line)
        };
        read().ok_or_else(|| NoAnchorLine { found: text.chars().take(SHOWN_MAX).collect() })
    }
}

/// What an anchor is made of before its journal's first entry. So one that was emptied since is no new one.
pub const BEGINNING: &str = "The anchor of a journal. Its lines: entry, hash, moment.\n";

/// Every whole line of an anchor's text, in order; the last one counts. True beside them: something else stands there
/// too, as a write that was cut off by a crash leaves it.
pub fn parse_all(text: &str) -> (Vec<AnchorLine>, bool) {
    let mut is_torn = false;
    let mut lines = Vec::new();
    for piece in text.strip_prefix(BEGINNING).unwrap_or(text).split_inclusive('\n') {
        match piece.strip_suffix('\n').map(str::parse) {
            Some(Ok(line)) => lines.push(line),
            Some(Err(_)) | None => is_torn = true,
        }
    }
    (lines, is_torn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> AnchorLine {
        let at = "2026-12-01T03:15:00Z".parse().unwrap();
        AnchorLine { seq, hash: ContentHash::of(&seq.to_be_bytes()), at }
    }

    #[test]
    fn a_line_reads_back_what_it_writes() {
        let text = line(42).to_string();

        assert!(text.starts_with("42 ") && text.ends_with(" 2026-12-01T03:15:00Z"), "{text}");
        assert_eq!(text.parse(), Ok(line(42)));
    }

    #[test]
    fn what_was_torn_in_any_place_does_not_count() {
        let text = format!("{}\n{}\n", line(1), line(2));
        let first = line(1).to_string().len() + 1;

        for end in 0..=text.len() {
            let (lines, is_torn) = parse_all(&text[..end]);

            let whole = [line(1), line(2)].into_iter().take(text[..end].matches('\n').count());
            assert_eq!(lines, whole.collect::<Vec<_>>(), "{end}");
            assert_eq!(is_torn, ![0, first, text.len()].contains(&end), "{end}");
        }
    }

    #[test]
    fn the_beginning_is_no_line_and_no_tear() {
        assert_eq!(parse_all(BEGINNING), (vec![], false));
        assert_eq!(parse_all(&format!("{BEGINNING}{}\n", line(1))), (vec![line(1)], false));
        assert_eq!(parse_all(&BEGINNING[..9]), (vec![], true));
        assert_eq!(parse_all(&format!("{}\n{BEGINNING}", line(1))), (vec![line(1)], true));
    }

    #[test]
    fn a_line_behind_a_torn_one_counts_and_the_tear_is_told() {
        let half = &line(2).to_string()[..20];

        assert_eq!(parse_all(&format!("{}\n{half}\n{}\n", line(1), line(3))), (vec![line(1), line(3)], true));
    }

    #[test]
    fn what_is_no_line_is_none() {
        let (hash, at) = (line(1).hash, line(1).at);
        for wrong in [
            String::new(),
            "1".to_owned(),
            format!("1 {hash}"),
            format!("0 {hash} {at}"),
            format!("-1 {hash} {at}"),
            format!("+1 {hash} {at}"),
            format!("1  {hash} {at}"),
            format!("1 {hash} {at} "),
            format!("1 {} {at}", hash.short()),
            format!("1 {hash} soon"),
            "\0".repeat(80),
        ] {
            assert!(wrong.parse::<AnchorLine>().is_err(), "{wrong:?}");
        }
    }
}
