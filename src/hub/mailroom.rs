//! The mailroom: takes triggers out of each user's OUT, delivers data and metadata into the recipients'
//! IN, and answers the sender with a receipt. It knows nothing of what the files say. Start with
//! [`Mailroom::pass`].
//!
//! A trigger is taken once, by renaming it into `ROOT/.mailroom/taken/<USER>/<transfer>/`, and stays
//! there until it is answered. So a hub that is killed goes on where it was: what it had accepted is
//! delivered under the same transfer id, and what it had refused is judged again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};
use uuid::Uuid;

use super::folders::{FolderTrouble, Folders, files_in, is_taken, open_file, put, read_file, remove, trouble};
use super::refusal::Refusal;
use super::used_names::{Progress, UsedNames};
use crate::domain::envelope::{
    DOCUMENT_BYTES_MAX, FileMetadata, ReceiptOutcome, SendersFileId, TechnicalReceipt, Trigger,
};
use crate::domain::identity::{FileId, RemoteName, TransferId, UserName};
use crate::domain::moment::Moment;

/// A trigger that cannot be read is judged only when it has been still for this long: its sender may
/// be writing it under its final name.
const TRIGGER_GRACE: Duration = Duration::from_secs(1);

/// The recipient that asks the hub to find the recipient.
const ROUTED: &str = "ROUTING_V1_0_0";

const METADATA: &str = ".metadata";
const RECEIPT: &str = ".sftpreceipt";

/// What a mailroom is asked to do beyond delivering.
#[derive(Clone, Debug, Default)]
pub struct MailroomRules {
    /// How long a sender waits for its receipt.
    pub receipt_delay: Duration,
    /// Where a trigger goes whose recipient is `ROUTING_V1_0_0`.
    pub routed_to: Option<UserName>,
    /// No receipt is ever written.
    pub swallow_receipts: bool,
    /// What is sent to this user is answered with this error receipt instead of being delivered.
    pub refuse_all_to: Option<(UserName, i64, String)>,
}

#[derive(Debug)]
pub struct Mailroom {
    folders: Folders,
    users: BTreeSet<UserName>,
    rules: MailroomRules,
    used: UsedNames,
    /// Triggers that could not be read at the last pass, and how they looked.
    unsettled: HashMap<PathBuf, Look>,
    /// Taken, not judged.
    taken: Vec<Taken>,
    /// Judged, the receipt not yet written.
    answers: Vec<Answer>,
}

/// What one pass has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub delivered: u64,
    pub refused: u64,
    pub receipts: u64,
}

/// Two equal looks at a file: it was still in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    size: u64,
    modified: Moment,
}

/// A trigger that has left its sender's OUT.
#[derive(Clone, Debug)]
struct Taken {
    sender: UserName,
    transfer: TransferId,
    /// The trigger's own name without `.trigger`.
    name: RemoteName,
    folder: PathBuf,
}

#[derive(Debug)]
struct Answer {
    taken: Taken,
    receipt: TechnicalReceipt,
    due: Moment,
    is_held_up: bool,
}

impl Mailroom {
    /// Makes what is missing of the folders and finds what an earlier hub had taken.
    pub fn open(folders: Folders, users: BTreeSet<UserName>, rules: MailroomRules) -> Result<Mailroom, FolderTrouble> {
        for user in &users {
            folders.make_for(user)?;
            let taken = taken_of(&folders, user);
            fs::create_dir_all(&taken).map_err(trouble("make the folder", &taken))?;
        }
        let used = UsedNames::open(&folders.root().join(".mailroom/used-names.jsonl"))?;
        let mut taken = Vec::new();
        for user in &users {
            taken.extend(taken_before(&folders, user)?);
        }
        Ok(Mailroom { folders, users, rules, used, unsettled: HashMap::new(), taken, answers: Vec::new() })
    }

    /// Takes, judges, delivers and answers whatever is there. `new_id` gives random UUIDs. Errors: what
    /// could not be done to a file; the next pass tries again.
    pub fn pass(&mut self, now: Moment, mut new_id: impl FnMut() -> Uuid) -> Result<Tally, FolderTrouble> {
        let mut tally = Tally::default();
        self.take(now, &mut new_id)?;
        while let Some(taken) = self.taken.last().cloned() {
            let receipt = self.settle(&taken, &mut tally)?;
            self.answers.push(Answer { taken, receipt, due: now.plus(self.rules.receipt_delay), is_held_up: false });
            self.taken.pop();
        }
        self.answer(now, &mut tally)?;
        Ok(tally)
    }

    fn take(&mut self, now: Moment, new_id: &mut impl FnMut() -> Uuid) -> Result<(), FolderTrouble> {
        let before = std::mem::take(&mut self.unsettled);
        let mut found = Vec::new();
        for sender in &self.users {
            let out = self.folders.out_of(sender);
            for trigger in files_in(&out)? {
                let path = out.join(trigger.as_str());
                let Some(name) = data_name(&trigger) else { continue };
                match look_at(&path)? {
                    None => {}
                    Some((_, true)) => found.push((sender, name, path)),
                    Some((look, false)) => {
                        let is_still = before.get(&path) == Some(&look) && now.since(look.modified) >= TRIGGER_GRACE;
                        if is_still {
                            found.push((sender, name, path));
                        } else {
                            self.unsettled.insert(path, look);
                        }
                    }
                }
            }
        }
        for (sender, name, path) in found {
            let transfer = TransferId::new(new_id());
            let folder = taken_of(&self.folders, sender).join(transfer.to_string());
            fs::create_dir(&folder).map_err(trouble("make the folder", &folder))?;
            match fs::rename(&path, folder.join(format!("{name}.trigger"))) {
                Ok(()) => self.taken.push(Taken { sender: sender.clone(), transfer, name, folder }),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    fs::remove_dir(&folder).map_err(trouble("remove", &folder))?;
                }
                Err(error) => return Err(trouble("take", &path)(error)),
            }
        }
        self.taken.reverse();
        Ok(())
    }

    /// Delivers or refuses one taken trigger, and says so to its sender.
    fn settle(&mut self, taken: &Taken, tally: &mut Tally) -> Result<TechnicalReceipt, FolderTrouble> {
        let path = taken.folder.join(format!("{}.trigger", taken.name));
        let bytes = read_file(&path, DOCUMENT_BYTES_MAX as u64 + 1)?.unwrap_or_default();
        let senders_file_id = Trigger::read(&bytes).ok().and_then(|t| t.senders_file_id?.parse::<FileId>().ok());
        let judged = Trigger::read_strictly(&bytes).map_err(Refusal::Unreadable);
        let outcome = match judged {
            Ok(trigger) => self.deliver(taken, &trigger)?,
            Err(refusal) => Err(refusal),
        };
        let Taken { sender, transfer, name, .. } = taken;
        let outcome = match outcome {
            Ok(()) => {
                tally.delivered += 1;
                info!(%sender, %name, %transfer, "file delivered");
                ReceiptOutcome::Success
            }
            Err(refusal) => {
                tally.refused += 1;
                let error = refusal.receipt_error();
                info!(%sender, %name, %transfer, code = error.code, title = error.title, "trigger refused");
                ReceiptOutcome::Failure { errors: vec![error] }
            }
        };
        let senders_file_id = senders_file_id.map_or(SendersFileId::Absent, SendersFileId::Uuid);
        Ok(TechnicalReceipt { transfer: taken.transfer, senders_file_id, outcome })
    }

    /// Data first, then metadata, then the data's removal from OUT; a refusal leaves the data where it is.
    fn deliver(&mut self, taken: &Taken, trigger: &Trigger) -> Result<Result<(), Refusal>, FolderTrouble> {
        let Taken { sender, transfer, name, .. } = taken;
        let so_far = self.used.get(sender, name).filter(|(user, _)| user == transfer).map(|(_, progress)| progress);
        if so_far == Some(Progress::Delivered) {
            return Ok(Ok(()));
        }
        let recipients = match self.judge(taken, trigger, so_far.is_some()) {
            Ok(recipients) => recipients,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let data = self.folders.out_of(sender).join(name.as_str());
        let Some(found) = size_of(&data)? else { return Ok(Err(Refusal::NoData)) };
        if found != trigger.size {
            return Ok(Err(Refusal::SizeDiffers { said: trigger.size, found }));
        }
        self.used.record(sender, name, *transfer, Progress::Accepted)?;
        let metadata = FileMetadata {
            transfer: *transfer,
            file_name: name.clone(),
            size: trigger.size,
            sender: sender.clone(),
            senders_file_id: trigger.senders_file_id.clone(),
            recipients: recipients.clone(),
        };
        for recipient in &recipients {
            let Some(source) = open_file(&data)? else { return Ok(Err(Refusal::NoData)) };
            let inbox = self.folders.in_of(recipient);
            let found = put(&inbox, name, source)?;
            if found != trigger.size {
                remove(&inbox.join(name.as_str()))?;
                return Ok(Err(Refusal::SizeDiffers { said: trigger.size, found }));
            }
            put(&inbox, &beside(name, METADATA), metadata.to_xml().as_slice())?;
        }
        self.used.record(sender, name, *transfer, Progress::Delivered)?;
        remove(&data)?;
        Ok(Ok(()))
    }

    /// Who gets the file, or why nobody does.
    fn judge(&self, taken: &Taken, trigger: &Trigger, is_accepted: bool) -> Result<Vec<UserName>, Refusal> {
        if trigger.file_name != taken.name {
            return Err(Refusal::NameDiffers);
        }
        if trigger.sender != taken.sender {
            return Err(Refusal::SenderDiffers);
        }
        let mut recipients = Vec::new();
        for named in &trigger.recipients {
            let recipient = self.rules.routed_to.as_ref().filter(|_| named.as_str() == ROUTED).unwrap_or(named);
            if !self.users.contains(recipient) {
                return Err(Refusal::UnknownRecipient(named.clone()));
            }
            if !recipients.contains(recipient) {
                recipients.push(recipient.clone());
            }
        }
        if is_accepted {
            return Ok(recipients);
        }
        let lies_there = |recipient: &UserName| is_taken(&self.folders.in_of(recipient).join(taken.name.as_str()));
        if self.used.get(&taken.sender, &taken.name).is_some() || recipients.iter().any(lies_there) {
            return Err(Refusal::NameUsed);
        }
        match &self.rules.refuse_all_to {
            Some((user, code, text)) if recipients.contains(user) => {
                Err(Refusal::OnRequest { code: *code, text: text.clone() })
            }
            _ => Ok(recipients),
        }
    }

    /// Writes the receipts that are due. One whose name still lies in the sender's IN waits until it was
    /// fetched: a receipt is never overwritten.
    fn answer(&mut self, now: Moment, tally: &mut Tally) -> Result<(), FolderTrouble> {
        let mut waiting = Vec::new();
        let mut answers = std::mem::take(&mut self.answers).into_iter();
        let mut outcome = Ok(());
        for mut answer in answers.by_ref() {
            let written = if answer.due > now { Ok(false) } else { self.write_receipt(&mut answer) };
            match written {
                Ok(true) => tally.receipts += 1,
                Ok(false) => waiting.push(answer),
                Err(trouble) => {
                    waiting.push(answer);
                    outcome = Err(trouble);
                    break;
                }
            }
        }
        waiting.extend(answers);
        self.answers = waiting;
        outcome
    }

    fn write_receipt(&self, answer: &mut Answer) -> Result<bool, FolderTrouble> {
        let Taken { sender, name, folder, .. } = &answer.taken;
        let inbox = self.folders.in_of(sender);
        let receipt = beside(name, RECEIPT);
        if !self.rules.swallow_receipts {
            if is_taken(&inbox.join(receipt.as_str())) {
                if !std::mem::replace(&mut answer.is_held_up, true) {
                    warn!(%sender, %receipt, "an earlier receipt was not fetched, so the next one waits");
                }
                return Ok(false);
            }
            put(&inbox, &receipt, answer.receipt.to_xml().as_slice())?;
        }
        fs::remove_dir_all(folder).map_err(trouble("remove", folder))?;
        Ok(true)
    }
}

fn taken_of(folders: &Folders, user: &UserName) -> PathBuf {
    folders.root().join(".mailroom/taken").join(user.as_str())
}

/// What an earlier hub took and did not answer. A folder without a trigger is where it was killed
/// before the taking.
fn taken_before(folders: &Folders, sender: &UserName) -> Result<Vec<Taken>, FolderTrouble> {
    let all = taken_of(folders, sender);
    let mut found = Vec::new();
    for entry in fs::read_dir(&all).map_err(trouble("list", &all))? {
        let entry = entry.map_err(trouble("list", &all))?;
        let Some(transfer) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else { continue };
        let folder = entry.path();
        match files_in(&folder)?.first().and_then(data_name) {
            Some(name) => found.push(Taken { sender: sender.clone(), transfer, name, folder }),
            None => fs::remove_dir_all(&folder).map_err(trouble("remove", &folder))?,
        }
    }
    Ok(found)
}

/// How a trigger looks, and whether it is whole. None: it is gone.
fn look_at(path: &Path) -> Result<Option<(Look, bool)>, FolderTrouble> {
    let Some(bytes) = read_file(path, DOCUMENT_BYTES_MAX as u64 + 1)? else { return Ok(None) };
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
    let modified = metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(Timestamp::MIN);
    let look = Look { size: metadata.len(), modified: modified.into() };
    Ok(Some((look, Trigger::read_strictly(&bytes).is_ok())))
}

fn size_of(path: &Path) -> Result<Option<u64>, FolderTrouble> {
    let Some(file) = open_file(path)? else { return Ok(None) };
    file.metadata().map(|metadata| Some(metadata.len())).map_err(trouble("look at", path))
}

/// The name of the file that a trigger is about. None: it is no trigger, or the name is so long that no
/// receipt could be named after it.
fn data_name(trigger: &RemoteName) -> Option<RemoteName> {
    let name: RemoteName = trigger.as_str().strip_suffix(".trigger")?.parse().ok()?;
    name.with_suffix(RECEIPT).is_ok().then_some(name)
}

fn beside(name: &RemoteName, suffix: &'static str) -> RemoteName {
    name.with_suffix(suffix).expect("data_name lets only names pass to which the longest suffix can be added")
}
