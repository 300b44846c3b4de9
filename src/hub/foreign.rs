//! What other integrations of the same IT system leave in a user's IN: the SFTP user is shared, so a
//! client must live with files that are not its own.

use uuid::Uuid;

use super::folders::{FolderTrouble, put};
use crate::domain::envelope::{FileMetadata, ReceiptOutcome, SendersFileId, TechnicalReceipt};
use crate::domain::identity::{FileId, RemoteName, TransferId, UserName};

const SENDER: &str = "SKAT_EINDKOMST";
const DATA: &[u8] = b"<Indkomst>somebody else's</Indkomst>\n";

/// Puts three kinds of foreign things into `inbox`: a file with its metadata, metadata whose file is gone,
/// and a receipt for a file that nobody here has sent.
pub(super) fn put_foreign_files(
    inbox: &std::path::Path,
    user: &UserName,
    mut new_id: impl FnMut() -> Uuid,
) -> Result<(), FolderTrouble> {
    let whole = name("EINDKOMST_20261130_0007.xml");
    let gone = name("EINDKOMST_20261130_0008.xml");
    let sent = name("YDELSESREFUSION_20261130_0003.csv");
    let metadata = |file_name: &RemoteName, id: Uuid| FileMetadata {
        transfer: TransferId::new(id),
        file_name: file_name.clone(),
        size: DATA.len() as u64,
        sender: SENDER.parse().expect("the sender is an SFTP user's name"),
        senders_file_id: None,
        recipients: vec![user.clone()],
    };
    let receipt = TechnicalReceipt {
        transfer: TransferId::new(new_id()),
        senders_file_id: SendersFileId::Uuid(FileId::new(new_id())),
        outcome: ReceiptOutcome::Success,
    };
    put(inbox, &whole, DATA)?;
    put(inbox, &beside(&whole, ".metadata"), metadata(&whole, new_id()).to_xml().as_slice())?;
    put(inbox, &beside(&gone, ".metadata"), metadata(&gone, new_id()).to_xml().as_slice())?;
    put(inbox, &beside(&sent, ".sftpreceipt"), receipt.to_xml().as_slice())?;
    Ok(())
}

fn name(text: &str) -> RemoteName {
    text.parse().expect("a short name of letters and digits is a file name")
}

fn beside(name: &RemoteName, suffix: &str) -> RemoteName {
    name.with_suffix(suffix).expect("a short name has room for a suffix")
}
