//! From the outbox to the journal: claim, copy, read, and the facts that follow. [`take`] and [`adopt`] touch
//! the disk and decide nothing about other exchanges; [`facts`] decides and touches nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::civil::Date;

use super::carry_out::{Setback, on_disk};
use super::desk::Office;
use super::places::Places;
use super::site::{Kind, Site};
use crate::domain::exchange::Book;
use crate::domain::exchange::fact::{Accepted, Fact, UnfitQuery};
use crate::domain::exchange::hold::HoldReason;
use crate::domain::identity::{ContentHash, FileId, RemoteName};
use crate::domain::layout::{Layout, NameParts};
use crate::domain::query::{Query, read_query};
use crate::durable::{Disk, read_bounded};
use crate::outbox::claim::{Claimed, Copied, Copy, Spooled, claim, copy, spooled};
use crate::outbox::{QUERY_SIZE_MAX, Ripe};
use crate::transport::Connect;

/// More copies of one name than this are not made.
const COPIES_OF_NAME_MAX: u32 = 99;

/// A file in the spool, copied and read.
#[derive(Debug)]
pub struct Taken {
    pub spooled: Spooled,
    pub read: Read,
}

#[derive(Debug)]
pub enum Read {
    Query(Copy, Query),
    /// Why it is none.
    Unfit(Unfit),
}

/// A file that is no query.
#[derive(Debug)]
pub struct Unfit {
    /// Bytes of the copy; of the original, which has no copy, where that is more than [`QUERY_SIZE_MAX`].
    pub size: u64,
    /// Of the copy; the hash of nothing where there is none.
    pub hash: ContentHash,
    /// The rule that it breaks, in a sentence.
    pub finding: String,
}

/// Why a file is not taken, and where it is now.
#[derive(Debug)]
pub enum NotTaken {
    /// No longer in the outbox as it was seen. The next scan looks again.
    Changed,
    /// Still in the outbox.
    NotClaimed(Box<Ripe>, Setback),
    /// In the spool.
    NotCopied(Box<Spooled>, Setback),
    /// It was in the spool and is no longer.
    Gone(Box<Spooled>),
}

/// Claims a ripe file.
pub async fn take<C: Connect>(site: &Site<C>, kind: &Arc<Kind<C>>, ripe: Ripe) -> Result<Taken, NotTaken> {
    let id = site.surroundings.file_id();
    let (spool, work, wanted) =
        (site.spool_for(&kind.settings.outbox), Work { places: site.places.clone(), kind: kind.clone() }, ripe.clone());
    let done = on_disk(site.disk.clone(), move |disk| {
        Ok(match claim(disk, &spool, &wanted, id) {
            Claimed::Done(spooled) => work.go_on(disk, spooled),
            Claimed::Changed => Err(NotTaken::Changed),
            Claimed::Failed(e) => {
                Err(NotTaken::NotClaimed(Box::new(wanted), Setback::from(e).at(&work.kind.settings.outbox)))
            }
            Claimed::Unsynced(spooled, e) => Err(NotTaken::NotCopied(Box::new(spooled), e.into())),
        })
    });
    done.await.unwrap_or_else(|setback| Err(NotTaken::NotClaimed(Box::new(ripe), setback)))
}

/// Goes on with a file that is in the spool already. Whether its claim was ever synced is not known, so that is done
/// here, too.
pub async fn adopt<C: Connect>(site: &Site<C>, kind: &Arc<Kind<C>>, spooled: Spooled) -> Result<Taken, NotTaken> {
    let (work, wanted) = (Work { places: site.places.clone(), kind: kind.clone() }, spooled.clone());
    let done = on_disk(site.disk.clone(), move |disk| Ok(work.go_on(disk, wanted)));
    done.await.unwrap_or_else(|setback| Err(NotTaken::NotCopied(Box::new(spooled), setback)))
}

/// All that a claimed file needs until it is copied and read, in one piece of work: what waits for the disk meanwhile are
/// others like it, and they share its syncs.
struct Work<C: Connect> {
    places: Places,
    kind: Arc<Kind<C>>,
}

impl<C: Connect> Work<C> {
    /// The claim is on the disk before anything follows from it: a file that came back into the outbox would be claimed a
    /// second time.
    fn go_on(&self, disk: &dyn Disk, spooled: Spooled) -> Result<Taken, NotTaken> {
        if disk.stamp(&spooled.path()).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            return Err(NotTaken::Gone(Box::new(spooled)));
        }
        let copied = self.begin(disk, &spooled).and_then(|to| {
            super::point::reached("claimed");
            copy_and_read(disk, &self.kind.query, &spooled, &to)
                .map_err(|e| Setback::from(e).at(&self.places.archive()))
        });
        match copied {
            Ok(read) => Ok(Taken { spooled, read }),
            Err(setback) => Err(NotTaken::NotCopied(Box::new(spooled), setback)),
        }
    }

    /// A folder for the copy; it and the claim are synced together. Returns where the copy is to be.
    fn begin(&self, disk: &dyn Disk, spooled: &Spooled) -> Result<PathBuf, Setback> {
        let (to, archived) = (self.places.query(&spooled.route, spooled.id), self.places.archived(&spooled.route));
        let made = disk.make_folder(&archived, 0o700);
        let made = made.and_then(|()| disk.make_folder_unsynced(to.parent().unwrap_or(&to)));
        made.map_err(|e| Setback::from(e).at(&self.places.archive()))?;
        let outbox = self.kind.outbox_of(spooled.route.municipality);
        let mut folders = vec![spooled.spool.as_path(), &archived];
        // That of a municipality which was taken out of the settings may be gone.
        if !disk.mount(&outbox).is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            folders.push(&outbox);
        }
        disk.sync_folders(&folders).map_err(|e| Setback::from(e).at(&spooled.spool))?;
        Ok(to)
    }
}

pub(super) fn copy_and_read(disk: &dyn Disk, layout: &Layout, spooled: &Spooled, to: &Path) -> std::io::Result<Read> {
    let copied = copy(disk, spooled, to)?;
    read_copied(disk, layout, spooled, to, copied)
}

fn read_copied(
    disk: &dyn Disk,
    layout: &Layout,
    spooled: &Spooled,
    to: &Path,
    copied: Copied,
) -> std::io::Result<Read> {
    Ok(match copied {
        Copied::Whole(copy) => read_copy(disk, layout, spooled, to, copy)?,
        Copied::TooLarge { size } => {
            let finding = format!("it is larger than {QUERY_SIZE_MAX} bytes, and was not read");
            Read::Unfit(Unfit { size, hash: ContentHash::of(&[]), finding })
        }
    })
}

/// Reads a copy that lies in the archive. Errors: it cannot be read, which says nothing of what it holds.
pub(super) fn read_copy(
    disk: &dyn Disk,
    layout: &Layout,
    spooled: &Spooled,
    file: &Path,
    copy: Copy,
) -> std::io::Result<Read> {
    Ok(match read(layout, spooled, &read_bounded(disk, file, QUERY_SIZE_MAX)?) {
        Ok(query) => Read::Query(copy, query),
        Err(finding) => Read::Unfit(Unfit { size: copy.size, hash: copy.hash, finding }),
    })
}

fn read(layout: &Layout, spooled: &Spooled, content: &[u8]) -> Result<Query, String> {
    read_query(layout, &spooled.original_name, content, spooled.route.municipality).map_err(|unfit| unfit.to_string())
}

/// What a taken file comes to: accepted, perhaps held at once, or unfit. `ahead`: what was decided upon and is not in
/// the book yet, which counts as much.
pub fn facts(book: &Book, ahead: &[(FileId, Fact)], today: Date, layout: &Layout, taken: &Taken) -> Vec<Fact> {
    let Taken { spooled, read } = taken;
    let unfit = |size: u64, hash: ContentHash, finding: String| {
        vec![Fact::Unfit(UnfitQuery {
            route: spooled.route.clone(),
            original_name: spooled.original_name.clone(),
            spool_name: spooled.spool_name.clone(),
            size,
            hash,
            finding,
        })]
    };
    let (copy, query) = match read {
        Read::Query(copy, query) => (copy, query),
        Read::Unfit(Unfit { size, hash, finding }) => return unfit(*size, *hash, finding.clone()),
    };
    let remote_name = match unused_name(book, ahead, layout, query) {
        Ok(name) => name,
        Err(finding) => return unfit(copy.size, copy.hash, finding),
    };
    accepted(
        book,
        ahead,
        today,
        Accepted {
            route: spooled.route.clone(),
            original_name: spooled.original_name.clone(),
            spool_name: spooled.spool_name.clone(),
            original: copy.original,
            remote_name,
            size: copy.size,
            hash: copy.hash,
            delivery: query.delivery,
            payment_date: query.payment_date,
            payment_month: query.payment_month,
            retry_of: None,
        },
    )
}

/// What a fit query comes to: it is held at once where another one counts for its payment date, or has its number, or
/// where that date is past.
pub fn accepted(book: &Book, ahead: &[(FileId, Fact)], today: Date, query: Accepted) -> Vec<Fact> {
    let of_route = || queries(ahead).filter(|(_, other)| other.route == query.route);
    let is_same_payment =
        |other: &Accepted| other.payment_date == query.payment_date || other.payment_month == query.payment_month;
    let second = book.second_to(&query.route, query.payment_date, query.payment_month).map(|other| other.id);
    let second = second.or_else(|| of_route().find(|(_, other)| is_same_payment(other)).map(|(id, _)| id));
    let used = book.with_delivery(&query.route, query.delivery).map(|other| other.id);
    let used = used.or_else(|| of_route().find(|(_, other)| other.delivery == query.delivery).map(|(id, _)| id));
    let second = second.map(|other| HoldReason::SecondQuery { other, payment_date: query.payment_date });
    let used = used.map(|other| HoldReason::DeliveryUsed { delivery: query.delivery, other });
    let unread = book.unread_rival(&query.route, query.payment_date, query.payment_month, query.delivery);
    let unread = unread.map(|other| HoldReason::UnreadStory { other });
    let payment_date = query.payment_date;
    let past = (payment_date < today).then_some(HoldReason::PaymentPast { payment_date, on: today });
    let reasons: Vec<_> = second.into_iter().chain(used).chain(unread).chain(past).collect();
    let held = (!reasons.is_empty()).then_some(Fact::QueryHeld { reasons });
    [Fact::Accepted(query)].into_iter().chain(held).collect()
}

fn queries(ahead: &[(FileId, Fact)]) -> impl Iterator<Item = (FileId, &Accepted)> {
    ahead.iter().filter_map(|(id, fact)| match fact {
        Fact::Accepted(query) => Some((*id, query)),
        _ => None,
    })
}

/// The name on the far side, by the layout's template, and one that no exchange ever had.
pub fn unused_name(
    book: &Book,
    ahead: &[(FileId, Fact)],
    layout: &Layout,
    query: &Query,
) -> Result<RemoteName, String> {
    for copy in 1..=COPIES_OF_NAME_MAX {
        let parts = NameParts { municipality: query.municipality, date: query.date, delivery: query.delivery, copy };
        let name = layout.file_name().compose(&parts).map_err(|e| e.to_string())?;
        if !book.is_used(&name) && queries(ahead).all(|(_, other)| other.remote_name != name) {
            return Ok(name);
        }
    }
    Err(format!("its name and {COPIES_OF_NAME_MAX} others like it were all used before"))
}

/// What lies in the spools, and the spools that cannot be read.
#[derive(Debug, Default)]
pub struct Spools {
    pub files: Vec<Spooled>,
    pub read: Vec<PathBuf>,
    pub unreadable: Vec<(PathBuf, String)>,
}

impl Office {
    /// Where claimed originals may lie: our own spool, and one beside each outbox of another file system.
    pub fn spools(&self) -> Vec<PathBuf> {
        let mut spools = vec![self.places.spool()];
        for exchange in self.settings.exchanges.values() {
            let spool = self.spool_for(&exchange.outbox);
            if !spools.contains(&spool) {
                spools.push(spool);
            }
        }
        spools
    }

    /// The spool that a file of this outbox can be renamed into.
    fn spool_for(&self, outbox: &Path) -> PathBuf {
        let spool = self.places.spool();
        match self.disk.mount(&spool).ok() == self.disk.mount(outbox).ok() {
            true => spool,
            false => super::places::Places::spool_in(outbox),
        }
    }

    /// Looks into all spools. Blocks.
    pub fn spooled(&self) -> Spools {
        let mut found = Spools::default();
        for spool in self.spools() {
            match spooled(self.disk.as_ref(), &spool) {
                Ok(files) => {
                    found.files.extend(files);
                    found.read.push(spool);
                }
                Err(e) => found.unreadable.push((spool, e.to_string())),
            }
        }
        found
    }

    /// The same where no daemon may have made the folders yet: a spool that is not there holds nothing.
    pub fn spooled_if_any(&self) -> Spools {
        let mut found = self.spooled();
        let is_there =
            |folder: &Path| !self.disk.mount(folder).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
        found.unreadable.retain(|(folder, _)| is_there(folder));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exchange::fact::OriginalStamp;
    use crate::domain::identity::{DeliveryNumber, Route};
    use crate::domain::moment::PaymentMonth;

    fn query(municipality: &str, delivery: u32, month: i8) -> Accepted {
        let payment_date = jiff::civil::date(2031, month, 27);
        Accepted {
            route: Route { exchange: "sf2530".parse().unwrap(), municipality: municipality.parse().unwrap() },
            original_name: "query.txt".into(),
            spool_name: "query.txt".into(),
            original: OriginalStamp { device: 1, inode: 2, size: 366, modified_micros: 3 },
            remote_name: format!("query_{municipality}_{delivery}.txt").parse().unwrap(),
            size: 366,
            hash: ContentHash::of(b"query"),
            delivery: DeliveryNumber(delivery),
            payment_date,
            payment_month: PaymentMonth::of(payment_date),
            retry_of: None,
        }
    }

    const TODAY: Date = jiff::civil::date(2031, 1, 2);

    #[test]
    fn a_query_for_a_day_that_is_past_is_held() {
        let today = jiff::civil::date(2031, 2, 28);
        let facts = |month| accepted(&Book::default(), &[], today, query("0751", 1, month));

        let reason = HoldReason::PaymentPast { payment_date: jiff::civil::date(2031, 1, 27), on: today };
        assert!(facts(1).contains(&Fact::QueryHeld { reasons: vec![reason] }));
        assert_eq!(facts(3).len(), 1, "nothing is in its way");
    }

    #[test]
    fn what_was_decided_just_now_and_is_not_recorded_yet_makes_a_second_query_as_the_book_does() {
        let book = Book::default();
        let first = FileId::new(uuid::Uuid::from_u128(1));
        let begun = accepted(&book, &[], TODAY, query("0751", 1, 1));
        let ahead: Vec<_> = begun.into_iter().map(|fact| (first, fact)).collect();
        assert_eq!(ahead.len(), 1, "nothing is in its way");

        let held = |query: Accepted| {
            let payment_date = query.payment_date;
            let second = HoldReason::SecondQuery { other: first, payment_date };
            let used = HoldReason::DeliveryUsed { delivery: query.delivery, other: first };
            accepted(&book, &ahead, TODAY, query).into_iter().find_map(|fact| match fact {
                Fact::QueryHeld { reasons } => Some((reasons.contains(&second), reasons.contains(&used))),
                _ => None,
            })
        };
        assert_eq!(held(query("0751", 2, 1)), Some((true, false)));
        assert_eq!(held(query("0751", 1, 2)), Some((false, true)));
        assert_eq!(held(query("0751", 2, 2)), None);
        assert_eq!(held(query("0101", 1, 1)), None, "another municipality's");
    }
}
