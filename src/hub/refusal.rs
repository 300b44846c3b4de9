//! Why the mailroom does not deliver: one code and two texts per reason, as they stand in an error
//! receipt. The codes are this hub's own; the real hub's are not published.
//!
//! | code | meaning |
//! |---|---|
//! | 40 | the trigger is no XML, or off the contract |
//! | 41 | the trigger names another file than its own name does |
//! | 42 | a recipient is not known here |
//! | 43 | there is no data file |
//! | 44 | the data file has another size than the trigger says |
//! | 45 | the sender is not the user whose folder the trigger lay in |
//! | 46 | the name was used before, or lies in a recipient's IN |

use crate::domain::envelope::{EnvelopeTrouble, ReceiptError};
use crate::domain::identity::UserName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unreadable(EnvelopeTrouble),
    NameDiffers,
    UnknownRecipient(UserName),
    NoData,
    SizeDiffers {
        said: u64,
        found: u64,
    },
    SenderDiffers,
    NameUsed,
    /// The fault that was asked for.
    OnRequest {
        code: i64,
        text: String,
    },
}

impl Refusal {
    pub fn receipt_error(&self) -> ReceiptError {
        let (code, title, text) = match self {
            Refusal::Unreadable(trouble) => (40, "Trigger unreadable", trouble.to_string()),
            Refusal::NameDiffers => (41, "File name differs", "FileName is not the trigger's own name".to_owned()),
            Refusal::UnknownRecipient(user) => (42, "Unknown recipient", format!("{user} is not a known recipient")),
            Refusal::NoData => (43, "Data file missing", "there is no data file beside the trigger".to_owned()),
            Refusal::SizeDiffers { said, found } => {
                (44, "Size differs", format!("SizeInBytes is {said}, the data file has {found} bytes"))
            }
            Refusal::SenderDiffers => (45, "Sender differs", "Sender is not the user who sent the trigger".to_owned()),
            Refusal::NameUsed => (46, "File name already used", "a file name is unique for ever".to_owned()),
            Refusal::OnRequest { code, text } => (*code, "Refused on request", text.clone()),
        };
        ReceiptError { code: Some(code), title: title.to_owned(), text }
    }
}
