//! What a hub does wrong when it is asked to, so that a client can be seen to notice.

/// All off unless asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// No sender ever gets a receipt.
    pub swallow_receipts: bool,
    /// Every query is answered with this error receipt, code and text, and not delivered.
    pub error_receipt: Option<(i64, String)>,
    /// A reply ends in the middle of a record.
    pub truncate_reply: bool,
    /// A reply has the right name, and holds another municipality's records.
    pub wrong_municipality: bool,
    /// A reply has no agreement in it.
    pub end_all: bool,
    /// Every amount is a hundred times too large.
    pub hundredfold: bool,
    /// Queries are counted and not answered.
    pub silent: bool,
    /// Each reply is followed by one that nobody has asked for.
    pub unasked: bool,
}

type SwitchOn = fn(&mut Faults);

/// Every fault by the word that asks for it.
pub const FAULTS: [(&str, SwitchOn); 8] = [
    ("swallow-receipts", |faults| faults.swallow_receipts = true),
    ("error-receipt", |faults| faults.error_receipt = Some((99, "this hub was asked to refuse".to_owned()))),
    ("truncate-reply", |faults| faults.truncate_reply = true),
    ("wrong-municipality", |faults| faults.wrong_municipality = true),
    ("end-all", |faults| faults.end_all = true),
    ("hundredfold", |faults| faults.hundredfold = true),
    ("silent", |faults| faults.silent = true),
    ("unasked", |faults| faults.unasked = true),
];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no fault {found:?}, expected one of {}", FAULTS.map(|(word, _)| word).join(", "))]
pub struct UnknownFault {
    found: String,
}

impl Faults {
    /// The faults that some words ask for.
    pub fn asked_for<'w>(words: impl IntoIterator<Item = &'w str>) -> Result<Faults, UnknownFault> {
        let mut faults = Faults::default();
        for word in words {
            let known = FAULTS.iter().find(|(known, _)| *known == word);
            let (_, switch_on) = known.ok_or_else(|| UnknownFault { found: word.to_owned() })?;
            switch_on(&mut faults);
        }
        Ok(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_asks_for_a_fault_of_its_own() {
        let all: Vec<_> = FAULTS.iter().map(|(word, _)| Faults::asked_for([*word]).unwrap()).collect();

        for (i, faults) in all.iter().enumerate() {
            assert_ne!(*faults, Faults::default());
            assert!(!all[..i].contains(faults));
        }
        assert!(Faults::asked_for(["slow"]).unwrap_err().to_string().contains("\"slow\", expected one of swallow-rec"));
    }
}
