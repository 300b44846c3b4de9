//! What a layout's records say of one another: types that differ, what the end record counts and sums, the key, and
//! what a layout's purpose needs. Names become numbers here. Part of reading a layout file, see `source`.

use std::collections::BTreeSet;

use super::field::{Kind, NUMBER_DIGITS_MAX, Role, Tally};
use super::mistakes::{Found, Word};
use super::source::RecordDraft;
use super::{Place, Purpose, RecordType};

/// Types and names differ; one start at most, one end at most, some detail; errors only after an end.
pub(super) fn check_types(drafts: &[RecordDraft<'_>], found: &mut Found) {
    for (index, draft) in drafts.iter().enumerate() {
        let before = &drafts[..index];
        let RecordType { name, code, place, .. } = &draft.kind;
        if before.iter().any(|other| other.kind.name == *name) {
            found.add(draft.at, format!("a second record named `{name}`"));
        }
        if before.iter().any(|other| other.kind.code == *code) {
            found.add(draft.at, format!("a second record of type {code:?}"));
        }
        let is_single = matches!(place, Place::Start | Place::End);
        if is_single && before.iter().any(|other| other.kind.place == *place) {
            found.add(draft.at, "a second start or end record");
        }
        if *place == Place::Error && !drafts.iter().any(|other| other.kind.place == Place::End) {
            found.add(draft.at, "error records stand after the end record, and there is none");
        }
    }
    if !drafts.is_empty() && !drafts.iter().any(|draft| draft.kind.place == Place::Detail) {
        found.add(0, "no record of place `detail`, expected at least one");
    }
}

pub(super) fn resolve_counts(drafts: &mut [RecordDraft<'_>], found: &mut Found) {
    let types: Vec<_> = drafts.iter().map(|draft| (draft.kind.name.clone(), draft.kind.place)).collect();
    for draft in drafts.iter_mut().flat_map(|draft| &mut draft.fields) {
        let Some(words) = &draft.counts else { continue };
        if draft.field.at.len() > NUMBER_DIGITS_MAX {
            found.add(draft.at, format!("a count has at most {NUMBER_DIGITS_MAX} digits"));
        }
        if draft.field.may_be_blank {
            found.add(draft.at, "a count must not be blank");
        }
        let mut of = BTreeSet::new();
        for word in words {
            let before = of.len();
            of.extend(types.iter().enumerate().filter_map(|(index, (name, place))| {
                let is_counted = match (word.text, place) {
                    (_, Place::Error) => false,
                    ("all", _) | ("details", Place::Detail) => true,
                    ("details", Place::Start | Place::End) => false,
                    (counted, _) => counted == name,
                };
                is_counted.then_some(index)
            }));
            if of.len() == before {
                let message =
                    "names no record to count, expected `details`, `all` or names of records before the end's";
                found.add(word.at, format!("`counts` {message}"));
            }
        }
        draft.field.tally = Tally::Counts(of.into_iter().collect());
    }
}

/// Gives each sum of the end record a number, and the number to the fields it adds up. Returns how many there are.
pub(super) fn resolve_sums(drafts: &mut [RecordDraft<'_>], found: &mut Found) -> usize {
    let mut summed: Vec<String> = Vec::new();
    for draft in drafts.iter_mut().flat_map(|draft| &mut draft.fields) {
        let Some(word) = draft.sums else { continue };
        if summed.iter().any(|name| name == word.text) {
            found.add(word.at, format!("a second sum of `{}`", word.text));
        }
        if draft.field.may_be_blank {
            found.add(draft.at, "a sum must not be blank");
        }
        draft.field.tally = Tally::Sums { slot: summed.len(), of: word.text.to_owned() };
        summed.push(word.text.to_owned());
    }
    let mut used = vec![false; summed.len()];
    let details = drafts.iter_mut().filter(|draft| draft.kind.place == Place::Detail);
    for draft in details.flat_map(|draft| &mut draft.fields) {
        let is_amount = matches!(draft.field.kind, Kind::Amount { .. });
        if let Some(slot) = summed.iter().position(|name| is_amount && *name == draft.field.name) {
            draft.field.tally = Tally::AddsTo(slot);
            used[slot] = true;
        }
    }
    for word in drafts.iter().flat_map(|draft| &draft.fields).filter_map(|draft| draft.sums) {
        if summed.iter().position(|name| name == word.text).is_some_and(|slot| !used[slot]) {
            found.add(word.at, format!("`sums` is {:?}, expected the name of an amount in a detail record", word.text));
        }
    }
    summed.len()
}

/// A detail record has all fields of the key, and is an agreement, or none.
pub(super) fn resolve_key(drafts: &mut [RecordDraft<'_>], key: &[Word<'_>], found: &mut Found) {
    for (index, word) in key.iter().enumerate() {
        if key[..index].iter().any(|other| other.text == word.text) {
            found.add(word.at, format!("`{}` twice in the key", word.text));
        }
    }
    let mut has_agreements = false;
    for draft in drafts.iter_mut().filter(|draft| draft.kind.place == Place::Detail) {
        let position = |word: &Word<'_>| draft.fields.iter().position(|draft| draft.field.name == word.text);
        if !key.iter().any(|word| position(word).is_some()) {
            continue;
        }
        for word in key.iter().filter(|word| position(word).is_none()) {
            let message = format!("the key's field `{}` is missing in record `{}`", word.text, draft.kind.name);
            found.add(word.at, message);
        }
        for word in key {
            let Some(index) = position(word) else { continue };
            if matches!(draft.fields[index].field.kind, Kind::Amount { .. } | Kind::Constant(_) | Kind::Unread) {
                found.add(word.at, format!("`{}` is of a kind that tells no agreement from another", word.text));
            }
            draft.kind.key.push(index);
        }
        has_agreements = true;
    }
    if !key.is_empty() && !has_agreements {
        found.add(key[0].at, format!("no detail record has the key's field `{}`", key[0].text));
    }
}

/// What reading a query or a reply needs.
pub(super) fn check_purpose(purpose: Purpose, drafts: &[RecordDraft<'_>], key: &[Word<'_>], found: &mut Found) {
    let has = |role| drafts.iter().any(|draft| draft.fields.iter().any(|draft| draft.field.role == Some(role)));
    let required: &[(&str, Role)] = match purpose {
        Purpose::Records => &[],
        Purpose::Query => &[
            ("municipality", Role::Municipality),
            ("date", Role::Date),
            ("delivery", Role::Delivery),
            ("payment_date", Role::PaymentDate),
        ],
        Purpose::Reply => &[("municipality", Role::Municipality), ("date", Role::Date)],
    };
    for (name, _) in required.iter().filter(|(_, role)| !has(*role)) {
        found.add(0, format!("no field has role `{name}`, which a layout for {purpose} needs"));
    }
    for draft in drafts.iter().flat_map(|draft| &draft.fields) {
        let is_required = draft.field.role.is_some_and(|role| required.iter().any(|(_, needed)| *needed == role));
        let can_be_none = draft.field.may_be_blank || matches!(draft.field.kind, Kind::Date { open: Some(_) });
        if is_required && can_be_none {
            found.add(draft.at, format!("a layout for {purpose} needs this field, so it must not be blank or open"));
        }
    }
    match (purpose, key) {
        (Purpose::Reply, []) => found.add(0, "missing key `key`, the fields that tell one agreement from another"),
        (Purpose::Query | Purpose::Records, [word, ..]) => found.add(word.at, "`key` belongs to a layout for replies"),
        (Purpose::Reply, _) | (Purpose::Query | Purpose::Records, []) => {}
    }
}
