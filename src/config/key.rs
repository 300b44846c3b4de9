//! What a setting is ([`Key`]: name, meaning, what is expected, default, and how it is read) and how one
//! section of the file is read by its keys ([`Section`]). Knows no particular setting: those are in
//! `table`.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Findings;

/// A value as it stands in the file, with its place.
pub(super) type Given<'i> = Spanned<DeValue<'i>>;

/// One setting: its documentation and its reader stand together.
pub(super) struct Key<T: 'static> {
    pub about: About,
    pub read: fn(&Given<'_>) -> Result<T, Vec<Complaint>>,
}

/// The documentation of one setting; messages, the shipped file and the reference are made from it.
pub(super) struct About {
    pub name: &'static str,
    /// What it decides, in full sentences.
    pub meaning: &'static str,
    /// Completes "expected …": the form, the unit, the bounds.
    pub expected: &'static str,
    pub presence: Presence,
    /// A path or a value that must not be repeated in a message.
    pub secret: bool,
}

/// Whether a key must be there, and what holds if it is not. Values as they are written in TOML.
pub(super) enum Presence {
    Required { example: &'static str },
    Default { value: &'static str, reason: &'static str },
    Optional { example: &'static str, absent: &'static str },
}

/// One table of the file, or one kind of table where each has a name of its own.
pub(super) struct SectionAbout {
    pub name: &'static str,
    /// For `[endpoint.NAME]`: the name in the shipped file.
    pub example_name: Option<&'static str>,
    pub meaning: &'static str,
    pub keys: &'static [&'static About],
}

/// What a reader has to say about a value.
pub(super) enum Complaint {
    /// It is something else than the key expects.
    Unexpected { span: Range<usize>, found: String },
    /// It is against a rule that this predicate tells: "names 0751 twice".
    Because { span: Range<usize>, predicate: String },
}

impl SectionAbout {
    /// How the heading is written: `[store]`, `[endpoint.NAME]`.
    pub fn heading(&self) -> String {
        match self.example_name {
            Some(_) => format!("[{}.NAME]", self.name),
            None => format!("[{}]", self.name),
        }
    }
}

/// One section of a file while it is read. Each key is taken once; what is wrong goes to the findings.
pub(super) struct Section<'a, 'i, 't> {
    about: &'static SectionAbout,
    /// As it stands in the file: `[endpoint.serviceplatformen]`.
    heading: String,
    span: Range<usize>,
    table: &'a DeTable<'i>,
    findings: &'a mut Findings<'t>,
}

impl<'a, 'i, 't> Section<'a, 'i, 't> {
    /// Complains about every key that the section does not have. `all` is the whole table of settings, for
    /// a hint where a key belongs.
    pub fn open(
        about: &'static SectionAbout,
        all: &[&'static SectionAbout],
        heading: String,
        span: Range<usize>,
        table: &'a DeTable<'i>,
        findings: &'a mut Findings<'t>,
    ) -> Self {
        for (key, _) in table.iter() {
            let name = key.get_ref().as_ref();
            if !about.keys.iter().any(|known| known.name == name) {
                let hint = hint(name, about, all);
                findings.mistake(key.span(), format!("unknown key `{}`{hint} (in {heading})", printable(name)));
            }
        }
        Section { about, heading, span, table, findings }
    }

    /// The value of a key that is required or has a default. None: there was something to complain about.
    pub fn take<T>(&mut self, key: &Key<T>) -> Option<Spanned<T>> {
        debug_assert!(self.about.keys.iter().any(|about| about.name == key.about.name));
        if let Some(given) = self.table.get(key.about.name) {
            return self.read(key, given);
        }
        let Presence::Default { value, .. } = key.about.presence else {
            let About { name, expected, .. } = &key.about;
            let message = format!("missing key `{name}`, expected {expected} (in {})", self.heading);
            self.findings.missing(Some(self.span.clone()), message);
            return None;
        };
        let default = DeValue::parse(value).ok().and_then(|given| (key.read)(&given).ok());
        let default = default.expect("a test reads every default in the table");
        Some(Spanned::new(self.span.clone(), default))
    }

    /// The value of an optional key; inside, None: it is not there.
    pub fn take_optional<T>(&mut self, key: &Key<T>) -> Option<Option<Spanned<T>>> {
        match self.table.get(key.about.name) {
            Some(given) => self.read(key, given).map(Some),
            None => Some(None),
        }
    }

    /// Complains about a key, by its predicate: "lies inside …".
    pub fn complain(&mut self, key: &About, span: Range<usize>, predicate: &str) {
        self.findings.mistake(span, format!("`{}` {predicate} (in {})", key.name, self.heading));
    }

    /// The same about something that broken syntax elsewhere may only have hidden.
    pub fn complain_unless_broken(&mut self, key: &About, span: Range<usize>, predicate: &str) {
        self.findings.missing(Some(span), format!("`{}` {predicate} (in {})", key.name, self.heading));
    }

    /// Notes something about a key, by its predicate: "is not there yet".
    pub fn note(&mut self, key: &About, span: Range<usize>, predicate: &str) {
        self.findings.note(span, format!("`{}` {predicate} (in {})", key.name, self.heading));
    }

    fn read<T>(&mut self, key: &Key<T>, given: &Given<'_>) -> Option<Spanned<T>> {
        match (key.read)(given) {
            Ok(value) => Some(Spanned::new(given.span(), value)),
            Err(complaints) => {
                for complaint in complaints {
                    let (span, predicate) = complaint.told(&key.about);
                    self.complain(&key.about, span, &predicate);
                }
                None
            }
        }
    }
}

impl Complaint {
    /// About the whole of a value.
    pub fn unexpected(given: &Given<'_>) -> Complaint {
        Complaint::Unexpected { span: given.span(), found: found(given.get_ref()) }
    }

    fn told(self, about: &About) -> (Range<usize>, String) {
        match self {
            Complaint::Unexpected { span, .. } if about.secret => {
                (span, format!("is something else, expected {}", about.expected))
            }
            Complaint::Unexpected { span, found } => (span, format!("is {found}, expected {}", about.expected)),
            Complaint::Because { span, predicate } => (span, predicate),
        }
    }
}

/// `, did you mean …?`, or where it belongs, or what there is.
fn hint(name: &str, about: &SectionAbout, all: &[&'static SectionAbout]) -> String {
    if let Some(near) = nearest(name, about.keys.iter().map(|key| key.name)) {
        return format!(", did you mean `{near}`?");
    }
    if let Some(home) = all.iter().find(|section| section.keys.iter().any(|key| key.name == name)) {
        return format!(", which belongs in {}", home.heading());
    }
    let names: Vec<_> = about.keys.iter().map(|key| key.name).collect();
    format!(", expected one of {}", names.join(", "))
}

/// The known name that differs least, if the difference can be a slip of the fingers: one in three
/// characters, at least one.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let slips_max = (name.chars().count() / 3).max(1);
    known
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= slips_max)
        .map(|candidate| (slips(name, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// How many characters were added, left out, replaced or swapped with a neighbour (optimal string alignment).
fn slips(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// A value in a message: short texts in quotes, other things by what they are.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) if text.to_ascii_lowercase().contains("private key") => "a private key".to_owned(),
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string().chars().take(40).collect(),
        DeValue::Float(number) => number.to_string().chars().take(40).collect(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(list) if list.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// In quotes, control characters escaped, at most 80 characters.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

/// A name from the file without quotes, fit for a terminal.
pub(super) fn printable(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slip_of_the_fingers_is_taken_for_a_known_name() {
        let known = ["poll", "host", "host_keys", "trigger"];
        for (written, meant) in [
            ("pol", Some("poll")),
            ("opll", Some("poll")),
            ("hots_keys", Some("host_keys")),
            ("triger", Some("trigger")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, known.into_iter()), meant, "{written}");
        }
    }
}
