//! What follows from a state: at most one duty. A duty may be started twice without harm, except the two
//! that record their intent first (`Exchange::intent`).

use super::fact::{Arrival, Fact, TriggerWay};
use super::hold::HoldReason;
use super::{Approval, Exchange, HandOverNames, State, TriggerPlan};
use crate::domain::identity::{FileId, RemoteName};

/// What is to be done next for one exchange.
#[derive(Clone, Debug, PartialEq)]
pub enum Duty {
    /// Write the data into OUT and look its size up there.
    UploadData,
    /// Write the trigger whole under a part name that was never used before ([`part_name`]).
    StageTrigger,
    /// Make the trigger visible: one request, after its intent. Never repeated. Just before the intent the
    /// original is compared with its stamp, unless a person has waived that.
    Submit { way: TriggerWay, check_original: bool },
    /// Find out whether the trigger was made, by the fence or by evidence.
    SettleDoubt { way: TriggerWay },
    /// Compare the reply with the register and apply it, or hold it.
    Compare { arrival: Arrival, approved: Option<Approval> },
    /// Write reply and change list into the inbox folder as part files.
    StageHandOver { arrival: Arrival },
    /// Give them their final names; after its intent. A part file that is gone was already renamed.
    HandOver { names: HandOverNames },
    /// Run the settings' command, if there is one.
    RunCommand,
    /// Remove from the far side what belongs to this exchange.
    Tidy,
    /// Put a refused or withdrawn file into `refused/` with its sentence, and take its traces off the far side.
    SetAside { why: String },
}

impl Exchange {
    /// The one duty of this state, or none where it waits for the other side or for a person.
    pub fn duty(&self) -> Option<Duty> {
        // What lies in the spool of a restored store is another file than the one that was claimed.
        let check_original =
            !self.is_restored && !self.waived.iter().any(|waived| matches!(waived, HoldReason::OriginalChanged { .. }));
        match &self.state {
            State::Accepted => Some(Duty::UploadData),
            State::Uploaded { plan: TriggerPlan::Rename } => Some(Duty::StageTrigger),
            State::Uploaded { plan: TriggerPlan::Write } => {
                Some(Duty::Submit { way: TriggerWay::Write, check_original })
            }
            State::Staged { part } => {
                Some(Duty::Submit { way: TriggerWay::Rename { part: part.clone() }, check_original })
            }
            State::Submitting { way } | State::InDoubt { way, .. } => Some(Duty::SettleDoubt { way: way.clone() }),
            State::Replied { arrival, approved } => {
                Some(Duty::Compare { arrival: arrival.clone(), approved: *approved })
            }
            State::Applied { arrival } => Some(Duty::StageHandOver { arrival: arrival.clone() }),
            State::HandOverStaged { names, .. } | State::HandingOver { names, .. } => {
                Some(Duty::HandOver { names: names.clone() })
            }
            State::HandedOver => Some(Duty::RunCommand),
            State::CommandRan | State::Rejecting { .. } => Some(Duty::Tidy),
            State::Refusing { why } | State::Withdrawing { why } => Some(Duty::SetAside { why: why.clone() }),
            State::QueryHeld { .. }
            | State::Submitted
            | State::Receipted
            | State::ReceiptHeld { .. }
            | State::ReplyHeld { .. }
            | State::Done { .. }
            | State::Refused { .. }
            | State::Withdrawn { .. }
            | State::Rejected { .. } => None,
        }
    }

    /// The fact that must be on disk before this duty is begun, from this state.
    pub fn intent(&self, duty: &Duty) -> Option<Fact> {
        match (duty, &self.state) {
            (Duty::Submit { way, .. }, _) => Some(Fact::TriggerIntended { way: way.clone() }),
            (Duty::HandOver { .. }, State::HandOverStaged { .. }) => Some(Fact::HandOverIntended),
            _ => None,
        }
    }
}

/// The part name of one staging. It carries the file id, so that what is left behind is known as ours; the
/// nonce makes it one that no other staging has, so that neither a late rename nor a late write of a dead
/// session can touch the trigger of a living one; and nothing that looks for `.trigger` at the end finds it.
pub fn part_name(id: FileId, nonce: u32) -> RemoteName {
    format!("{id}.{nonce:08x}.part").parse().expect("a UUID, eight digits and letters are a remote name")
}

/// Where the fence puts a part name that was never renamed to the trigger. See the engine's `doubt`.
pub fn fenced_name(part: &RemoteName) -> RemoteName {
    part.with_suffix("ed").expect("a part name is far shorter than 250 characters")
}

/// Whether a name in OUT is a part name, fenced or not, of this exchange.
pub fn is_part_of(id: FileId, name: &RemoteName) -> bool {
    name.as_str()
        .strip_prefix(&id.to_string())
        .is_some_and(|rest| rest.starts_with('.') && (rest.ends_with(".part") || rest.ends_with(".parted")))
}
