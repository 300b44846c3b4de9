//! However little fits into memory, what comes out is what a map makes of it.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::domain::agreement::{Agreement, other_json};
use crate::store::contract::{agreement, day};

/// Sorts these, with so much in memory at a time.
fn sorted(agreements: &[Agreement], budget_bytes: usize) -> Result<Sorted, Duplicate> {
    let folder = TempDir::new().unwrap();
    let mut sorting = Sorting::within(folder.path(), budget_bytes);
    for (record, agreement) in (2..).zip(agreements) {
        sorting.take(record, &agreement.stated(&other_json(&agreement.other))).unwrap();
    }
    let sorted = sorting.finish(day("2026-02-01")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "its file has no name");
    sorted
}

/// Record and agreement of each, from the first one on.
fn all(sorted: &mut Sorted) -> Vec<(u64, Agreement)> {
    let mut all = Vec::new();
    sorted.rewind().unwrap();
    while let Some(packed) = sorted.current() {
        all.push((packed.record(), packed.to_agreement().unwrap()));
        sorted.advance().unwrap();
    }
    all
}

/// What a map makes of them.
fn by_map(agreements: &[Agreement]) -> Result<Vec<(u64, Agreement)>, Duplicate> {
    let mut map = BTreeMap::new();
    for (record, agreement) in (2..).zip(agreements) {
        if let Some((first, _)) = map.insert(agreement.key.clone(), (record, agreement.clone())) {
            return Err(Duplicate { record, first });
        }
    }
    Ok(map.into_values().collect())
}

fn agreements(keys: &[String]) -> Vec<Agreement> {
    let other = |number: usize| [("kind".to_owned(), "æ \"".repeat(number % 40))].into();
    let from = ["", "2026-01-01"];
    keys.iter()
        .enumerate()
        .map(|(number, key)| Agreement {
            other: other(number),
            valid_to: (number % 3 == 0).then(|| day("1999-12-31")),
            payer: if number % 5 == 0 { None } else { "0707614285".parse().ok() },
            ..agreement(key, from[number % 2], number as i64 - 3)
        })
        .collect()
}

proptest! {
    #[test]
    fn what_comes_out_is_what_a_map_makes_of_it(
        keys in vec("[0-9æ]{0,3}|00000000[0-9]{3}", 0..60),
        is_sorted in any::<bool>(),
        is_single in any::<bool>(),
        budget_bytes in prop::sample::select(vec![0usize, 200, 1000, 1 << 20]),
    ) {
        let mut keys = keys;
        if is_sorted {
            keys.sort();
        }
        if is_single {
            let mut seen = std::collections::BTreeSet::new();
            keys.retain(|key| seen.insert(key.clone()));
        }
        let agreements = agreements(&keys);

        match (sorted(&agreements, budget_bytes), by_map(&agreements)) {
            (Ok(mut sorted), Ok(expected)) => {
                prop_assert_eq!(sorted.count(), expected.len() as u64);
                prop_assert!(all(&mut sorted) == expected);
                prop_assert!(all(&mut sorted) == expected, "a second time");
            }
            (Err(found), Err(expected)) => prop_assert_eq!(found, expected),
            (found, expected) => prop_assert!(false, "{:?}, expected {:?}", found.err(), expected.err()),
        }
    }
}

#[test]
fn one_that_is_longer_than_what_is_read_at_once_comes_back_whole() {
    let mut long = agreements(&["B".into(), "A".into(), "C".into()]);
    long[0].other.insert("note".into(), "x".repeat(3 * run::BUFFER_BYTES));

    let mut sorted = sorted(&long, 0).ok().unwrap();

    assert!(all(&mut sorted) == by_map(&long).unwrap());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_only_for_a_long_reply() {
    let nowhere = Path::new("/proc/nowhere");
    let stated = agreement("A", "", 1);
    let (mut short, mut long) = (Sorting::new(nowhere), Sorting::within(nowhere, 0));

    assert!(short.take(2, &stated.stated("{}")).is_ok());
    assert!(long.take(2, &stated.stated("{}")).is_err());
}
