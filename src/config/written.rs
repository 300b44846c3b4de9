//! What a settings file says, key by key as text: so that two versions of it can be held side by side. Nothing here is
//! checked or understood. Start with [`Written::changes`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::table::SECTIONS;

/// A value is shown up to so many characters; a longer one, such as all municipalities, ends in an ellipsis.
const SHOWN_MAX: usize = 200;

/// What stands for a value that may be a secret, such as an address with a token in it.
const NOT_SHOWN: &str = "(not shown)";

/// Every key by its path, such as `endpoint.hub.poll`, and its value as TOML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written(BTreeMap<String, String>);

/// A key whose value is another one, or that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub key: String,
    /// None: it was not there.
    pub before: Option<String>,
    /// None: it is not there.
    pub now: Option<String>,
}

impl Change {
    /// The section that the key belongs to, such as `endpoint`.
    pub fn section(&self) -> &str {
        self.key.split('.').next().unwrap_or_default()
    }
}

impl Written {
    pub(super) fn of(document: &DeTable<'_>) -> Written {
        let mut written = BTreeMap::new();
        collect("", document, &mut written);
        Written(written)
    }

    /// What another version says otherwise, in the order of the keys.
    pub fn changes(&self, other: &Written) -> Vec<Change> {
        let keys: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differing = keys.into_iter().filter(|key| self.0.get(*key) != other.0.get(*key));
        let shown = |key: &str, value: Option<&String>| {
            value.map(|value| if is_secret(key) { NOT_SHOWN.to_owned() } else { shortened(value) })
        };
        differing
            .map(|key| Change {
                key: key.clone(),
                before: shown(key, self.0.get(key)),
                now: shown(key, other.0.get(key)),
            })
            .collect()
    }
}

/// By the table of settings; a key that it does not know is in no settings that are used.
fn is_secret(path: &str) -> bool {
    let (section, name) = (path.split('.').next(), path.rsplit('.').next());
    let keys = SECTIONS.iter().filter(|about| Some(about.name) == section).flat_map(|about| about.keys);
    keys.into_iter().any(|key| Some(key.name) == name && key.secret)
}

fn collect(above: &str, table: &DeTable<'_>, written: &mut BTreeMap<String, String>) {
    for (key, value) in table.iter() {
        let path = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(below) => collect(&path, below, written),
            value => {
                written.insert(path, text(value));
            }
        }
    }
}

fn text(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(values) => {
            let mut list = String::from("[");
            for (index, value) in values.iter().map(Spanned::get_ref).enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                // Writing into a string does not fail.
                let _ = write!(list, "{comma}{}", text(value));
            }
            list + "]"
        }
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Written {
        Written::of(DeTable::parse(text).unwrap().get_ref())
    }

    #[test]
    fn only_what_is_written_otherwise_is_a_change() {
        let before = written("[endpoint.a]\nhost = \"one\"\nport = 22\n[exchange.b]\nmunicipalities = [\"0751\"]\n");
        let now = written(
            "[exchange.b]\nmunicipalities = [\"0751\", \"0101\"]\n# moved\n[endpoint.a]\nport = 22\npoll = \"5s\"\nhost = 'one'\n",
        );

        let changes = before.changes(&now);

        assert_eq!(
            in_short(&changes),
            [
                ("endpoint.a.poll", None, Some("\"5s\"")),
                ("exchange.b.municipalities", Some("[\"0751\"]"), Some("[\"0751\", \"0101\"]")),
            ]
        );
        assert_eq!(before.changes(&before), []);
        assert_eq!(before.changes(&now)[0].section(), "endpoint");
    }

    fn in_short(changes: &[Change]) -> Vec<(&str, Option<&str>, Option<&str>)> {
        changes.iter().map(|change| (change.key.as_str(), change.before.as_deref(), change.now.as_deref())).collect()
    }

    #[test]
    fn that_a_secret_has_changed_is_a_change_and_neither_is_shown() {
        let of = |address: &str| written(&format!("[alarm]\nwebhook = \"https://alarm.example/{address}\"\n"));

        let changes = of("hunter2").changes(&of("hunter3"));

        assert_eq!(in_short(&changes), [("alarm.webhook", Some(NOT_SHOWN), Some(NOT_SHOWN))]);
    }

    #[test]
    fn a_long_value_is_shown_by_its_beginning() {
        let long = written(&format!("a = \"{}\"", "x".repeat(1_000)));

        let changes = Written::default().changes(&long);

        assert!(changes[0].now.as_ref().is_some_and(|now| now.chars().count() == SHOWN_MAX + 1 && now.ends_with('…')));
    }
}
