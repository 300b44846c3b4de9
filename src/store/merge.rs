//! Goes through what the register knows and what a reply states side by side, key by key. Holds one
//! agreement of each side in memory, however long they are.

use std::cmp::Ordering;

use crate::domain::agreement::Agreement;
use crate::domain::change::Known;

/// Hands over each key once: as known, as stated, or as both. Both sides must be in the order of their keys.
/// Ends at the first error of a side or of `each`.
pub fn merge<E>(
    known: impl Iterator<Item = Result<Known, E>>,
    stated: impl Iterator<Item = Result<Agreement, E>>,
    mut each: impl FnMut(Option<Known>, Option<Agreement>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut known, mut stated) = (known.peekable(), stated.peekable());
    loop {
        let next = match (known.peek(), stated.peek()) {
            (None, None) => return Ok(()),
            (Some(Ok(known)), Some(Ok(stated))) => known.agreement.key.cmp(&stated.key),
            (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
            (_, Some(_)) => Ordering::Greater,
        };
        let known = if next.is_le() { known.next().transpose()? } else { None };
        let stated = if next.is_ge() { stated.next().transpose()? } else { None };
        each(known, stated)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agreement::AgreementKey;

    fn agreement(key: char) -> Agreement {
        Agreement {
            key: AgreementKey(key.into()),
            payer: None,
            valid_from: None,
            valid_to: None,
            amount: None,
            other: Default::default(),
        }
    }

    /// One word per key: `a-` known, `-a` stated, `aa` both.
    fn merged(known: &str, stated: &str) -> String {
        let known = known.chars().map(|key| Ok(Known { agreement: agreement(key), ended: false }));
        let stated = stated.chars().map(|key| Ok::<_, ()>(agreement(key)));
        let mut words = Vec::new();
        let word = |key: Option<String>| key.unwrap_or_else(|| "-".into());
        merge(known, stated, |known, stated| {
            words.push(word(known.map(|k| k.agreement.key.0)) + &word(stated.map(|s| s.key.0)));
            Ok(())
        })
        .unwrap();
        words.join(" ")
    }

    #[test]
    fn each_key_of_either_side_comes_once_and_in_order() {
        for (known, stated, words) in [
            ("", "", ""),
            ("", "ab", "-a -b"),
            ("ab", "", "a- b-"),
            ("ace", "bcd", "a- -b cc -d e-"),
            ("abc", "abc", "aa bb cc"),
        ] {
            assert_eq!(merged(known, stated), words, "{known} with {stated}");
        }
    }

    #[test]
    fn an_error_on_either_side_ends_it() {
        let known = || [Ok(Known { agreement: agreement('b'), ended: false })].into_iter();

        assert_eq!(merge(known(), [Err("stated")].into_iter(), |_, _| Ok(())), Err("stated"));
        assert_eq!(merge([Err("known")].into_iter(), [Ok(agreement('a'))].into_iter(), |_, _| Ok(())), Err("known"));
    }
}
