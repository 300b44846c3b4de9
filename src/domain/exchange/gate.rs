//! Whether a payment can go by the register: one municipality of one exchange, judged for one payment date from what the
//! journal says, in the journal's order and never by a clock. What is not known keeps the gate shut. Start with [`judge`].

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Book, Exchange, GivenUp, State};
use crate::domain::identity::{DeliveryNumber, FileId, Route};

/// Why a payment cannot go by the register yet. Each says itself in a sentence, without personal data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Shut {
    #[error("no query for this payment date was taken from the outbox")]
    NoQuery,
    /// There was one, and it asked nothing.
    #[error("the query for this payment date is {state}, so nothing was asked, and no other one was taken")]
    CameToNothing { id: FileId, state: String },
    #[error(
        "{} queries for this payment date count, so which reply holds is for a person to say: Sluse does not open the gate \
         for this date any more",
        ids.len()
    )]
    SeveralQueries { ids: Vec<FileId> },
    #[error("another query for this payment date is held, and was not sent; a person approves or refuses it")]
    SecondHeld { id: FileId },
    /// The one query has not come to its end.
    #[error("the query is {state}; next: {next}")]
    UnderWay { id: FileId, state: String, next: String },
    #[error("the wait for the reply was given up, and none has come")]
    NoReply { id: FileId },
    #[error(
        "the reply was applied and handed over, but does not echo the query's delivery number {asked} (it has {}), so whether \
         it is the answer is for a person to say: Sluse does not open the gate for this date any more",
        found.map_or("none".to_owned(), |number| number.to_string())
    )]
    NoEcho { id: FileId, asked: DeliveryNumber, found: Option<DeliveryNumber> },
    #[error(
        "the register holds the reply, but its hand-over was given up: the benefit system does not have it from here"
    )]
    NotHandedOver { id: FileId },
    #[error("a newer reply has come and is {state}; next: {next}")]
    NewerReply { id: FileId, state: String, next: String },
    /// Something stands in the journal that cannot be followed, or the journal cannot be relied upon.
    #[error("{what}")]
    Unknown { id: Option<FileId>, what: String },
}

/// What keeps the gate shut. None: there is exactly one query for that date that counts; its reply echoes its delivery
/// number, is in the register and was handed over; no newer reply waits; and nothing is unknown that was written since
/// the query. (What was there before was weighed when the query was taken.)
pub fn judge(book: &Book, route: &Route, payment_date: Date) -> Option<Shut> {
    let asks = |exchange: &&Exchange| exchange.query().is_some_and(|query| query.payment_date == payment_date);
    let queries: Vec<&Exchange> = book.of_route(route).filter(asks).collect();
    if let Some(unknown) = queries.iter().find_map(|exchange| broken(book, exchange.id)) {
        return Some(unknown);
    }
    let live: Vec<&Exchange> = queries.iter().copied().filter(|exchange| exchange.is_live_query()).collect();
    let query = match (live.as_slice(), queries.last()) {
        ([query], _) => *query,
        ([], None) => return Some(Shut::NoQuery),
        ([], Some(last)) => {
            return Some(Shut::CameToNothing { id: last.id, state: last.state_name().to_owned() });
        }
        (several, _) => {
            let is_undecided = |exchange: &&Exchange| exchange.held().is_some() && !exchange.was_sent();
            let (undecided, others): (Vec<&Exchange>, Vec<&Exchange>) = several.iter().copied().partition(is_undecided);
            if let ([second, ..], [_]) = (undecided.as_slice(), others.as_slice()) {
                return Some(Shut::SecondHeld { id: second.id });
            }
            return Some(Shut::SeveralQueries { ids: several.iter().map(|exchange| exchange.id).collect() });
        }
    };
    unread_since(book, route, query).or_else(|| unanswered(book, query)).or_else(|| newer_reply(book, query))
}

/// That this story cannot be followed.
fn broken(book: &Book, id: FileId) -> Option<Shut> {
    let why = book.broken(id)?;
    Some(Shut::Unknown { id: Some(id), what: format!("the journal of exchange {id} cannot be followed: {why}") })
}

/// A story that was begun since the query, and whose beginning is not understood: it may be anything.
fn unread_since(book: &Book, route: &Route, query: &Exchange) -> Option<Shut> {
    let began = book.began(query.id)?;
    let may_be_of_route = |of: &Option<Route>| of.as_ref().is_none_or(|of| of == route);
    let unread = book.unread().into_iter().find(|unread| unread.seq > began && may_be_of_route(&unread.marks.route))?;
    broken(book, unread.id)
}

/// What the one query still lacks.
fn unanswered(book: &Book, exchange: &Exchange) -> Option<Shut> {
    let id = exchange.id;
    if exchange.is_given_up() {
        return Some(Shut::NoReply { id });
    }
    let is_over = matches!(exchange.state, State::HandedOver | State::CommandRan | State::Done { .. });
    let (Some(query), Some(reply), true, true) =
        (exchange.query(), exchange.arrivals.last(), is_over, book.applied(id).is_some())
    else {
        let (state, next) = (exchange.state_name().to_owned(), exchange.next_step());
        return Some(Shut::UnderWay { id, state, next });
    };
    if exchange.declined.as_ref().is_some_and(|declined| declined.what == GivenUp::HandOver) {
        return Some(Shut::NotHandedOver { id });
    }
    let (asked, found) = (query.delivery, reply.delivery);
    (found != Some(asked)).then_some(Shut::NoEcho { id, asked, found })
}

/// A reply of the same route that came behind the query's, and is neither refused nor handed over.
fn newer_reply(book: &Book, query: &Exchange) -> Option<Shut> {
    let came = book.last_fetched(query.id);
    let is_newer = |other: &&Exchange| other.id != query.id && book.last_fetched(other.id) > came;
    let newer = book.of_route(&query.route).filter(is_newer);
    newer.filter(|other| waits_with_a_reply(&other.state) || book.broken(other.id).is_some()).find_map(|other| {
        let (state, next) = (other.state_name().to_owned(), other.next_step());
        broken(book, other.id).or(Some(Shut::NewerReply { id: other.id, state, next }))
    })
}

/// Whether a reply is here that is to be compared, held, or on its way into the inbox.
fn waits_with_a_reply(state: &State) -> bool {
    match state {
        State::Replied { .. }
        | State::ReplyHeld { .. }
        | State::Applied { .. }
        | State::HandOverStaged { .. }
        | State::HandingOver { .. } => true,
        State::Accepted
        | State::QueryHeld { .. }
        | State::Uploaded { .. }
        | State::Staged { .. }
        | State::Submitting { .. }
        | State::InDoubt { .. }
        | State::Submitted
        | State::Receipted
        | State::ReceiptHeld { .. }
        | State::HandedOver
        | State::CommandRan
        | State::Done { .. }
        | State::Refusing { .. }
        | State::Refused { .. }
        | State::Withdrawing { .. }
        | State::Withdrawn { .. }
        | State::Rejecting { .. }
        | State::Rejected { .. } => false,
    }
}

#[cfg(test)]
mod tests;
