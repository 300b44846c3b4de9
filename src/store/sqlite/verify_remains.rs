//! What retention has left behind, held against what its checkpoints say of it: the list is whole link by link and as long
//! as they say, and so are the rows of the replies that cannot be read again.

use std::collections::BTreeMap;

use super::database::Database;
use crate::domain::identity::ContentHash;
use crate::domain::retention::HashKey;
use crate::store::audit::{Flaw, Part};
use crate::store::removal::{EntryLeft, Remains, next_link};

/// The list, as it was read.
#[derive(Default)]
pub(super) struct LeftRead {
    key: Option<HashKey>,
    /// The link of each line, in order.
    links: Vec<ContentHash>,
    /// What is left of each entry, as the last line about it says; taken out one by one as they are met.
    pub entries: BTreeMap<i64, EntryLeft>,
    /// The rows of each reply that cannot be read again, by its entry: how many, and their digest.
    pub replies: BTreeMap<i64, (u64, ContentHash)>,
}

impl Database {
    /// Reads the list, and says what does not hold of it in itself.
    pub(super) fn verify_remains(&self, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<LeftRead> {
        let mut read = LeftRead { key: self.key()?, ..LeftRead::default() };
        let mut select = self.conn.prepare("SELECT number, seq, body, link FROM remains ORDER BY number")?;
        let mut rows = select.query([])?;
        let mut link = ContentHash::new([0; 32]);
        while let Some(row) = rows.next()? {
            let (number, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
            let text: String = row.get(2)?;
            let mut say = |what: &str| flaw(Flaw::of_entry(Part::Remains, seq, what));
            link = next_link(link, &text);
            if usize::try_from(number) != Ok(read.links.len() + 1) {
                say("a line that this checkpoint has left behind does not stand in its place");
            }
            if row.get::<_, [u8; 32]>(3).ok() != Some(*link.as_bytes()) {
                say("a line that this checkpoint has left behind was edited, or one before it");
            }
            read.links.push(link);
            match serde_json::from_str::<Remains>(&text) {
                Err(_) => say("a line that this checkpoint has left behind cannot be read"),
                Ok(left) => read.take(&left),
            }
        }
        Ok(read)
    }

    /// Holds the rows of replies that cannot be read again against their digests.
    pub(super) fn verify_replies_left(&self, left: &LeftRead, flaw: &mut dyn FnMut(Flaw)) -> rusqlite::Result<()> {
        for (seq, expected) in &left.replies {
            let found = match (&left.key, u64::try_from(*seq)) {
                (Some(key), Ok(seq)) => Some(self.digest_of_reply(seq, key)?),
                _ => None,
            };
            if found != Some(*expected) {
                let what = "the rows of this reply are not those that a checkpoint has left of it";
                flaw(Flaw::of_entry(Part::Register, *seq, what));
            }
        }
        Ok(())
    }
}

impl LeftRead {
    fn take(&mut self, left: &Remains) {
        for entry in left.entries() {
            self.entries.extend(i64::try_from(entry.seq).map(|seq| (seq, *entry)));
        }
        if let Remains::Reply { seq, rows, digest } = left {
            self.replies.extend(i64::try_from(*seq).map(|seq| (seq, (*rows, *digest))));
        }
    }

    /// That the list is what the checkpoints of the journal say, and that every entry that it names was met.
    pub fn hold_against_checkpoints(&self, checkpoints: &[(i64, u64, ContentHash)], flaw: &mut dyn FnMut(Flaw)) {
        for (seq, remains, digest) in checkpoints {
            let last = usize::try_from(*remains).ok().and_then(|length| self.links.get(length.checked_sub(1)?));
            if last != Some(digest) {
                let what = "what this checkpoint has left behind is not what its entry says";
                flaw(Flaw::of_entry(Part::Remains, *seq, what));
            }
        }
        let said = checkpoints.last().map_or(0, |(_, remains, _)| *remains);
        if said != self.links.len() as u64 {
            let what = format!("{} lines are left behind, and the last checkpoint says {said}", self.links.len());
            flaw(Flaw::of(Part::Remains, what));
        }
        for seq in self.entries.keys() {
            flaw(Flaw::of_entry(Part::Journal, *seq, "is not as the checkpoint has left it that removed it"));
        }
    }
}
