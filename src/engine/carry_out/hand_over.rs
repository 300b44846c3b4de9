//! The last step here: reply and change list into the benefit system's inbox, whole or not at all, and once.
//! Part files in the same folder, then the intent, then the renames: a part file that is gone was renamed, so what
//! the benefit system has already taken is not put there again.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{CarriedOut, Setback, Work};
use crate::domain::exchange::fact::Arrival;
use crate::domain::exchange::hold::HoldReason;
use crate::domain::exchange::{Fact, HandOverNames};
use crate::domain::identity::ContentHash;
use crate::durable::{Disk, Stream};
use crate::engine::point;
use crate::pipeline::ChangeList;
use crate::transport::Connect;

/// The settings' command is ended after this long; what takes longer belongs into a queue of its own.
const COMMAND_SECONDS_MAX: u64 = 60;

impl<C: Connect> Work<C> {
    pub(super) async fn stage_hand_over(&self, arrival: Arrival) -> Result<CarriedOut, Setback> {
        let (reply_name, changes_name) = names(&arrival);
        let folder = self.kind.inbox(self.exchange.route.municipality);
        if self.lies_there(folder.join(&reply_name), &arrival).await? {
            // Under a name with its transfer id, byte for byte: handed over before the store was put back, or by a person.
            let inode = self.on_disk(move |disk| disk.folder_inode(&folder)).await?;
            let staged = Fact::HandOverStaged { reply: reply_name, changes: changes_name, folder: inode };
            let facts = vec![staged, Fact::HandOverIntended, Fact::HandedOver];
            return Ok(CarriedOut { facts, ..CarriedOut::default() });
        }
        if let Some(name) = self.name_taken(&folder, [&reply_name, &changes_name]).await? {
            return Ok(held(HoldReason::InboxNameTaken { name }));
        }
        let applied = self.known.applied.ok_or_else(|| Setback::Other("no entry applied this reply".into()))?;
        let list = self.site.ledger.with(move |store| ChangeList::of(store, applied)).await?;
        let reply = self.site.places.reply(&arrival);
        let there = folder.clone();
        let (reply_part, changes_part) = (part(&folder, &reply_name), part(&folder, &changes_name));
        let staged = self
            .on_disk(move |disk| {
                disk.remove(&changes_part)?;
                let mut growing = disk.create(&changes_part)?;
                growing.write_all(list.text().as_bytes())?;
                growing.sync()?;
                disk.share_with_group(&changes_part)?;
                crate::durable::copy_anew(disk, &reply, &reply_part)?;
                disk.share_with_group(&reply_part)?;
                disk.folder_inode(&there)
            })
            .await;
        let inode = staged.map_err(|setback| setback.at(&self.kind.settings.inbox))?;
        point::reached("hand_over_written");
        Ok(Fact::HandOverStaged { reply: reply_name, changes: changes_name, folder: inode }.into())
    }

    pub(super) async fn hand_over(&self, names: HandOverNames) -> Result<CarriedOut, Setback> {
        let folder = self.kind.inbox(self.exchange.route.municipality);
        let (there, handed) = (folder.clone(), names.clone());
        // The change list first: once the reply is there, so is what it changed.
        let done = self.on_disk(move |disk| {
            let changes = rename_once(disk, &there, &handed.changes)?;
            point::reached("changes_renamed");
            let reply = rename_once(disk, &there, &handed.reply)?;
            Ok([changes, reply].contains(&Renamed::Gone) && disk.folder_inode(&there)? != handed.folder)
        });
        match done.await {
            // Gone with the folder that they were in, or taken by the benefit system before: nobody knows.
            Ok(true) => Ok(held(HoldReason::InboxReplaced)),
            Ok(false) => {
                point::reached("reply_renamed");
                Ok(Fact::HandedOver.into())
            }
            Err(Setback::Disk(e)) if e.kind() == io::ErrorKind::AlreadyExists => {
                match self.name_taken(&folder, [&names.reply, &names.changes]).await? {
                    Some(name) => Ok(held(HoldReason::InboxNameTaken { name })),
                    None => Err(Setback::Disk(e)),
                }
            }
            Err(setback) => Err(setback.at(&self.kind.settings.inbox)),
        }
    }

    /// Whether this very reply has its final name already.
    async fn lies_there(&self, file: PathBuf, arrival: &Arrival) -> Result<bool, Setback> {
        let (size, hash) = (arrival.size, arrival.hash);
        self.on_disk(move |disk| match disk.stamp(&file) {
            Ok(stamp) if stamp.size == size => {
                let mut digest = Stream::digest_only();
                io::copy(&mut disk.open(&file)?.take(size), &mut digest)?;
                Ok(ContentHash::new(digest.digest()) == hash)
            }
            Ok(_) => Ok(false),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => Ok(false),
            Err(e) => Err(e),
        })
        .await
    }

    async fn name_taken(&self, folder: &Path, names: [&str; 2]) -> Result<Option<String>, Setback> {
        let paths = names.map(|name| (folder.join(name), name.to_owned()));
        self.on_disk(move |disk| {
            for (path, name) in paths {
                if is_there(disk, &path)? {
                    return Ok(Some(name));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Runs the settings' command with the exchange's id as its last argument; without one, goes on to tidy.
    pub(super) async fn run_command(&self) -> Result<CarriedOut, Setback> {
        let Some((program, arguments)) = self.kind.settings.hand_over_command.split_first() else {
            return self.tidy().await;
        };
        let mut command = tokio::process::Command::new(program);
        command.args(arguments).arg(self.exchange.id.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let limit = Duration::from_secs(COMMAND_SECONDS_MAX);
        let ran = match tokio::time::timeout(limit, command.status()).await {
            Ok(status) => status.map_err(|e| Setback::Other(format!("hand_over_command {program}: {e}")))?,
            Err(_) => return Err(Setback::Other(format!("hand_over_command ran longer than {COMMAND_SECONDS_MAX} s"))),
        };
        match ran.success() {
            true => Ok(Fact::CommandRan { exit: ran.code() }.into()),
            false => Err(Setback::Other(format!("hand_over_command ended with {ran}"))),
        }
    }
}

/// The names in the inbox: the reply's own with the transfer id in it, and the change list's beside it.
fn names(arrival: &Arrival) -> (String, String) {
    let name = arrival.name.as_str();
    let (stem, ending) = name.rsplit_once('.').map_or((name, String::new()), |(s, e)| (s, format!(".{e}")));
    let transfer = arrival.transfer;
    (format!("{stem}.{transfer}{ending}"), format!("{stem}.{transfer}.changes.csv"))
}

fn held(reason: HoldReason) -> CarriedOut {
    Fact::ReplyHeld { reasons: vec![reason], register_head: 0, summary: None }.into()
}

fn part(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.part"))
}

/// Whether both part files are there, so that handing over can be intended.
pub fn is_staged(disk: &dyn Disk, folder: &Path, names: &HandOverNames) -> bool {
    // What cannot be looked at is not gone: the renames will say what is wrong.
    [&names.reply, &names.changes].iter().all(|name| is_there(disk, &part(folder, name)).unwrap_or(true))
}

fn is_there(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    match disk.stamp(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        // Something that is no file has the name.
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(true),
        Err(e) => Err(e),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Renamed {
    Now,
    /// The part file is gone and the final name is there: renamed before, and not taken yet.
    Before,
    /// Neither is there.
    Gone,
}

fn rename_once(disk: &dyn Disk, folder: &Path, name: &str) -> io::Result<Renamed> {
    match disk.rename(&part(folder, name), &folder.join(name)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            // Renamed before, and perhaps not synced.
            disk.sync_folders(&[folder])?;
            match is_there(disk, &folder.join(name))? {
                true => Ok(Renamed::Before),
                false => Ok(Renamed::Gone),
            }
        }
        renamed => renamed.map(|()| Renamed::Now),
    }
}
