//! What lies in OUT and IN, for a person who has to decide on a restored store: names, by what they are. Nothing is written
//! or removed there.

use serde::Serialize;

use super::Names;
use crate::domain::envelope::{SendersFileId, TechnicalReceipt, Trigger};
use crate::domain::exchange::Book;
use crate::domain::identity::{EndpointName, FileId, RemoteName};
use crate::domain::layout::Layout;
use crate::engine::arrivals::{METADATA, RECEIPT};
use crate::engine::desk::Office;
use crate::engine::site::{in_in, in_out};
use crate::transport::{Connect, FarSide, Folder, RemotePath, Trouble};

/// Entries of a folder that are listed.
const LISTED_MAX: usize = 500_000;

/// Triggers and receipts are a kilobyte.
const XML_BYTES_MAX: u64 = 64 << 10;

/// How the name of a trigger ends.
pub(in crate::engine) const TRIGGER: &str = ".trigger";

/// What lies on one far side; names, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FarLook {
    pub endpoint: String,
    /// Why nobody could look.
    pub trouble: Option<String>,
    /// In OUT: the hub has not taken these yet.
    pub triggers: Vec<RemoteName>,
    /// In OUT: triggers that were never made visible.
    pub parts: Vec<RemoteName>,
    /// In OUT: data.
    pub data: Vec<RemoteName>,
    /// In IN.
    pub receipts: Vec<RemoteName>,
    pub replies: Vec<RemoteName>,
    /// By whose query the triggers say they are.
    #[serde(skip)]
    pub names: Names,
}

/// Looks at every endpoint, one after the other.
pub async fn look(office: &Office, book: &Book) -> Vec<FarLook> {
    let mut looks = Vec::new();
    for (name, settings) in &office.settings.endpoints {
        let mut look = FarLook { endpoint: name.to_string(), ..FarLook::default() };
        match crate::engine::endpoint(name, settings) {
            Err(trouble) => look.trouble = Some(trouble.to_string()),
            Ok(endpoint) => match endpoint.connect().await {
                Err(trouble) => look.trouble = Some(trouble.to_string()),
                Ok(session) => {
                    let looked = fill(&mut look, &session, &layouts(office, name), book).await;
                    look.trouble = looked.err().map(|trouble| trouble.to_string());
                    session.close().await;
                }
            },
        }
        looks.push(look);
    }
    looks
}

fn layouts<'o>(office: &'o Office, endpoint: &EndpointName) -> Vec<&'o (Layout, Layout)> {
    let exchanges = office.settings.exchanges.iter().filter(|(_, exchange)| exchange.endpoint == *endpoint);
    exchanges.filter_map(|(name, _)| office.layouts.get(name)).collect()
}

async fn fill<S: FarSide>(
    look: &mut FarLook,
    session: &S,
    layouts: &[&(Layout, Layout)],
    book: &Book,
) -> Result<(), Trouble> {
    let is_query = |name: &str| {
        layouts.iter().any(|(query, _)| query.file_name().read(name).is_some())
            || name.parse().is_ok_and(|name: RemoteName| book.is_used(&name))
    };
    let is_reply = |name: &str| layouts.iter().any(|(_, reply)| reply.file_name().read(name).is_some());
    for file in session.list(Folder::Out, LISTED_MAX).await?.files {
        let name = file.name;
        match name.as_str() {
            text if text.strip_suffix(TRIGGER).is_some_and(is_query) => look.triggers.push(name),
            text if is_part(text) => look.parts.push(name),
            text if is_query(text) => look.data.push(name),
            _ => {}
        }
    }
    for file in session.list(Folder::In, LISTED_MAX).await?.files {
        let name = file.name;
        match name.as_str() {
            text if text.strip_suffix(RECEIPT).is_some_and(is_query) => look.receipts.push(name),
            text if text.ends_with(METADATA) => {}
            text if is_reply(text) => look.replies.push(name),
            _ => {}
        }
    }
    for names in [&mut look.triggers, &mut look.parts, &mut look.data, &mut look.receipts, &mut look.replies] {
        names.sort();
    }
    for (ending, paths) in [
        (TRIGGER, look.triggers.iter().map(in_out).collect::<Vec<_>>()),
        (RECEIPT, look.receipts.iter().map(in_in).collect()),
    ] {
        for path in paths {
            let data: Option<RemoteName> = path.name.as_str().strip_suffix(ending).and_then(|name| name.parse().ok());
            let Some(data) = data.filter(|data| !book.is_used(data)) else { continue };
            look.names.extend(sender(session, &path).await?.map(|id| (id, data)));
        }
    }
    Ok(())
}

/// Whose query a trigger or a receipt is about, if it says.
async fn sender<S: FarSide>(session: &S, path: &RemotePath) -> Result<Option<FileId>, Trouble> {
    let mut bytes = Vec::new();
    match session.read(path, XML_BYTES_MAX, &mut bytes).await {
        Ok(_) => {}
        // The hub took it just now, or it is not ours to read: then its name is composed anew.
        Err(Trouble::Missing | Trouble::Refused(_) | Trouble::GaveUp(_)) => return Ok(None),
        Err(trouble) => return Err(trouble),
    }
    Ok(match (Trigger::read(&bytes), TechnicalReceipt::read(&bytes)) {
        (Ok(trigger), _) => trigger.senders_file_id.and_then(|id| id.parse().ok()),
        (_, Ok(TechnicalReceipt { senders_file_id: SendersFileId::Uuid(id), .. })) => Some(id),
        _ => None,
    })
}

/// A part name of Sluse's, of whatever exchange, fenced or not.
pub(in crate::engine) fn is_part(name: &str) -> bool {
    let id = name.get(..36).and_then(|id| id.parse::<FileId>().ok());
    let rest = name.get(36..).unwrap_or_default();
    id.is_some() && rest.starts_with('.') && (rest.ends_with(".part") || rest.ends_with(".parted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::exchange::duty::{fenced_name, part_name};

    #[test]
    fn a_part_name_is_known_whosever_it_is() {
        let part = part_name("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".parse().unwrap(), 7);

        assert!(is_part(part.as_str()) && is_part(fenced_name(&part).as_str()));
        assert!(!is_part("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11") && !is_part("other.part"));
    }
}
