//! What lies in archive and spool and is in no journal: queries, replies, receipts. Looking changes nothing; taking in
//! gives each its facts, in the order in which they happened.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::{Ahead, Names, StrayQuery, StrayReply};
use crate::domain::envelope::{SendersFileId, TechnicalReceipt};
use crate::domain::exchange::fact::{Arrival, Belongs, OriginalStamp};
use crate::domain::exchange::{Book, Exchange, Fact};
use crate::domain::identity::{ContentHash, FileId, RemoteName, Route, TransferId};
use crate::durable::{Disk, Stream, read_bounded};
use crate::engine::arrivals::fetch::delivery_of;
use crate::engine::arrivals::{METADATA, RECEIPT, receipted_name};
use crate::engine::backup::files_below;
use crate::engine::desk::Office;
use crate::engine::intake::{Taken, copy_and_read, facts, read_copy};
use crate::engine::places::short_id;
use crate::outbox::claim::{Copy, Spooled};
use crate::outbox::printable;

/// Receipts are a kilobyte.
const RECEIPT_BYTES_MAX: u64 = 64 << 10;

/// What was found.
#[derive(Default)]
pub struct Strays {
    queries: BTreeMap<FileId, Query>,
    replies: Vec<Arrival>,
    receipts: Vec<Receipt>,
    /// Names on the far side that are known from receipts, and from triggers that still lie there.
    pub names: Names,
    /// What cannot be taken in, and why.
    pub odd: Vec<String>,
    /// What could not be looked at: there may be more that a daemon would take up and send.
    unseen: Vec<String>,
}

/// A query that was claimed.
struct Query {
    route: Route,
    /// The original, if it is still in a spool.
    spooled: Option<Spooled>,
    /// The copy that is sent.
    copy: Option<PathBuf>,
    /// Its name in `refused/`, if it was refused.
    refused_as: Option<String>,
}

struct Receipt {
    name: RemoteName,
    hash: ContentHash,
    receipt: TechnicalReceipt,
}

impl Strays {
    /// Looks through spools, archive and `refused/`. What cannot be read is told, not passed over.
    pub fn look(office: &Office, book: &Book) -> Strays {
        let mut strays = Strays::default();
        let spools = office.spooled_if_any();
        strays.unseen.extend(spools.unreadable.iter().map(|(folder, why)| format!("{}: {why}", folder.display())));
        for spooled in spools.files.into_iter().filter(|spooled| !book.knows(spooled.id)) {
            let (id, route) = (spooled.id, spooled.route.clone());
            strays.query(id, &route).spooled = Some(spooled);
        }
        let archive = office.places.archive();
        let files = files_below(office.disk.as_ref(), &archive).unwrap_or_else(|e| {
            strays.unseen.push(format!("{}: {e}", archive.display()));
            Vec::new()
        });
        for file in files {
            let Ok(inside) = file.strip_prefix(&archive) else { continue };
            let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap_or_default()).collect();
            let found = match parts[..] {
                ["receipts", name] => strays.found_receipt(office, book, &file, name),
                [exchange, code, id, "query"] => match (route(exchange, code), id.parse()) {
                    (Some(route), Ok(id)) if !book.knows(id) => {
                        strays.query(id, &route).copy = Some(file.clone());
                        Ok(())
                    }
                    (Some(_), Ok(_)) => Ok(()),
                    _ => Err("it is not where Sluse puts a file".to_owned()),
                },
                [exchange, code, "replies", folder, name] if !name.ends_with(METADATA) => match route(exchange, code) {
                    Some(route) => strays.found_reply(office, book, &file, route, folder, name),
                    None => Err("it is not where Sluse puts a file".to_owned()),
                },
                // Metadata goes with its reply, and a part was never whole.
                _ => Ok(()),
            };
            if let Err(why) = found {
                strays.odd.push(format!("{}: {why}", file.display()));
            }
        }
        strays.look_at_refused(office);
        strays.odd.extend(strays.unseen.clone());
        // The others are for files that were never sent from here.
        let Strays { receipts, queries, .. } = &mut strays;
        receipts.retain(|Receipt { name, receipt, .. }| {
            let is_of_stray = matches!(receipt.senders_file_id, SendersFileId::Uuid(id) if queries.contains_key(&id));
            is_of_stray
                || receipted_name(name).is_some_and(|of| book.receipted(&receipt.senders_file_id, &of).is_some())
        });
        strays
    }

    /// What a retry left that was broken off is nobody's, where the journal is whole and would know of it.
    pub fn forget_broken_off(&mut self, office: &Office, book: &Book) {
        match office.broken_off(book) {
            Ok(broken_off) => self.queries.retain(|id, _| !broken_off.contains_key(id)),
            Err(e) => self.odd.push(format!("{}: {e}", office.places.archive().display())),
        }
    }

    pub fn queries(&self) -> Vec<StrayQuery> {
        let told = |(id, query): (&FileId, &Query)| StrayQuery {
            id: *id,
            municipality: query.route.municipality,
            name: query.original_name().or_else(|| self.names.get(id).map(ToString::to_string)),
        };
        self.queries.iter().map(told).collect()
    }

    pub fn replies(&self) -> Vec<StrayReply> {
        let told = |reply: &Arrival| StrayReply { municipality: reply.route.municipality, name: reply.name.clone() };
        self.replies.iter().map(told).collect()
    }

    pub fn receipts(&self) -> Vec<String> {
        self.receipts.iter().map(|receipt| receipt.name.to_string()).collect()
    }

    /// Gives everything its facts: queries, then what came for them. Errors: what could not be read, and a daemon might
    /// take up and send.
    pub(super) fn take_in(self, office: &Office, ahead: &mut Ahead) -> Result<(), String> {
        if let Some(unseen) = self.unseen.first() {
            return Err(unseen.clone());
        }
        // Those whose names are known go first, so that no other is given one of these.
        let mut queries: Vec<_> = self.queries.iter().collect();
        queries.sort_by_key(|(id, _)| !self.names.contains_key(id));
        for (id, query) in queries {
            let mut began =
                query.begin(office, &ahead.book, *id).map_err(|why| format!("query {}: {why}", short_id(*id)))?;
            for fact in &mut began {
                self.rename(*id, query, &ahead.book, fact);
            }
            let is_fit = matches!(began.first(), Some(Fact::Accepted(_)));
            for fact in began.into_iter().chain(is_fit.then_some(Fact::StoreRestored)) {
                ahead.add(*id, fact);
            }
        }
        for Receipt { name, hash, receipt } in self.receipts {
            let about = receipted_name(&name);
            let exchange = about.and_then(|about| ahead.book.receipted(&receipt.senders_file_id, &about));
            if let Some(id) = exchange.map(|exchange| exchange.id) {
                let TechnicalReceipt { transfer, outcome, .. } = receipt;
                ahead.add(id, Fact::ReceiptRead { transfer, name, hash, outcome });
            }
        }
        let mut replies = self.replies;
        // As UDK made them: an older one that came last would be held.
        replies.sort_by_key(|reply| (reply.delivery, reply.transfer));
        for mut reply in replies {
            let (id, belongs) = ahead.book.belongs(&reply.route, reply.transfer, reply.hash, reply.delivery);
            let is_own_story = id.is_none();
            let id = id.unwrap_or_else(|| office.surroundings.file_id());
            reply.belongs = belongs;
            if ahead.add(id, Fact::ReplyFetched(reply)) && is_own_story {
                ahead.add(id, Fact::StoreRestored);
            }
        }
        Ok(())
    }

    fn query(&mut self, id: FileId, route: &Route) -> &mut Query {
        let new = || Query { route: route.clone(), spooled: None, copy: None, refused_as: None };
        self.queries.entry(id).or_insert_with(new)
    }

    fn found_receipt(&mut self, office: &Office, book: &Book, file: &Path, name: &str) -> Result<(), String> {
        let name: Option<RemoteName> = name.split_once('.').and_then(|(_, name)| name.parse().ok());
        let Some(name) = name.filter(|name| name.as_str().ends_with(RECEIPT)) else { return Ok(()) };
        let bytes = read_bounded(office.disk.as_ref(), file, RECEIPT_BYTES_MAX).map_err(|e| e.to_string())?;
        let receipt = TechnicalReceipt::read(&bytes).map_err(|e| e.to_string())?;
        let hash = ContentHash::of(&bytes);
        if let (SendersFileId::Uuid(id), Some(about)) = (receipt.senders_file_id, receipted_name(&name)) {
            self.names.insert(id, about);
        }
        let is_known = |read: &crate::domain::exchange::ReadReceipt| read.name == name && book.is_same(read.hash, hash);
        if !book.read_receipt(&name).is_some_and(|exchange| exchange.receipts.iter().any(is_known)) {
            self.receipts.push(Receipt { name, hash, receipt });
        }
        Ok(())
    }

    fn found_reply(
        &mut self,
        office: &Office,
        book: &Book,
        file: &Path,
        route: Route,
        folder: &str,
        name: &str,
    ) -> Result<(), String> {
        let place = || {
            let (transfer, short) = (folder.get(..36)?, folder.get(37..)?);
            Some((transfer.parse::<TransferId>().ok()?, short, name.parse::<RemoteName>().ok()?))
        };
        let (transfer, short, name) = place().ok_or("it is not where Sluse puts a file")?;
        let known = book.fetched(&name);
        if known.iter().any(|(known, _)| known.transfer == transfer && known.hash.short() == short) {
            return Ok(());
        }
        // Given up by a checkpoint, and not unlinked yet.
        if known.iter().any(|(known, _)| known.transfer == transfer)
            && let Ok((_, hash)) = measure(office.disk.as_ref(), file)
            && known.iter().any(|(known, _)| known.transfer == transfer && book.is_same(known.hash, hash))
        {
            return Ok(());
        }
        let Some((_, layout)) = office.layouts.get(&route.exchange) else {
            return Err(format!("exchange `{}` is not in the settings", route.exchange));
        };
        let (size, hash) = measure(office.disk.as_ref(), file).map_err(|e| e.to_string())?;
        if hash.short() != short {
            return Err("it is no longer what was fetched".to_owned());
        }
        let delivery =
            delivery_of(office.disk.as_ref(), layout, route.municipality, file).map_err(|e| e.to_string())?;
        self.replies.push(Arrival { route, transfer, name, size, hash, delivery, belongs: Belongs::Unasked });
        Ok(())
    }

    /// A query that was refused has its name there.
    fn look_at_refused(&mut self, office: &Office) {
        for (id, query) in &mut self.queries {
            let folder = office.places.refused().join(query.route.exchange.as_str());
            let folder = folder.join(query.route.municipality.to_string());
            let begin = format!("{}.", short_id(*id));
            let names = files_below(office.disk.as_ref(), &folder).unwrap_or_default();
            let names = names.iter().filter_map(|path| path.file_name()?.to_str()?.strip_prefix(&begin));
            query.refused_as = names.filter(|name| !name.ends_with(".why.txt")).map(str::to_owned).next();
        }
    }

    /// The names that are known from elsewhere instead of those that the layout would give.
    fn rename(&self, id: FileId, query: &Query, book: &Book, fact: &mut Fact) {
        let Fact::Accepted(accepted) = fact else { return };
        if let Some(name) = self.names.get(&id).filter(|name| !book.is_used(name)) {
            accepted.remote_name = name.clone();
        }
        let is_former = |former: &&Exchange| {
            former.can_be_retried() && former.query().is_some_and(|former| former.hash == accepted.hash)
        };
        if query.original_name().is_some() {
            return;
        }
        // A claim has an original or a name; what has neither and the same bytes was to be sent again.
        if let Some((id, former)) =
            book.of_route(&query.route).find(is_former).and_then(|of| Some((of.id, of.query()?)))
        {
            accepted.original_name = former.original_name.clone();
            accepted.retry_of = Some(id);
        } else {
            accepted.original_name = accepted.remote_name.to_string();
        }
    }
}

impl Query {
    fn original_name(&self) -> Option<String> {
        self.spooled.as_ref().map(|spooled| spooled.original_name.clone()).or_else(|| self.refused_as.clone())
    }

    /// The facts that it begins with, as at a claim. Errors: it cannot be read now, and stays where it is.
    fn begin(&self, office: &Office, book: &Book, id: FileId) -> io::Result<Vec<Fact>> {
        let disk = office.disk.as_ref();
        let not_set = || io::Error::other(format!("exchange `{}` is not in the settings", self.route.exchange));
        let (layout, _) = office.layouts.get(&self.route.exchange).ok_or_else(not_set)?;
        let original_name = self.original_name().unwrap_or_else(|| "query".to_owned());
        let spooled = self.spooled.clone().unwrap_or_else(|| Spooled {
            claimed_as: None,
            id,
            route: self.route.clone(),
            spool: office.places.spool(),
            spool_name: format!(
                "{}.{}.{id}.{}",
                self.route.municipality,
                self.route.exchange,
                printable(original_name.as_ref())
            ),
            original_name,
        });
        let read = match &self.copy {
            Some(file) => {
                let (size, hash) = measure(disk, file)?;
                // The original is not compared again: what is sent is this copy.
                let original = OriginalStamp { device: 0, inode: 0, size, modified_micros: 0 };
                read_copy(disk, layout, &spooled, file, Copy { original, size, hash })?
            }
            None => {
                let to = office.places.query(&self.route, id);
                disk.make_folder(to.parent().unwrap_or(&to), 0o700)?;
                copy_and_read(disk, layout, &spooled, &to)?
            }
        };
        // Whether its payment is past is seen by the person who is asked anyway.
        Ok(facts(book, &[], Date::MIN, layout, &Taken { spooled, read }))
    }
}

fn route(exchange: &str, municipality: &str) -> Option<Route> {
    Some(Route { exchange: exchange.parse().ok()?, municipality: municipality.parse().ok()? })
}

/// Size and hash of a file.
fn measure(disk: &dyn Disk, file: &Path) -> io::Result<(u64, ContentHash)> {
    let mut digest = Stream::digest_only();
    let size = io::copy(&mut disk.open(file)?, &mut digest)?;
    Ok((size, ContentHash::new(digest.digest())))
}
