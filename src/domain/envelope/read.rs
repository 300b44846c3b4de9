//! From bytes to a checked envelope. Leniently, what the field does is accepted: any prefix, a default
//! namespace, `Trigger` as the root of metadata, no content descriptor, white space around values.
//! Strictly, a trigger is held to the contract as a real hub's schema validation would.

use std::str::FromStr;

use super::document::{Element, Space, root_of};
use super::{
    EnvelopeTrouble, FileMetadata, ReceiptError, ReceiptOutcome, SendersFileId, TEXT_CHARS_MAX, TechnicalReceipt,
    Trigger, write::words,
};
use crate::domain::identity::{RemoteName, TransferId, UserName};

const A_FILE_NAME: &str = "a file name";
const A_USER: &str = "an SFTP user";
const A_UUID: &str = "a UUID";
const A_SIZE: &str = "a number of bytes";

impl Trigger {
    /// Reads a trigger as the field may write it. Errors: what is missing or malformed, by element.
    pub fn read(bytes: &[u8]) -> Result<Trigger, EnvelopeTrouble> {
        Trigger::from_root(&expect_root(root_of(bytes)?, "Trigger", &["Trigger"])?)
    }

    /// Reads a trigger that keeps to the contract, as a hub does: the root in the namespace, what is
    /// below it in none, in the contract's order, the content descriptor there.
    pub fn read_strictly(bytes: &[u8]) -> Result<Trigger, EnvelopeTrouble> {
        let root = expect_root(root_of(bytes)?, "Trigger", &["Trigger"])?;
        keeps_to_the_contract(&root)?;
        Trigger::from_root(&root)
    }

    fn from_root(root: &Element) -> Result<Trigger, EnvelopeTrouble> {
        let Descriptor { file_name, size, sender, senders_file_id, recipients } = Descriptor::below(root)?;
        Ok(Trigger { file_name, size, sender, senders_file_id, recipients })
    }
}

impl FileMetadata {
    /// Reads the metadata beside a received file. Errors: what is missing or malformed, by element.
    pub fn read(bytes: &[u8]) -> Result<FileMetadata, EnvelopeTrouble> {
        let root = expect_root(root_of(bytes)?, "FileMetadata", &["FileMetadata", "Trigger"])?;
        let transfer = value::<TransferId>(&root, "FileTransferUUID", A_UUID)?;
        let Descriptor { file_name, size, sender, senders_file_id, recipients } = Descriptor::below(&root)?;
        Ok(FileMetadata { transfer, file_name, size, sender, senders_file_id, recipients })
    }
}

impl TechnicalReceipt {
    /// Reads a receipt. What it says beyond `SUCCESS` is a failure, however it says so. Errors: another
    /// root (a business receipt has one of its own), or no transfer id.
    pub fn read(bytes: &[u8]) -> Result<TechnicalReceipt, EnvelopeTrouble> {
        let root = expect_root(root_of(bytes)?, "TechnicalReceipt", &["TechnicalReceipt"])?;
        Ok(TechnicalReceipt {
            transfer: value(&root, "FileTransferUUID", A_UUID)?,
            senders_file_id: match text_of(&root, "SendersFileId")?.filter(|id| !id.is_empty()) {
                None => SendersFileId::Absent,
                Some(id) => id.parse().map_or(SendersFileId::Other, SendersFileId::Uuid),
            },
            outcome: outcome_of(&root),
        })
    }
}

fn outcome_of(root: &Element) -> ReceiptOutcome {
    let mut errors: Vec<_> = named(root, "ErrorMessage").map(receipt_error).collect();
    let messages: Vec<_> = named(root, "Receipt").flat_map(|receipt| named(receipt, "Message")).collect();
    if errors.is_empty() && !messages.is_empty() && messages.iter().all(|m| m.text.trim() == "SUCCESS") {
        return ReceiptOutcome::Success;
    }
    let refusals = messages.iter().map(|message| words(&message.text)).filter(|text| text != "SUCCESS");
    errors.extend(refusals.map(|title| ReceiptError { code: None, title, text: String::new() }));
    if errors.is_empty() {
        let title = "the receipt carries neither a message nor an error".to_owned();
        errors.push(ReceiptError { code: None, title, text: String::new() });
    }
    ReceiptOutcome::Failure { errors }
}

fn receipt_error(element: &Element) -> ReceiptError {
    let said = |name| named(element, name).next().map(|child| words(&child.text)).unwrap_or_default();
    ReceiptError {
        code: said("ErrorCode").parse().ok(),
        title: said("ErrorCodeDescription"),
        text: said("ErrorDescription"),
    }
}

/// What trigger and metadata have in common.
struct Descriptor {
    file_name: RemoteName,
    size: u64,
    sender: UserName,
    senders_file_id: Option<String>,
    recipients: Vec<UserName>,
}

impl Descriptor {
    fn below(root: &Element) -> Result<Descriptor, EnvelopeTrouble> {
        let descriptor = only(root, "FileDescriptor")?.ok_or(EnvelopeTrouble::Missing { element: "FileDescriptor" })?;
        let recipients = named(descriptor, "Recipients")
            .map(|recipient| parsed::<UserName>(text(recipient, "Recipients")?, "Recipients", A_USER))
            .collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            return Err(EnvelopeTrouble::Missing { element: "Recipients" });
        }
        Ok(Descriptor {
            file_name: value(descriptor, "FileName", A_FILE_NAME)?,
            size: value(descriptor, "SizeInBytes", A_SIZE)?,
            sender: value(descriptor, "Sender", A_USER)?,
            senders_file_id: text_of(descriptor, "SendersFileId")?.filter(|id| !id.is_empty()).map(str::to_owned),
            recipients,
        })
    }
}

/// What the schema demands beyond what reading needs anyway.
fn keeps_to_the_contract(root: &Element) -> Result<(), EnvelopeTrouble> {
    const CHILDREN: [&str; 2] = ["FileDescriptor", "FileContentDescriptor"];
    const PARTS: [&str; 5] = ["FileName", "SizeInBytes", "Sender", "SendersFileId", "Recipients"];
    if root.space != Space::Contract {
        return Err(EnvelopeTrouble::Root { expected: "Trigger in the contract's namespace" });
    }
    bare_and_in_order(root, "Trigger", &CHILDREN)?;
    let content =
        only(root, "FileContentDescriptor")?.ok_or(EnvelopeTrouble::Missing { element: "FileContentDescriptor" })?;
    if let Some(descriptor) = only(root, "FileDescriptor")? {
        bare_and_in_order(descriptor, "FileDescriptor", &PARTS)?;
    }
    let is_allowed = |child: &Element| match child.space {
        Space::None => child.name == "SFTPDynamicRoutingInfo",
        Space::Contract => false,
        Space::Other => true,
    };
    if !content.children.iter().all(is_allowed) {
        let rule = "expected nothing, SFTPDynamicRoutingInfo or foreign elements";
        return Err(EnvelopeTrouble::OffContract { element: "FileContentDescriptor", rule });
    }
    Ok(())
}

fn bare_and_in_order(
    parent: &Element,
    element: &'static str,
    order: &'static [&'static str],
) -> Result<(), EnvelopeTrouble> {
    let off = |rule| Err(EnvelopeTrouble::OffContract { element, rule });
    if parent.children.iter().any(|child| child.space != Space::None) {
        return off("an element is in a namespace, expected none");
    }
    if !parent.text.trim().is_empty() {
        return off("there is text, expected elements only");
    }
    let places: Option<Vec<_>> =
        parent.children.iter().map(|child| order.iter().position(|name| *name == child.name)).collect();
    match places {
        None => off("an element is not in the contract"),
        Some(places) if !places.is_sorted() => off("the elements are not in the contract's order"),
        Some(_) => Ok(()),
    }
}

fn expect_root(
    root: Element,
    expected: &'static str,
    accepted: &'static [&'static str],
) -> Result<Element, EnvelopeTrouble> {
    if accepted.contains(&root.name.as_str()) { Ok(root) } else { Err(EnvelopeTrouble::Root { expected }) }
}

fn named<'e>(parent: &'e Element, name: &'static str) -> impl Iterator<Item = &'e Element> {
    parent.children.iter().filter(move |child| child.name == name)
}

fn only<'e>(parent: &'e Element, element: &'static str) -> Result<Option<&'e Element>, EnvelopeTrouble> {
    let mut found = named(parent, element);
    let first = found.next();
    if found.next().is_some() { Err(EnvelopeTrouble::Repeated { element }) } else { Ok(first) }
}

fn text<'e>(element: &'e Element, name: &'static str) -> Result<&'e str, EnvelopeTrouble> {
    let text = element.text.trim();
    if !element.children.is_empty() {
        return Err(EnvelopeTrouble::Malformed { element: name, expected: "a text alone" });
    }
    if text.chars().count() > TEXT_CHARS_MAX { Err(EnvelopeTrouble::TextTooLong { element: name }) } else { Ok(text) }
}

fn text_of<'e>(parent: &'e Element, name: &'static str) -> Result<Option<&'e str>, EnvelopeTrouble> {
    only(parent, name)?.map(|element| text(element, name)).transpose()
}

fn value<T: FromStr>(parent: &Element, element: &'static str, expected: &'static str) -> Result<T, EnvelopeTrouble> {
    let text = text_of(parent, element)?.ok_or(EnvelopeTrouble::Missing { element })?;
    parsed(text, element, expected)
}

fn parsed<T: FromStr>(text: &str, element: &'static str, expected: &'static str) -> Result<T, EnvelopeTrouble> {
    text.parse().map_err(|_| EnvelopeTrouble::Malformed { element, expected })
}
