//! Whether a journal's chain holds, entry by entry, and against an anchor: says of each flaw where it is and goes on
//! behind it. Decides on values only; whichever store has the rows hands them over. Start with [`ChainAudit`].

use std::iter::Peekable;
use std::vec::IntoIter;

use serde::Serialize;

use super::Head;
use super::anchor::AnchorLine;
use super::chain::Stored;
use crate::domain::identity::ContentHash;
use crate::domain::moment::Moment;

/// One thing that does not hold. Without personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flaw {
    pub part: Part,
    /// The number of the journal entry that it is about; None: it is about none alone.
    pub entry: Option<i64>,
    pub what: String,
}

/// Where something does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The file and its layout.
    File,
    Journal,
    Anchor,
    /// What retention has left behind, held against what its checkpoints say of it.
    Remains,
    /// The register's rows, held against what the journal says of them.
    Register,
}

impl Flaw {
    pub fn of_entry(part: Part, entry: impl TryInto<i64>, what: impl Into<String>) -> Flaw {
        Flaw { part, entry: entry.try_into().ok(), what: what.into() }
    }

    pub fn of(part: Part, what: impl Into<String>) -> Flaw {
        Flaw { part, entry: None, what: what.into() }
    }
}

/// A recovery, as the journal tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// The number of its own entry.
    pub entry: u64,
    pub at: Moment,
    /// The last entry of the store that was put back: older anchors know others behind it.
    pub journal: u64,
}

/// What an audit came to, beside its flaws.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries that were read, or are known by their hash.
    pub entries: u64,
    /// Of them, those that retention has removed, and those of which it has removed a file's hash.
    pub removed: u64,
    pub sealed: u64,
    /// The last entry as an anchor's line; None: the journal is empty, or its last entry cannot be read.
    pub head: Option<AnchorLine>,
    /// Lines of the anchor that the journal meets.
    pub anchors_met: u64,
    /// Every time that a person let the house go on with a store that was put back.
    pub recoveries: Vec<Recovery>,
    /// Entries of another version, whole and in their place, that this program does not understand.
    pub not_understood: u64,
    pub flaws: u64,
}

/// An entry as it was found, whatever stands in its columns.
#[derive(Clone, Debug)]
pub struct FoundEntry {
    pub seq: i64,
    /// None where one of its columns holds what was never written there.
    pub stored: Option<Stored>,
    /// Such columns, by name.
    pub unreadable: Vec<&'static str>,
    pub previous: Option<ContentHash>,
    pub hash: Option<ContentHash>,
}

/// Goes along the chain. Holds one entry at a time, and the anchor.
pub struct ChainAudit {
    /// The former entry's number and hash; no hash where it cannot be read.
    former: (i64, Option<ContentHash>),
    anchors: Peekable<IntoIter<AnchorLine>>,
    anchors_met: u64,
    entries: u64,
}

impl ChainAudit {
    /// `anchors` in any order.
    pub fn new(mut anchors: Vec<AnchorLine>) -> ChainAudit {
        anchors.sort_by_key(|line| line.seq);
        let genesis = Head::genesis();
        ChainAudit {
            former: (0, Some(genesis.hash)),
            anchors: anchors.into_iter().peekable(),
            anchors_met: 0,
            entries: 0,
        }
    }

    /// Takes the next entry, in the order of the numbers. True: it is whole, and stands where it was written.
    pub fn take(&mut self, found: &FoundEntry, flaw: &mut dyn FnMut(Flaw)) -> bool {
        let mut is_whole = true;
        let mut say = |what: String| {
            is_whole = false;
            flaw(Flaw::of_entry(Part::Journal, found.seq, what));
        };
        self.entries += 1;
        if found.seq < 1 {
            say("is numbered as none ever was".into());
            return false;
        }
        for column in &found.unreadable {
            say(format!("its {column} holds what was never written there"));
        }
        let (last, before) = self.former;
        self.former = (found.seq, found.hash);
        // Behind a gap the former entry is not there to be followed.
        let before = if found.seq == last + 1 { before } else { None };
        let is_linked = before.is_none() || found.previous.is_none() || found.previous == before;
        if !is_linked {
            say("does not follow the entry before it".into());
        }
        if let (Some(stored), Some(hash)) = (&found.stored, found.hash) {
            let is_hash_behind = |base: Option<ContentHash>| base.is_none_or(|base| stored.hash(base) == hash);
            let holds = match before {
                Some(_) => is_hash_behind(before) || (!is_linked && is_hash_behind(found.previous)),
                None => is_hash_behind(found.previous),
            };
            if !holds {
                say("was edited: its hash is not that of its content".into());
            }
        }
        if found.seq > last + 1 {
            is_whole = false;
            flaw(missing(last + 1, found.seq - 1));
        }
        self.hold_against_anchor(found, flaw);
        is_whole
    }

    fn hold_against_anchor(&mut self, found: &FoundEntry, flaw: &mut dyn FnMut(Flaw)) {
        while let Some(line) = self.anchors.next_if(|line| i64::try_from(line.seq).is_ok_and(|seq| seq <= found.seq)) {
            if i64::try_from(line.seq) != Ok(found.seq) {
                flaw(Flaw::of_entry(Part::Anchor, line.seq, "stands in the anchor and is not in the journal"));
            } else if found.hash != Some(line.hash) {
                let what = "has another hash than in the anchor: it, or one before it, was written anew";
                flaw(Flaw::of_entry(Part::Anchor, line.seq, what));
            } else {
                self.anchors_met += 1;
            }
        }
    }

    /// There are no more. `given`: the highest number that the store remembers to have given, each time that it
    /// says so.
    pub fn end(self, given: &[Option<i64>], flaw: &mut dyn FnMut(Flaw)) -> (u64, u64) {
        let (last, _) = self.former;
        for given in given {
            match given {
                Some(given) if *given == last => {}
                Some(given) if *given > last => flaw(missing(last + 1, *given)),
                Some(_) | None => {
                    flaw(Flaw::of(Part::Journal, "the store's memory of the last number given was edited"));
                }
            }
        }
        if given.is_empty() && last > 0 {
            flaw(Flaw::of(Part::Journal, "the store's memory of the last number given was removed"));
        }
        for line in self.anchors {
            let what = format!("stands in the anchor, and the journal ends before it, at {last}");
            flaw(Flaw::of_entry(Part::Anchor, line.seq, what));
        }
        (self.entries, self.anchors_met)
    }
}

fn missing(first: i64, last: i64) -> Flaw {
    let what = match last - first {
        0 => "is missing".to_owned(),
        others => format!("is missing, and the {others} behind it, up to {last}"),
    };
    Flaw::of_entry(Part::Journal, first, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain of this many entries.
    fn chain(length: u64) -> Vec<FoundEntry> {
        let mut previous = Head::genesis().hash;
        let entry = |seq| {
            let stored = Stored {
                seq,
                version: 1,
                at_micros: 0,
                exchange: None,
                kind: "kind".into(),
                body: format!("{{\"number\":{seq}}}"),
            };
            let hash = stored.hash(previous);
            let former = std::mem::replace(&mut previous, hash);
            let seq = i64::try_from(seq).unwrap();
            FoundEntry { seq, stored: Some(stored), unreadable: vec![], previous: Some(former), hash: Some(hash) }
        };
        (1..=length).map(entry).collect()
    }

    fn line(entry: &FoundEntry) -> AnchorLine {
        let at = crate::domain::moment::Moment::from_micros(0);
        AnchorLine { seq: u64::try_from(entry.seq).unwrap(), hash: entry.hash.unwrap(), at }
    }

    /// What is said of these, one word per flaw: its entry.
    fn flaws(entries: &[FoundEntry], given: i64, anchors: &[AnchorLine]) -> Vec<String> {
        let mut said = Vec::new();
        let mut flaw = |flaw: Flaw| said.push(format!("{:?}: {}", flaw.entry.unwrap_or(0), flaw.what));
        let mut audit = ChainAudit::new(anchors.to_vec());
        for entry in entries {
            audit.take(entry, &mut flaw);
        }
        audit.end(&[Some(given)], &mut flaw);
        said
    }

    #[test]
    fn a_whole_chain_has_no_flaw_and_meets_its_anchor() {
        let chain = chain(5);
        let anchors: Vec<_> = chain.iter().map(line).collect();

        assert_eq!(flaws(&chain, 5, &anchors), [""; 0]);
        assert_eq!(flaws(&[], 0, &[]), [""; 0]);
    }

    #[test]
    fn every_flaw_is_named_by_its_entry_and_the_others_are_looked_at_all_the_same() {
        let mut broken = chain(9);
        broken[2].stored.as_mut().unwrap().body.push(' ');
        broken[7].unreadable.push("body");
        broken[7].stored = None;
        broken.remove(4);

        assert_eq!(
            flaws(&broken, 11, &[]),
            [
                "3: was edited: its hash is not that of its content",
                "5: is missing",
                "8: its body holds what was never written there",
                "10: is missing, and the 1 behind it, up to 11",
            ]
        );
    }

    #[test]
    fn a_chain_that_was_written_anew_differs_from_its_anchor_only() {
        let anchors: Vec<_> = chain(3).iter().map(line).collect();
        let mut previous = Head::genesis().hash;
        let mut anew = chain(3);
        for entry in &mut anew {
            let stored = entry.stored.as_mut().unwrap();
            stored.kind = "other".into();
            entry.previous = Some(previous);
            previous = stored.hash(previous);
            entry.hash = Some(previous);
        }

        assert_eq!(flaws(&anew, 3, &[]), [""; 0], "which is why an anchor is kept elsewhere");
        assert_eq!(flaws(&anew, 3, &anchors).len(), 3);
        assert_eq!(flaws(&anew[..1], 1, &anchors)[1], "2: stands in the anchor, and the journal ends before it, at 1");
    }
}
