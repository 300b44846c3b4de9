//! Clearing up: from the far side only what the journal owns, data before metadata before receipt; here the
//! claimed original, whose every byte lies in the archive (one that was changed goes there too); a refused file into `refused/` with its sentence.

use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

use super::doubt::fence;
use super::{CarriedOut, Setback, Work};
use crate::domain::exchange::duty::is_part_of;
use crate::domain::exchange::fact::{Accepted, TriggerWay};
use crate::domain::exchange::{Fact, Origin};
use crate::domain::identity::{ContentHash, FileId, RemoteName};
use crate::durable::{Disk, copy_anew, read_bounded};
use crate::engine::arrivals::clear::{Removed, remove, remove_receipt, remove_reply};
use crate::engine::point;
use crate::engine::site::{in_in, in_out, trigger_name};
use crate::outbox::QUERY_SIZE_MAX;
use crate::transport::{Connect, FarSide, Folder, RemotePath, Trouble};

/// OUT holds what waits for the hub; more than this is not ours alone.
const OUT_ENTRIES_MAX: usize = 200_000;

impl<C: Connect> Work<C> {
    /// After the end, or after the hub's rejection.
    pub(super) async fn tidy(&self) -> Result<CarriedOut, Setback> {
        let mut left = Vec::new();
        if let Some(query) = self.exchange.query() {
            self.clear_out(query, false, &mut left).await?;
        }
        self.clear_in(&mut left).await?;
        point::reached("far_side_cleared");
        self.put_original_away().await?;
        Ok(Fact::Tidied { left }.into())
    }

    /// A query that is refused or withdrawn here, or a reply that a person refused.
    pub(super) async fn set_aside(&self, why: String) -> Result<CarriedOut, Setback> {
        let mut left = Vec::new();
        if let (Origin::Query(query), Some(way)) = (&self.exchange.origin, &self.exchange.intended)
            && let Some(evidence) = self.withdraw_trigger(query, way).await?
        {
            return Ok(Fact::TriggerFound { evidence }.into());
        }
        match &self.exchange.origin {
            Origin::Query(query) if self.exchange.touched_out => self.clear_out(query, true, &mut left).await?,
            Origin::Query(_) | Origin::Unfit(_) => {}
            Origin::Reply => self.clear_in(&mut left).await?,
        }
        let (route, id) = (self.exchange.route.clone(), self.exchange.id);
        let (name, content) = match &self.exchange.origin {
            Origin::Query(query) => (query.original_name.clone(), Some(self.site.places.query(&route, id))),
            // What is larger than any query was not copied.
            Origin::Unfit(unfit) if unfit.size > QUERY_SIZE_MAX => (unfit.original_name.clone(), None),
            Origin::Unfit(unfit) => (unfit.original_name.clone(), Some(self.site.places.query(&route, id))),
            Origin::Reply => match self.exchange.arrivals.last() {
                Some(arrival) => (arrival.name.to_string(), Some(self.site.places.reply(arrival))),
                None => return Err(Setback::Other("a refused reply that was never fetched".into())),
            },
        };
        let (file, sentence) = self.site.places.refused_file(&route, id, &name);
        let (municipality, state) = (route.municipality, self.exchange.state.name());
        let mut text = format!("{name} (exchange {id}, municipality {municipality}) was {state}:\n{why}\n");
        let (originals, copied, changed) = (self.originals(), self.copied(), self.changed_original());
        let aside = self.on_disk(move |disk| {
            disk.make_folder(file.parent().unwrap_or(&file), 0o700)?;
            match content {
                Some(content) => drop(copy_anew(disk, &content, &file)?),
                None => {
                    if let Some(left) = move_aside(disk, &originals, &file)? {
                        text += &format!("It lies where it was claimed: {}\n", left.display());
                    }
                    return disk.replace(&sentence, text.as_bytes());
                }
            }
            disk.replace(&sentence, text.as_bytes())?;
            originals.iter().try_for_each(|original| put_away(disk, original, copied, &changed))
        });
        aside.await.map_err(|setback| setback.at(&self.site.places.refused()))?;
        Ok(Fact::SetAside.into())
    }

    /// What may lie in OUT of this query: its part names, a data file that the hub left behind; and its trigger,
    /// first of all, only if the query is not to be sent any more.
    async fn clear_out(&self, query: &Accepted, with_trigger: bool, left: &mut Vec<String>) -> Result<(), Setback> {
        let trigger = trigger_name(&query.remote_name).map_err(|e| Setback::Other(e.to_string()))?;
        let id = self.exchange.id;
        self.far(async |session| {
            let listing = session.list(Folder::Out, OUT_ENTRIES_MAX).await?;
            let names: Vec<_> = listing.files.into_iter().map(|file| file.name).collect();
            for name in to_clear(id, query, &trigger, with_trigger, &names) {
                self.remove_or_leave(session, &in_out(&name), left).await?;
            }
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// Takes replies and receipts off IN, each only if it is what was read: a newer file of the same name is left
    /// for the next poll.
    async fn clear_in(&self, left: &mut Vec<String>) -> Result<(), Setback> {
        if self.exchange.arrivals.is_empty() && self.exchange.receipts.is_empty() {
            return Ok(());
        }
        self.far(async |session| {
            for arrival in &self.exchange.arrivals {
                if remove_reply(session, arrival, None).await? != Removed::Gone {
                    left.push(in_in(&arrival.name).to_string());
                }
            }
            let read: Vec<_> = self.exchange.receipts.iter().map(|receipt| receipt.hash).collect();
            for receipt in &self.exchange.receipts {
                if remove_receipt(session, &receipt.name, &read).await? != Removed::Gone {
                    left.push(in_in(&receipt.name).to_string());
                }
            }
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// What the server will not remove is left and told; anything else is tried again.
    async fn remove_or_leave(
        &self,
        session: &C::Session,
        path: &RemotePath,
        left: &mut Vec<String>,
    ) -> Result<(), Trouble> {
        if remove(session, path).await? != Removed::Gone {
            left.push(path.to_string());
        }
        Ok(())
    }

    /// Makes sure that a trigger which a person takes for not made can no longer be: its part name is fenced, and
    /// the trigger itself removed. Returns the proof that it was picked up, if that is what is found. Only of an attempt
    /// that is not proven to have failed: the next staging clears away by what that one could be told.
    async fn withdraw_trigger(&self, query: &Accepted, way: &TriggerWay) -> Result<Option<String>, Setback> {
        let (data, trigger) = (in_out(&query.remote_name), in_out(&self.final_name()?));
        let part = match way {
            TriggerWay::Rename { part } => Some(part),
            TriggerWay::Write => None,
        };
        let found = self
            .far(async |session| {
                if let Some(part) = part
                    && fence(session, part).await?
                {
                    return Ok(None);
                }
                match session.remove(&trigger).await {
                    Ok(()) => Ok(None),
                    Err(Trouble::Missing) if part.is_some() => Ok(Some("part name and trigger are both gone")),
                    Err(Trouble::Missing) => match session.size(&data).await {
                        Err(Trouble::Missing) => Ok(Some("data and trigger are both gone")),
                        size => size.map(|_| None),
                    },
                    Err(trouble) => Err(trouble),
                }
            })
            .await?;
        Ok(found.map(|what| format!("{what}, so it was picked up, whatever was settled")))
    }

    async fn put_original_away(&self) -> Result<(), Setback> {
        let (originals, copied, changed) = (self.originals(), self.copied(), self.changed_original());
        let put = move |disk: &dyn Disk| originals.iter().try_for_each(|file| put_away(disk, file, copied, &changed));
        self.on_disk(put).await
    }

    /// What was copied of the original; None: there is none.
    fn copied(&self) -> Option<ContentHash> {
        match &self.exchange.origin {
            Origin::Query(query) => Some(query.hash),
            Origin::Unfit(unfit) => Some(unfit.hash),
            Origin::Reply => None,
        }
    }

    fn changed_original(&self) -> PathBuf {
        self.site.places.changed_original(&self.exchange.route, self.exchange.id)
    }

    /// Where the claimed original may lie.
    fn originals(&self) -> Vec<PathBuf> {
        let spool_name = match &self.exchange.origin {
            Origin::Query(query) => &query.spool_name,
            Origin::Unfit(unfit) => &unfit.spool_name,
            Origin::Reply => return Vec::new(),
        };
        self.site.spools().iter().map(|spool| spool.join(spool_name)).collect()
    }
}

/// Removes an original whose every byte was copied. One that a writer has gone on with is kept beside the copy, or where
/// it is if that is another file system.
fn put_away(disk: &dyn Disk, original: &Path, copied: Option<ContentHash>, changed: &Path) -> io::Result<()> {
    match read_bounded(disk, original, QUERY_SIZE_MAX) {
        Ok(content) if Some(ContentHash::of(&content)) == copied => return disk.remove(original),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(_) | Err(_) => {}
    }
    warn!(kept = %changed.display(), "the original was written to after it was copied, it is kept");
    match disk.rename(original, changed) {
        Err(e) if e.kind() == io::ErrorKind::CrossesDevices => Ok(()),
        renamed => renamed,
    }
}

/// Renames the original into `refused/`. Returns it where it must be left, because that is another file system.
fn move_aside(disk: &dyn Disk, originals: &[PathBuf], file: &Path) -> io::Result<Option<PathBuf>> {
    for original in originals {
        match disk.rename(original, file) {
            Ok(()) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices => return Ok(Some(original.clone())),
            Err(e) => return Err(e),
        }
    }
    // Moved already, before a crash.
    Ok(None)
}

/// The names in OUT to remove, in order.
fn to_clear(
    id: FileId,
    query: &Accepted,
    trigger: &RemoteName,
    with_trigger: bool,
    names: &[RemoteName],
) -> Vec<RemoteName> {
    let there = |wanted: &RemoteName| names.contains(wanted).then(|| wanted.clone());
    let trigger = with_trigger.then(|| there(trigger)).flatten();
    let parts = names.iter().filter(|name| is_part_of(id, name)).cloned();
    trigger.into_iter().chain(parts).chain(there(&query.remote_name)).collect()
}
