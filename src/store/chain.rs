//! What one journal entry is on disk, and how its hash is made. Any store uses this, so that a journal means
//! the same behind each of them. Start with [`Stored`].
//!
//! An entry's hash is SHA-256 over these bytes, in this order; integers are big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 32 | the former entry's hash; for entry 1: zeros |
//! | 8 | the entry's number |
//! | 4 | its version |
//! | 8 | its moment, microseconds since 1970 UTC, signed |
//! | 1 | 1 where it is about an exchange, else 0 |
//! | 8 + n | only after a 1: the exchange id's length, and the id as text |
//! | 8 + n | the kind's length, and the kind |
//! | 8 + n | the body's length, and the body |
//!
//! Every part has a fixed length or says its length first, so no two entries share these bytes.

use sha2::{Digest, Sha256};

use super::{Body, Entry, Head, HouseFact};
use crate::domain::exchange::Fact;
use crate::domain::exchange::fact::FACT_VERSION;
use crate::domain::exchange::unread::Marks;
use crate::domain::identity::ContentHash;
use crate::domain::moment::Moment;
use crate::domain::person::mask_in_text;

/// One entry as it is stored, understood or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub seq: u64,
    /// The [`FACT_VERSION`] of the program that wrote it.
    pub version: u32,
    /// Microseconds since 1970 UTC.
    pub at_micros: i64,
    /// The exchange id; None: the house.
    pub exchange: Option<String>,
    /// The fact's name.
    pub kind: String,
    /// The fact as JSON.
    pub body: String,
}

impl Stored {
    /// What is to be stored for this body behind `head`. Errors: why it cannot be stored.
    pub fn behind(head: Head, at: Moment, body: &Body) -> Result<Stored, String> {
        let (exchange, kind, json) = match body {
            Body::Exchange { id, fact } => (Some(id.to_string()), fact.name(), serde_json::to_string(fact)),
            Body::House(fact) => (None, fact.name(), serde_json::to_string(fact)),
            Body::NotUnderstood { .. } => return Err("what was not understood cannot be written".into()),
        };
        let body = json.map_err(|trouble| format!("fact {kind} has no JSON: {trouble}"))?;
        Ok(Stored {
            seq: head.seq + 1,
            version: FACT_VERSION,
            at_micros: at.as_micros(),
            exchange,
            kind: kind.to_owned(),
            body,
        })
    }

    /// The hash of this entry when `previous` is the former entry's.
    pub fn hash(&self, previous: ContentHash) -> ContentHash {
        let mut digest = Sha256::new();
        let text = |digest: &mut Sha256, text: &str| {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        };
        digest.update(previous.as_bytes());
        digest.update(self.seq.to_be_bytes());
        digest.update(self.version.to_be_bytes());
        digest.update(self.at_micros.to_be_bytes());
        digest.update([u8::from(self.exchange.is_some())]);
        if let Some(exchange) = &self.exchange {
            text(&mut digest, exchange);
        }
        text(&mut digest, &self.kind);
        text(&mut digest, &self.body);
        ContentHash::new(digest.finalize().into())
    }

    /// The entry as this program understands it.
    pub fn into_entry(self, hash: ContentHash) -> Entry {
        let (seq, at) = (self.seq, Moment::from_micros(self.at_micros));
        Entry { seq, at, body: self.into_body(), hash }
    }

    fn into_body(self) -> Body {
        let id = self.exchange.as_deref().map(str::parse).transpose();
        let what = match (&id, self.version) {
            (_, version) if version == 0 || version > FACT_VERSION => "of another version of the program".to_owned(),
            (Err(_), _) => "its exchange id is no UUID".to_owned(),
            (Ok(Some(id)), _) => match serde_json::from_str::<Fact>(&self.body) {
                Ok(fact) => return Body::Exchange { id: *id, fact },
                Err(trouble) => trouble.to_string(),
            },
            (Ok(None), _) => match serde_json::from_str::<HouseFact>(&self.body) {
                Ok(fact) => return Body::House(fact),
                Err(trouble) => trouble.to_string(),
            },
        };
        Body::NotUnderstood {
            id: id.ok().flatten(),
            version: self.version,
            // What a person typed may be quoted here, and may be about a person.
            what: mask_in_text(&format!("fact {} of version {}: {what}", self.kind, self.version))
                .chars()
                .take(WHAT_CHARACTERS_MAX)
                .collect(),
            marks: Box::new(marks(&self.body)),
        }
    }
}

/// What stands in a body as it always has, whatever else does not.
fn marks(body: &str) -> Marks {
    let body = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    fn mark<T: serde::de::DeserializeOwned>(body: &serde_json::Value, name: &str) -> Option<T> {
        serde_json::from_value(body.get(name)?.clone()).ok()
    }
    Marks {
        route: mark(&body, "route"),
        remote_name: mark(&body, "remote_name"),
        delivery: mark(&body, "delivery"),
        payment_date: mark(&body, "payment_date"),
        payment_month: mark(&body, "payment_month"),
    }
}

/// A line on a screen or two; what another version wrote is not ours to repeat at length.
const WHAT_CHARACTERS_MAX: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn stored() -> Stored {
        Stored {
            seq: 1,
            version: 1,
            at_micros: 5,
            exchange: Some("ab".into()),
            kind: "set_aside".into(),
            body: r#"{"fact":"set_aside"}"#.into(),
        }
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        let bytes: Vec<u8> = [
            &[0; 32][..],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0, 0, 5],
            &[1],
            &[0, 0, 0, 0, 0, 0, 0, 2],
            b"ab",
            &[0, 0, 0, 0, 0, 0, 0, 9],
            b"set_aside",
            &[0, 0, 0, 0, 0, 0, 0, 20],
            br#"{"fact":"set_aside"}"#,
        ]
        .concat();

        assert_eq!(stored().hash(Head::genesis().hash), ContentHash::of(&bytes));
    }

    #[test]
    fn moving_a_letter_from_one_part_to_the_next_changes_the_hash() {
        let moved = Stored { exchange: Some("a".into()), kind: "bset_aside".into(), ..stored() };

        assert_ne!(moved.hash(Head::genesis().hash), stored().hash(Head::genesis().hash));
    }

    #[test]
    fn what_a_later_program_wrote_is_not_guessed_at() {
        let id = "6f1c9d1e-7a53-4d0e-9d53-0c1f3f0a9b11";
        let later = Stored { version: FACT_VERSION + 1, exchange: Some(id.into()), ..stored() };

        let entry = later.into_entry(Head::genesis().hash);

        assert!(matches!(entry.body, Body::NotUnderstood { id: Some(of), version, .. }
            if of.to_string() == id && version == FACT_VERSION + 1));
    }

    #[test]
    fn what_is_not_understood_does_not_say_a_cpr_number() {
        let id = "6f1c9d1e-7a53-4d0e-9d53-0c1f3f0a9b11";
        let strange = Stored { exchange: Some(id.into()), body: r#"{"fact":"0707614285"}"#.into(), ..stored() };

        let Body::NotUnderstood { what, .. } = strange.into_entry(Head::genesis().hash).body else { panic!() };

        assert!(what.contains("070761xxxx"), "{what}");
    }
}
