//! The XML that travels beside a file: [`Trigger`], [`FileMetadata`], [`TechnicalReceipt`]. Written
//! strictly as the service contract (ServiceContract-SFTP-20230926) says; read leniently, as the field
//! differs from it. Nothing here expands an entity, looks at a DTD or repeats a file's contents in an
//! error.
//!
//! The contract's trap: its schema does not set `elementFormDefault`, so only the root is in the
//! namespace and every element below it is in none.

mod document;
mod read;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Serialize};

use super::identity::{FileId, RemoteName, TransferId, UserName};

/// The target namespace of the contract's schema, in which only root elements are.
pub const NAMESPACE: &str = "http://serviceplatformen.dk/xml/wsdl/soap11/SFTP/1/types";

/// The longest document that is read, in bytes. A trigger is half a kibibyte; one with a hundred long
/// recipients still fits.
pub const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// The longest text of an element, in characters: the contract's own bound.
pub const TEXT_CHARS_MAX: usize = 255;

/// What a sender writes beside its data file, strictly last: the instant of no return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub file_name: RemoteName,
    /// Bytes.
    pub size: u64,
    pub sender: UserName,
    /// A sender's own id, echoed in the receipt. Ours is a UUID; others' may be any text.
    pub senders_file_id: Option<String>,
    pub recipients: Vec<UserName>,
}

/// What the hub writes beside a file in the recipient's IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    pub transfer: TransferId,
    pub file_name: RemoteName,
    /// Bytes.
    pub size: u64,
    pub sender: UserName,
    pub senders_file_id: Option<String>,
    pub recipients: Vec<UserName>,
}

/// The hub's answer to one trigger, in the sender's IN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TechnicalReceipt {
    pub transfer: TransferId,
    pub senders_file_id: SendersFileId,
    pub outcome: ReceiptOutcome,
}

/// What a receipt says about whose file it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendersFileId {
    /// It says nothing.
    Absent,
    /// As ours are.
    Uuid(FileId),
    /// Some other text: another sender's.
    Other,
}

/// A success only when `Message` is `SUCCESS` and there is no error message beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReceiptOutcome {
    Success,
    /// At least one error.
    Failure {
        errors: Vec<ReceiptError>,
    },
}

/// The hub's words, at most 255 characters each, control characters replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}{title}: {text}", code.map(|code| format!("code {code}, ")).unwrap_or_default())]
pub struct ReceiptError {
    /// None where a receipt's `Message` was something else than `SUCCESS` and carried no code.
    pub code: Option<i64>,
    pub title: String,
    pub text: String,
}

/// Why a document could not be read. It names elements of the contract and nothing that the document
/// said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeTrouble {
    #[error("the document has {size} bytes, expected at most {DOCUMENT_BYTES_MAX}")]
    TooLong { size: usize },
    #[error("the document is neither UTF-8 nor ISO-8859-1, or says that it is something else")]
    Encoding,
    #[error("not well-formed XML at byte {at}")]
    NotWellFormed { at: u64 },
    /// A document type could define entities, so none is looked at.
    #[error("the document has a document type declaration at byte {at}, expected none")]
    DocumentType { at: u64 },
    #[error("the document uses an entity at byte {at} that XML does not predefine")]
    UnknownEntity { at: u64 },
    #[error("elements are nested too deeply at byte {at}")]
    TooDeep { at: u64 },
    #[error("the root element is another one, expected {expected}")]
    Root { expected: &'static str },
    #[error("element {element} is missing")]
    Missing { element: &'static str },
    #[error("element {element} is there more than once")]
    Repeated { element: &'static str },
    #[error("element {element} does not hold {expected}")]
    Malformed { element: &'static str, expected: &'static str },
    #[error("element {element} holds more than {TEXT_CHARS_MAX} characters")]
    TextTooLong { element: &'static str },
    /// Only where a document is held to the contract.
    #[error("below element {element}, {rule}")]
    OffContract { element: &'static str, rule: &'static str },
}
