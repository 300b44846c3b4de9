//! The register's answer, agreement by agreement, CPR numbers masked unless the whole was asked for, and by which reply
//! it stands.

use std::collections::{BTreeMap, HashMap};

use super::Office;
use crate::domain::exchange::{Book, Fact};
use crate::domain::identity::{FileId, Route};
use crate::domain::person::Cpr;
use crate::engine::control::{Answer, RegisterLine, RegisterRequest, Standing};
use crate::store::removal::Remains;
use crate::store::{Body, Question, Reading, StoreTrouble};

impl Office {
    /// Whether the settings and the clock allow the question. Errors: why there can be no answer to it.
    pub fn can_be_asked(&self, book: &Book, request: &RegisterRequest) -> Result<(), String> {
        let now = self.surroundings.now();
        is_all_known(book, request)?;
        if let Some(known_at) = request.known_at.filter(|known_at| *known_at > now) {
            return Err(format!("what is known at {known_at} is not known yet: it is {now}"));
        }
        let named = |name| self.settings.exchanges.get(name).ok_or(format!("the settings have no exchange `{name}`"));
        match (&request.exchange, request.municipality) {
            (None, None) => Ok(()),
            (Some(name), None) => named(name).map(|_| ()),
            (Some(name), Some(code)) if named(name)?.municipalities.contains(&code) => Ok(()),
            (Some(name), Some(code)) => Err(format!("exchange `{name}` of the settings has no municipality {code}")),
            (None, Some(code)) => {
                let is_served = self.settings.exchanges.values().any(|e| e.municipalities.contains(&code));
                is_served.then_some(()).ok_or(format!("the settings name no exchange of {code} {}", code.name()))
            }
        }
    }
}

/// Whether the register still knows all that answers. Errors: from when on it does.
fn is_all_known(book: &Book, request: &RegisterRequest) -> Result<(), String> {
    let Some((route, from)) = book.known_from(|route| is_asked_for(request, route)) else { return Ok(()) };
    let said = |what: String| {
        let moment = from.in_copenhagen().strftime("%Y-%m-%d %H:%M");
        Err(format!(
            "{what} is not all there any more: what had ended in the register of {route} before {moment} was removed, because \
             it was older than is kept; ask from then on"
        ))
    };
    match (request.known_at, request.valid_on) {
        (Some(then), _) if then < from => said(format!("what was known at {then}")),
        (_, Some(day)) if day < from.date_in_copenhagen() => said(format!("what was in force on {day}")),
        _ => Ok(()),
    }
}

/// Hands over the register's answer, agreement by agreement, CPR numbers masked unless the whole was asked for.
pub fn read_register(
    request: &RegisterRequest,
    register: &dyn Reading,
    each: &mut dyn FnMut(Answer),
) -> Result<(), StoreTrouble> {
    let question = Question {
        exchange: request.exchange.clone(),
        municipality: request.municipality,
        valid_on: request.valid_on,
        known_at: request.known_at,
    };
    let mut count = 0;
    register.register(&question, &mut |answer| {
        count += 1;
        let agreement = answer.agreement;
        // A layout may have a CPR number as its key, or in a field without a role.
        let shown = |text: String| if request.full.is_some() { text } else { masked(text) };
        each(Answer::Agreement(RegisterLine {
            exchange: answer.route.exchange,
            municipality: answer.route.municipality,
            agreement: shown(agreement.key.0),
            payer: agreement.payer.map(|payer| shown(payer.digits())),
            valid_from: agreement.valid_from,
            valid_to: agreement.valid_to,
            amount_oere: agreement.amount,
            other: agreement.other.into_iter().map(|(name, value)| (name, shown(value))).collect(),
            known_at: answer.known_at,
            change: answer.change,
        }));
    })?;
    // One municipality is told how it stands, and who gets nothing is told why.
    let standing = match request.municipality.is_some() || count == 0 {
        true => standing(request, register)?,
        false => Vec::new(),
    };
    each(Answer::Agreements { count, standing });
    Ok(())
}

/// By which reply each route that was asked for stands, as it was known then.
fn standing(request: &RegisterRequest, journal: &dyn Reading) -> Result<Vec<Standing>, StoreTrouble> {
    let mut routes: HashMap<FileId, Route> = HashMap::new();
    let mut standing: BTreeMap<Route, Standing> = BTreeMap::new();
    // What is left of removed stories is older than what stands in the journal.
    for (_, left) in journal.left()?.remains {
        let Remains::Story { remnant, .. } = left else { continue };
        let Some(applied) = remnant.applied else { continue };
        let is_asked = request.known_at.is_none_or(|then| applied.at <= then) && is_asked_for(request, &remnant.route);
        let is_later = standing.get(&remnant.route).is_none_or(|known| known.known_at <= applied.at);
        if is_asked && is_later {
            let Route { exchange, municipality } = remnant.route.clone();
            let (delivery, as_of, known_at) = (applied.delivery, applied.as_of, applied.at);
            let stands = Standing { exchange, municipality, delivery, as_of, known_at };
            standing.insert(remnant.route.clone(), stands);
        }
    }
    journal.entries(0, &mut |entry| {
        let Body::Exchange { id, fact } = entry.body else { return };
        match fact {
            Fact::Accepted(query) => drop(routes.insert(id, query.route)),
            Fact::ReplyFetched(arrival) => drop(routes.insert(id, arrival.route)),
            Fact::Applied { delivery, as_of, .. } if request.known_at.is_none_or(|then| entry.at <= then) => {
                let Some(route) = routes.get(&id).filter(|route| is_asked_for(request, route)) else { return };
                let Route { exchange, municipality } = route.clone();
                let stands = Standing { exchange, municipality, delivery, as_of, known_at: entry.at };
                standing.insert(route.clone(), stands);
            }
            _ => {}
        }
    })?;
    Ok(standing.into_values().collect())
}

fn is_asked_for(request: &RegisterRequest, route: &Route) -> bool {
    request.exchange.as_ref().is_none_or(|name| *name == route.exchange)
        && request.municipality.is_none_or(|code| code == route.municipality)
}

/// The text with every part of it that is a CPR number masked; parts are what stands between `|` and blanks.
fn masked(text: String) -> String {
    let is_border = |c: char| c == '|' || c.is_whitespace();
    let mask =
        |part: &str| part.replace('-', "").parse::<Cpr>().map_or_else(|_| part.to_owned(), |cpr| cpr.to_string());
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(is_border) {
        let (part, behind) = rest.split_at(at);
        shown.push_str(&mask(part));
        let border = behind.chars().next().map_or(0, char::len_utf8);
        shown.push_str(&behind[..border]);
        rest = &behind[border..];
    }
    shown.push_str(&mask(rest));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpr_number_is_masked_wherever_a_layout_puts_it() {
        for (text, shown) in [
            ("0707614285", "070761-xxxx"),
            ("070761-4285", "070761-xxxx"),
            ("000000001001|0707614285", "000000001001|070761-xxxx"),
            ("for 0707614285 only", "for 070761-xxxx only"),
            ("S-2026-0001", "S-2026-0001"),
            ("000000001001", "000000001001"),
        ] {
            assert_eq!(masked(text.to_owned()), shown);
        }
    }
}
