//! Where each route's stories stand, for `status`: the open ones by urgency, the last that ended, and files that came to
//! nothing. Decides only what is shown, from the book.

use std::collections::{BTreeMap, BTreeSet};

use super::{FILES_SHOWN_MAX, Live, Office, SHOWN_OF_EACH_MAX};
use crate::config::ExchangeSettings;
use crate::domain::exchange::{Book, Exchange, Origin, State};
use crate::domain::identity::{ExchangeName, Route};
use crate::domain::municipality::MunicipalityCode;
use crate::durable::list;
use crate::engine::places::short_id;
use crate::engine::snapshot::{
    ExchangeLine, HeldItem, NOTHING_BY_ITSELF, RefusedFile, RouteLine, UnreadableFolder, shown_state,
};
use crate::outbox::printable;

/// So many stories that are at their end are shown of each route.
const ENDED_SHOWN_MAX: usize = 3;

impl Office {
    pub(super) fn route_line(
        &self,
        book: &Book,
        name: &ExchangeName,
        settings: &ExchangeSettings,
        municipality: MunicipalityCode,
        live: &Live,
    ) -> RouteLine {
        let route = Route { exchange: name.clone(), municipality };
        let line = |exchange: &Exchange| self.line(book, exchange, live.troubles.get(&exchange.id).cloned());
        let is_open = |exchange: &&Exchange| !exchange.state.is_final() || book.broken(exchange.id).is_some();
        let mut open: Vec<ExchangeLine> = book.of_route(&route).filter(is_open).map(line).collect();
        let unread = book.unread().into_iter().filter(|unread| unread.marks.route.as_ref() == Some(&route));
        open.extend(unread.map(ExchangeLine::unread));
        open.sort_by_key(|line| (!line.waits_for_person, !line.overdue, line.begun, line.id));
        let ended = book.of_route(&route).rev().filter(|exchange| !is_open(exchange)).take(ENDED_SHOWN_MAX);
        let latest_query = book.of_route(&route).rev().find(|exchange| !matches!(exchange.origin, Origin::Reply));
        RouteLine {
            exchange: name.clone(),
            endpoint: settings.endpoint.clone(),
            municipality,
            name: municipality.name().to_owned(),
            ended: ended.map(line).collect(),
            unasked: latest_query.filter(|exchange| came_to_nothing(exchange)).map(line),
            expected: self.expected_query(book, &route),
            open,
        }
    }

    pub(super) fn line(&self, book: &Book, exchange: &Exchange, trouble: Option<String>) -> ExchangeLine {
        let expectation = self.patience(&exchange.route.exchange).and_then(|patience| exchange.expectation(&patience));
        let is_broken = book.broken(exchange.id).is_some();
        ExchangeLine {
            id: exchange.id,
            begun: exchange.begun,
            payment_date: exchange.query().map(|query| query.payment_date),
            state: shown_state(exchange, is_broken).to_owned(),
            since: exchange.since,
            waits_for_person: is_broken || exchange.held().is_some() || matches!(exchange.state, State::InDoubt { .. }),
            next: match is_broken {
                true => NOTHING_BY_ITSELF.to_owned(),
                false => exchange.next_step(),
            },
            deadline: expectation.map(|expected| expected.by()),
            overdue: expectation.is_some_and(|expected| expected.is_overdue(self.surroundings.now())),
            trouble,
        }
    }

    pub(super) fn refused(&self, book: &Book) -> Vec<RefusedFile> {
        let mut refused = Vec::new();
        for (exchange, settings) in &self.settings.exchanges {
            for municipality in &settings.municipalities {
                let route = Route { exchange: exchange.clone(), municipality: *municipality };
                let folder = self.places.refused().join(exchange.as_str()).join(municipality.to_string());
                let found = list(self.disk.as_ref(), &folder, 2 * FILES_SHOWN_MAX, |_| true).unwrap_or_default();
                let names: BTreeSet<_> = found.iter().map(|found| printable(&found.name)).collect();
                let reasons: BTreeMap<String, &str> = match found.is_empty() {
                    true => BTreeMap::new(),
                    false => book.of_route(&route).filter_map(refused_name_and_reason).collect(),
                };
                let followed: BTreeSet<String> = match found.is_empty() {
                    true => BTreeSet::new(),
                    false => {
                        let followed = book.of_route(&route).filter(|exchange| is_followed(book, exchange));
                        followed.filter_map(refused_name_and_reason).map(|(name, _)| name).collect()
                    }
                };
                let mut of_route = Vec::new();
                for name in names.iter().filter(|name| !followed.contains(name.trim_end_matches(".why.txt"))) {
                    // A sentence without its file: that was too large to be copied, and lies elsewhere.
                    let name = match name.strip_suffix(".why.txt") {
                        None => name.clone(),
                        Some(of) if names.contains(of) => continue,
                        Some(_) => format!("{name} (the file itself is elsewhere)"),
                    };
                    let reason = reasons.get(&name).map(|why| first_sentence(why).to_owned());
                    let (exchange, municipality) = (exchange.to_string(), municipality.to_string());
                    of_route.push(RefusedFile { exchange, municipality, name, reason });
                }
                // A folder that is not listed to its end holds as many as the journal knows, or more.
                let is_listed_whole = found.len() < 2 * FILES_SHOWN_MAX;
                let number = if is_listed_whole {
                    of_route.len()
                } else {
                    of_route.len().max(reasons.len().saturating_sub(followed.len()))
                };
                let more = of_route.first().cloned().filter(|_| number > SHOWN_OF_EACH_MAX).map(|one| RefusedFile {
                    name: format!("(more: {} others)", number - SHOWN_OF_EACH_MAX),
                    reason: None,
                    ..one
                });
                refused.extend(of_route.into_iter().take(SHOWN_OF_EACH_MAX).chain(more));
            }
        }
        refused
    }

    /// Stories that begin with an entry which is not understood, and are of no route of the settings.
    pub(super) fn unread(&self, book: &Book) -> Vec<HeldItem> {
        let serves = |route: &Route| {
            let settings = self.settings.exchanges.get(&route.exchange);
            settings.is_some_and(|settings| settings.municipalities.contains(&route.municipality))
        };
        let elsewhere = book.unread().into_iter().filter(|unread| !unread.marks.route.as_ref().is_some_and(serves));
        elsewhere.map(|unread| HeldItem::unread(unread, book.broken(unread.id).unwrap_or_default())).collect()
    }

    /// Folders that a query passes and that cannot be read now. A daemon makes those that are not there.
    pub(super) fn unreadable(&self, daemon_runs: bool) -> Vec<UnreadableFolder> {
        let outboxes = self.settings.exchanges.values().flat_map(|exchange| {
            let folder = |code: &MunicipalityCode| (Some(*code), exchange.outbox.join(code.to_string()));
            exchange.municipalities.iter().map(folder)
        });
        outboxes
            .chain([(None, self.places.spool())])
            .filter_map(|(municipality, folder)| {
                let trouble = list(self.disk.as_ref(), &folder, 1, |_| true).err()?;
                let is_expected = !daemon_runs && trouble.kind() == std::io::ErrorKind::NotFound;
                let folder = folder.display().to_string();
                (!is_expected).then(|| UnreadableFolder { municipality, folder, why: trouble.to_string() })
            })
            .collect()
    }
}

/// Whether this query, or file, asked UDK nothing: nobody decided so, and somebody must send another.
pub(super) fn came_to_nothing(exchange: &Exchange) -> bool {
    match &exchange.origin {
        Origin::Unfit(_) => true,
        Origin::Query(_) => matches!(exchange.state, State::Rejecting { .. } | State::Rejected { .. }),
        Origin::Reply => false,
    }
}

/// Whether what was refused is over and done with: a later query counts, for its payment date or a later one, or of a
/// refused reply, another one came into the register since.
fn is_followed(book: &Book, exchange: &Exchange) -> bool {
    let date = exchange.query().map(|query| query.payment_date);
    let follows = |later: &Exchange| {
        let is_as_late = later.query().is_some_and(|query| date.is_none_or(|date| query.payment_date >= date));
        later.begun > exchange.begun && later.is_live_query() && is_as_late
    };
    let is_replied = || book.register(&exchange.route).is_some_and(|mark| mark.at > exchange.begun);
    book.of_route(&exchange.route).any(follows) || (matches!(exchange.origin, Origin::Reply) && is_replied())
}

/// The name in `refused/` of what was refused, and why it was.
pub(super) fn refused_name_and_reason(exchange: &Exchange) -> Option<(String, &str)> {
    let (State::Refused { why } | State::Withdrawn { why }) = &exchange.state else { return None };
    let name = match &exchange.origin {
        Origin::Query(query) => query.original_name.as_str(),
        Origin::Unfit(unfit) => unfit.original_name.as_str(),
        Origin::Reply => exchange.arrivals.last()?.name.as_str(),
    };
    Some((printable(format!("{}.{name}", short_id(exchange.id)).as_ref()), why))
}

fn first_sentence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.split_once(". ").map_or(line, |(first, _)| first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_is_not_cut_at_a_number() {
        assert_eq!(first_sentence("record 3, byte 1.5 is wrong. Then more."), "record 3, byte 1.5 is wrong");
        assert_eq!(first_sentence("one\ntwo"), "one");
    }
}
