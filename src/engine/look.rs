//! One look into IN: its listing, and where there is none to be had, the expected files by name. It reads no file and
//! decides nothing about any; that is `arrivals`. Start with [`look`].

use std::sync::Arc;

use futures_util::StreamExt;

use super::arrivals::{METADATA, RECEIPT};
use super::site::{Kind, in_in};
use crate::domain::exchange::Book;
use crate::domain::identity::RemoteName;
use crate::domain::layout::NameParts;
use crate::domain::moment::Moment;
use crate::transport::{Connect, FarSide, Folder, Listed, Listing, Trouble};

/// Entries of IN that one listing takes in.
const LISTED_MAX: usize = 500_000;

/// Where IN cannot be listed: so many of the latest days may stand in the name of a reply, and so many names are asked
/// for, so many at once.
const EXPECTED_DAYS: usize = 7;
const EXPECTED_MAX: usize = 2_000;
const ASKED_AT_ONCE: usize = 16;

/// The names of files that exchanges of these kinds wait for, and that may lie in IN by now: receipts, and replies by
/// the names of their layouts, each with its metadata. Not all replies: one may come under another name.
pub fn expected<C: Connect>(kinds: &[Arc<Kind<C>>], book: &Book, now: Moment) -> Vec<RemoteName> {
    let mut names = Vec::new();
    for exchange in book.open() {
        let kind = kinds.iter().find(|kind| kind.name == exchange.route.exchange);
        let (Some(kind), Some(query), Some(submitted)) = (kind, exchange.query(), exchange.submitted_at) else {
            continue;
        };
        if exchange.receipts.is_empty() {
            names.extend(query.remote_name.with_suffix(RECEIPT));
        }
        if !exchange.arrivals.is_empty() {
            continue;
        }
        let (first, last) = (submitted.date_in_copenhagen(), now.date_in_copenhagen());
        let days = std::iter::successors(Some(last), |day| day.yesterday().ok()).take_while(|day| *day >= first);
        for date in days.take(EXPECTED_DAYS) {
            let parts =
                NameParts { municipality: exchange.route.municipality, date, delivery: query.delivery, copy: 1 };
            let Ok(reply) = kind.reply.file_name().compose(&parts) else { continue };
            names.extend(reply.with_suffix(METADATA));
            names.push(reply);
        }
        if names.len() >= EXPECTED_MAX {
            break;
        }
    }
    names
}

/// What a look into IN came to.
#[derive(Debug)]
pub struct Looked {
    pub listing: Result<Listing, Trouble>,
    /// Where IN can be reached and not be listed: which of the expected files are there.
    pub expected: Listing,
}

/// Lists IN; where the far side refuses that, or does not come to an end, asks for the expected files by name.
pub async fn look<S: FarSide>(session: &S, expected: Vec<RemoteName>) -> Looked {
    let listing = session.list(Folder::In, LISTED_MAX).await;
    let mut found = Listing::default();
    if matches!(listing, Err(Trouble::Refused(_) | Trouble::GaveUp(_))) {
        let sizes = futures_util::stream::iter(expected).map(async |name| {
            let size = session.size(&in_in(&name)).await;
            (name, size)
        });
        let mut sizes = std::pin::pin!(sizes.buffered(ASKED_AT_ONCE));
        while let Some((name, size)) = sizes.next().await {
            match size {
                Ok(size) => found.files.push(Listed { name, size }),
                Err(Trouble::Missing) => {}
                // There is no folder, or no session any more.
                Err(_) => break,
            }
        }
    }
    Looked { listing, expected: found }
}
