//! The index of last statements held against the history, and made again from it. Both go through the whole history in
//! the order of its agreements, which SQLite sorts for it: this is for audits, not for the daily round.

use std::collections::BTreeMap;

use rusqlite::Row;

use super::columns::{agreement_at, change_at};
use super::database::Database;
use super::leaf::{Last, Print, lasts};
use super::written::Written;
use crate::domain::agreement::other_json;
use crate::domain::change::Change;
use crate::store::{Packing, StoreTrouble};

/// The whole history, agreement by agreement.
const HISTORY: &str = "
    SELECT exchange, municipality, agreement, payer, valid_from, valid_to, amount_oere, other, change, number, former
    FROM history ORDER BY exchange, municipality, agreement, number";

/// The whole index, in the same order.
const INDEX: &str = "SELECT exchange, municipality, leaf, first FROM latest ORDER BY exchange, municipality, first";

/// What is wrong with the index, and with the chain of each agreement's statements.
#[derive(Default)]
pub struct IndexFlaws {
    /// Agreements of which the index says something else than the history.
    pub differences: u64,
    /// By the reply's entry: rows that name another one as the one before them than the history does.
    pub bent: BTreeMap<i64, u64>,
}

/// The last statement of one agreement of one route.
#[derive(Clone, PartialEq, Eq)]
struct Entry {
    place: (Vec<u8>, Vec<u8>, Vec<u8>),
    number: i64,
    /// None: what stands there cannot be read.
    says: Option<(bool, Option<i64>, Print)>,
}

impl Database {
    pub fn index_agrees(&self) -> Result<bool, StoreTrouble> {
        Ok(self.check_index().map_err(self.unusable("check the index of"))?.differences == 0)
    }

    /// Holds one agreement of each side in memory.
    pub fn check_index(&self) -> rusqlite::Result<IndexFlaws> {
        let mut flaws = IndexFlaws::default();
        let mut select = self.conn.prepare(INDEX)?;
        let mut indexed = Indexed { rows: select.query([])?, waiting: Vec::new() };
        let mut next = indexed.next()?;
        let mut hold_against = |last: &Entry, next: &mut Option<Entry>| -> rusqlite::Result<u64> {
            let mut differences = 0;
            while next.as_ref().is_some_and(|next| next.place < last.place) {
                *next = indexed.next()?;
                differences += 1;
            }
            match next {
                Some(found) if found.place == last.place => {
                    differences += u64::from(found != last || last.says.is_none());
                    *next = indexed.next()?;
                }
                _ => differences += 1,
            }
            Ok(differences)
        };
        let mut last: Option<Entry> = None;
        self.walk_history(&mut |row, entry| {
            let former: Option<i64> = row.get(10).unwrap_or_default();
            let expected = match last.take() {
                Some(last) if last.place == entry.place => Some(last.number),
                Some(over) => {
                    flaws.differences += hold_against(&over, &mut next)?;
                    None
                }
                None => None,
            };
            if former != expected {
                *flaws.bent.entry(entry.number >> 32).or_default() += 1;
            }
            last = Some(entry);
            Ok(())
        })?;
        if let Some(over) = last {
            flaws.differences += hold_against(&over, &mut next)?;
        }
        while next.is_some() {
            flaws.differences += 1;
            next = indexed.next()?;
        }
        Ok(flaws)
    }

    /// Makes the index again from the history.
    pub fn rebuild_index(&self) -> Result<(), StoreTrouble> {
        let transaction = self.write()?;
        let rebuild = || -> rusqlite::Result<()> {
            self.conn.execute("DELETE FROM latest", [])?;
            let mut written = Written::behind(&self.conn, 0)?;
            let mut last: Option<Entry> = None;
            self.walk_history(&mut |_, entry| {
                if let Some(over) = last.take().filter(|last| last.place != entry.place) {
                    let is_of_another = over.place.0 != entry.place.0 || over.place.1 != entry.place.1;
                    over.put_into(&mut written)?;
                    if is_of_another {
                        written.end_leaf()?;
                    }
                }
                last = Some(entry);
                Ok(())
            })?;
            if let Some(over) = last {
                over.put_into(&mut written)?;
            }
            written.end_leaf()
        };
        rebuild().and_then(|()| transaction.commit()).map_err(self.unusable("rebuild the index of"))
    }

    fn walk_history(&self, each: &mut dyn FnMut(&Row<'_>, Entry) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let mut select = self.conn.prepare(HISTORY)?;
        let mut rows = select.query([])?;
        let mut packing = Packing::default();
        while let Some(row) = rows.next()? {
            let bytes = |index| row.get_ref(index).map(|value| value.as_bytes().unwrap_or_default().to_vec());
            let place = (bytes(0)?, bytes(1)?, bytes(2)?);
            let number = row.get(9)?;
            let says = agreement_at(row, 2).and_then(|agreement| {
                packing.clear();
                let at = packing.push(0, &agreement.stated(&other_json(&agreement.other)));
                let is_ended = change_at(row, 8)? == Change::Ended;
                Ok((is_ended, agreement.amount.map(|amount| amount.0), Print::of(packing.at(at).says())))
            });
            each(row, Entry { place, number, says: says.ok() })?;
        }
        Ok(())
    }
}

impl Entry {
    fn put_into(&self, written: &mut Written<'_>) -> rusqlite::Result<()> {
        let (exchange, municipality, key) = &self.place;
        let text = |bytes| std::str::from_utf8(bytes).map_err(|e| rusqlite::Error::Utf8Error(0, e));
        let (is_ended, amount, print) = self.says.ok_or_else(|| super::columns::unreadable(7))?;
        let amount = amount.map(crate::domain::amount::Oere);
        written.of_route((text(exchange)?, text(municipality)?));
        written.index(&Last { key, number: self.number, is_ended, amount, print })
    }
}

/// The index, entry by entry.
struct Indexed<'r> {
    rows: rusqlite::Rows<'r>,
    /// Of the leaf that was read last, the last one first.
    waiting: Vec<Entry>,
}

impl Indexed<'_> {
    fn next(&mut self) -> rusqlite::Result<Option<Entry>> {
        while self.waiting.is_empty() {
            let Some(row) = self.rows.next()? else { return Ok(None) };
            let bytes = |index| row.get_ref(index).map(|value| value.as_bytes().unwrap_or_default().to_vec());
            let (exchange, municipality, leaf, first) = (bytes(0)?, bytes(1)?, bytes(2)?, bytes(3)?);
            self.waiting.extend(lasts(&leaf).enumerate().map(|(number_in_leaf, last)| {
                let place = |key: &[u8]| (exchange.clone(), municipality.clone(), key.to_vec());
                // A leaf that lies elsewhere than at its first agreement is not found there.
                match last.filter(|last| number_in_leaf > 0 || last.key == first) {
                    Some(Last { key, number, is_ended, amount, print }) => Entry {
                        place: place(key),
                        number,
                        says: Some((is_ended, amount.map(|amount| amount.0), print)),
                    },
                    // What is no leaf's is of no agreement.
                    None => Entry { place: place(&[0xFF]), number: 0, says: None },
                }
            }));
            self.waiting.reverse();
        }
        Ok(self.waiting.pop())
    }
}
