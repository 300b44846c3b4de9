//! From an envelope to bytes, strictly as the contract says: UTF-8, the root with a prefix, what is
//! below it bare, the content descriptor always there, UUIDs in lower case.

use quick_xml::escape::partial_escape;
use uuid::Uuid;

use super::{
    FileMetadata, NAMESPACE, ReceiptError, ReceiptOutcome, SendersFileId, TEXT_CHARS_MAX, TechnicalReceipt, Trigger,
};
use crate::domain::identity::{RemoteName, UserName};
use crate::domain::person::mask_in_text;

impl Trigger {
    /// The file that is put beside the data as `<name>.trigger`. A sender's id that is longer than the
    /// contract's 255 characters is cut; ours is a UUID.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut xml = Xml::open("Trigger");
        xml.file_descriptor(
            &self.file_name,
            self.size,
            &self.sender,
            self.senders_file_id.as_deref(),
            &self.recipients,
        );
        xml.line(1, "<FileContentDescriptor/>");
        xml.close("Trigger")
    }
}

impl FileMetadata {
    /// The file that is put beside delivered data as `<name>.metadata`.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut xml = Xml::open("FileMetadata");
        xml.leaf(1, "FileTransferUUID", &self.transfer.to_string());
        xml.file_descriptor(
            &self.file_name,
            self.size,
            &self.sender,
            self.senders_file_id.as_deref(),
            &self.recipients,
        );
        xml.line(1, "<FileContentDescriptor/>");
        xml.close("FileMetadata")
    }
}

impl TechnicalReceipt {
    /// The file that answers a trigger as `<name>.sftpreceipt`. A single error without a code becomes a
    /// message other than `SUCCESS`; among several, its code is written as 0, as the contract wants one.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut xml = Xml::open("TechnicalReceipt");
        xml.leaf(1, "FileTransferUUID", &self.transfer.to_string());
        if let SendersFileId::Uuid(id) = &self.senders_file_id {
            xml.leaf(1, "SendersFileId", &id.to_string());
        }
        match &self.outcome {
            ReceiptOutcome::Success => xml.message("SUCCESS"),
            ReceiptOutcome::Failure { errors } => match errors.as_slice() {
                [ReceiptError { code: None, title, .. }] => xml.message(title),
                errors => errors.iter().for_each(|error| xml.error(error)),
            },
        }
        xml.close("TechnicalReceipt")
    }
}

/// Another's words as they may be kept: control characters replaced by blanks, cut at 255 characters, trimmed, and what
/// could be a CPR number masked.
pub(super) fn words(text: &str) -> String {
    mask_in_text(as_allowed(text.trim()).trim())
}

fn as_allowed(text: &str) -> String {
    let is_unprintable = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
}

struct Xml(String);

impl Xml {
    fn open(root: &str) -> Xml {
        Xml(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ns2:{root} xmlns:ns2=\"{NAMESPACE}\">\n"))
    }

    fn close(mut self, root: &str) -> Vec<u8> {
        self.line(0, &format!("</ns2:{root}>"));
        self.0.into_bytes()
    }

    fn line(&mut self, depth: usize, line: &str) {
        self.0.extend(std::iter::repeat_n("  ", depth));
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn leaf(&mut self, depth: usize, element: &str, text: &str) {
        let text = as_allowed(text);
        self.line(depth, &format!("<{element}>{}</{element}>", partial_escape(text.as_str())));
    }

    fn file_descriptor(
        &mut self,
        file_name: &RemoteName,
        size: u64,
        sender: &UserName,
        senders_file_id: Option<&str>,
        recipients: &[UserName],
    ) {
        self.line(1, "<FileDescriptor>");
        self.leaf(2, "FileName", file_name.as_str());
        self.leaf(2, "SizeInBytes", &size.to_string());
        self.leaf(2, "Sender", sender.as_str());
        if let Some(id) = senders_file_id {
            let lower = Uuid::parse_str(id).map(|uuid| uuid.to_string());
            self.leaf(2, "SendersFileId", lower.as_deref().unwrap_or(id));
        }
        for recipient in recipients {
            self.leaf(2, "Recipients", recipient.as_str());
        }
        self.line(1, "</FileDescriptor>");
    }

    fn message(&mut self, text: &str) {
        self.line(1, "<Receipt>");
        self.leaf(2, "Message", text);
        self.line(1, "</Receipt>");
    }

    fn error(&mut self, error: &ReceiptError) {
        self.line(1, "<ErrorMessage>");
        self.leaf(2, "ErrorCode", &error.code.unwrap_or(0).to_string());
        self.leaf(2, "ErrorCodeDescription", &error.title);
        self.leaf(2, "ErrorDescription", &error.text);
        self.line(1, "</ErrorMessage>");
    }
}
