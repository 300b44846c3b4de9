//! From a layout file to a [`Layout`], or to all the mistakes in it. The keys of a layout file are documented here,
//! where they are read.
//!
//! | key | what it says |
//! |---|---|
//! | `name` | what messages call the layout |
//! | `purpose` | `query`, `reply` or `records` (only its records are known) |
//! | `file_name` | a template with `{municipality}`, `{date}` and `{delivery}` or `{delivery:4}` |
//! | `character_set` | `iso-8859-1` (a position is a byte) or `utf-8` (a position is a character) |
//! | `line_end` | `crlf`, `lf` or `none` |
//! | `type_at` | where a record's type stands, such as `1-2` |
//! | `key` | for a reply: the fields that tell one agreement from another |
//! | `[[record]]` | `name`, `type`, `place` (`start`, `detail`, `end`, or `error`: after the end), `length`, `fields` |
//!
//! | key of a field | what it says |
//! |---|---|
//! | `at` | positions from 1, such as `3-10` or `57` |
//! | `name` | its name; filler has none |
//! | `kind` | `text`, `digits`, `date`, `time`, `month`, `cpr`, `municipality`, `amount`, `constant`, `filler` (blanks), `unread` (kept as it is) |
//! | `role` | what it means to SF2530, see `ROLES` |
//! | `may_be_blank` | all blanks stand for no value |
//! | `value` | of a constant |
//! | `open` | of a date: what stands for "no such day", such as `00000000` |
//! | `unit`, `sign_at`, `signs` | of an amount: `oere` or `kroner`; its sign's column; plus and minus, `+-` if not given |
//! | `counts` | of digits in an end record: `details`, `all` (start and end with them), or record names |
//! | `sums` | of an amount in an end record: the name of the amount fields it adds up |

use toml::de::DeTable;

use super::across::{check_purpose, check_types, resolve_counts, resolve_key, resolve_sums};
use super::field::{Field, Kind, NUMBER_DIGITS_MAX, Role, Sign, Tally, Unit};
use super::mistakes::{Found, LayoutMistakes, Table, Word};
use super::{CharacterSet, Layout, LineEnd, Place, Purpose, RecordType, Span};

/// No published interface comes near; it keeps a slip of the pen from becoming a buffer.
const RECORD_LENGTH_MAX: usize = 10_000;

/// Each role with the kind of field that it takes and the places where it may stand.
const ROLES: &[(&str, Role, &str, &[Place])] = &[
    ("municipality", Role::Municipality, "municipality", &[Place::Start, Place::Detail, Place::End, Place::Error]),
    ("date", Role::Date, "date", &[Place::Start]),
    ("time", Role::Time, "time", &[Place::Start]),
    ("delivery", Role::Delivery, "digits", &[Place::Start]),
    ("payment_date", Role::PaymentDate, "date", &[Place::Start, Place::Detail]),
    ("payment_month", Role::PaymentMonth, "month", &[Place::Start, Place::Detail]),
    ("payer", Role::Payer, "cpr", &[Place::Detail]),
    ("valid_from", Role::ValidFrom, "date", &[Place::Detail]),
    ("valid_to", Role::ValidTo, "date", &[Place::Detail]),
    ("amount", Role::Amount, "amount", &[Place::Detail]),
];

const PURPOSES: &[(&str, Purpose)] =
    &[("query", Purpose::Query), ("reply", Purpose::Reply), ("records", Purpose::Records)];
const CHARACTER_SETS: &[(&str, CharacterSet)] = &[("iso-8859-1", CharacterSet::Latin1), ("utf-8", CharacterSet::Utf8)];
const LINE_ENDS: &[(&str, LineEnd)] = &[("crlf", LineEnd::Crlf), ("lf", LineEnd::Lf), ("none", LineEnd::None)];
const PLACES: &[(&str, Place)] =
    &[("start", Place::Start), ("detail", Place::Detail), ("end", Place::End), ("error", Place::Error)];
const KINDS: &[(&str, KindName)] = &[
    ("text", KindName::Text),
    ("digits", KindName::Digits),
    ("date", KindName::Date),
    ("time", KindName::Time),
    ("month", KindName::Month),
    ("cpr", KindName::Cpr),
    ("municipality", KindName::Municipality),
    ("amount", KindName::Amount),
    ("constant", KindName::Constant),
    ("filler", KindName::Filler),
    ("unread", KindName::Unread),
];
const UNITS: &[(&str, Unit)] = &[("oere", Unit::Oere), ("kroner", Unit::Kroner)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KindName {
    Text,
    Digits,
    Date,
    Time,
    Month,
    Cpr,
    Municipality,
    Amount,
    Constant,
    Filler,
    Unread,
}

/// A record type whose names of others are not resolved yet.
pub(super) struct RecordDraft<'t> {
    pub kind: RecordType,
    pub at: usize,
    pub fields: Vec<FieldDraft<'t>>,
}

pub(super) struct FieldDraft<'t> {
    pub field: Field,
    pub at: usize,
    pub counts: Option<Vec<Word<'t>>>,
    pub sums: Option<Word<'t>>,
}

pub(super) fn parse(source: &str, toml: &str) -> Result<Layout, LayoutMistakes> {
    let mut found = Found::default();
    let (document, errors) = DeTable::parse_recoverable(toml);
    for error in &errors {
        found.add(error.span().map_or(0, |span| span.start), error.message());
    }
    // What is left of a broken document would only give mistakes that are none.
    let layout = if found.is_empty() { layout_of(document.get_ref(), &mut found) } else { None };
    match layout {
        Some(layout) if found.is_empty() => Ok(layout),
        _ => Err(found.into_mistakes(source, toml)),
    }
}

fn layout_of(document: &DeTable<'_>, found: &mut Found) -> Option<Layout> {
    let mut table = Table::new(document, 0);
    let name = table.required_text("name", found);
    let purpose = table.choice("purpose", PURPOSES, None, found);
    let template = table
        .required_text("file_name", found)
        .and_then(|word| word.text.parse().map_err(|wrong| found.add(word.at, format!("`file_name`: {wrong}"))).ok());
    let characters = table.choice("character_set", CHARACTER_SETS, None, found);
    let line_end = table.choice("line_end", LINE_ENDS, None, found);
    let type_at = table.required_text("type_at", found).and_then(|word| span_of(word, found));
    let key = table.texts("key", found).unwrap_or_default();
    let records = table.tables("record", found);
    table.finish(found);

    let mut drafts: Vec<_> = records.into_iter().filter_map(|record| record_of(record, type_at, found)).collect();
    check_types(&drafts, found);
    resolve_counts(&mut drafts, found);
    let sums = resolve_sums(&mut drafts, found);
    resolve_key(&mut drafts, &key, found);
    if let Some(purpose) = purpose {
        check_purpose(purpose, &drafts, &key, found);
    }
    let records = drafts.into_iter().map(|draft| {
        let fields = draft.fields.into_iter().map(|draft| draft.field).collect();
        RecordType { fields, ..draft.kind }
    });
    Some(Layout {
        name: name?.text.to_owned(),
        purpose: purpose?,
        template: template?,
        characters: characters?,
        line_end: line_end?,
        type_at: type_at?,
        records: records.collect(),
        key: key.iter().map(|word| word.text.to_owned()).collect(),
        sums,
    })
}

fn record_of<'t>(mut table: Table<'t>, type_at: Option<Span>, found: &mut Found) -> Option<RecordDraft<'t>> {
    let at = table.at;
    let name = table.required_text("name", found);
    let code = table.required_text("type", found);
    let place = table.choice("place", PLACES, None, found);
    let length = table.required_number("length", found).and_then(|(length, at)| {
        let is_sound = (1..=RECORD_LENGTH_MAX).contains(&length);
        if !is_sound {
            found.add(at, format!("`length` is {length}, expected 1 to {RECORD_LENGTH_MAX}"));
        }
        is_sound.then_some(length)
    });
    let tables = table.tables("fields", found);
    table.finish(found);

    if let (Some(code), Some(type_at)) = (code, type_at)
        && (code.text.len() != type_at.len() || !is_printable(code.text))
    {
        let message = format!("`type` is {:?}, expected {} printable ASCII characters", code.text, type_at.len());
        found.add(code.at, message);
    }
    let mut fields = Vec::new();
    let mut all_sound = true;
    for field in tables {
        match field_of(field, place, found) {
            Some(field) => fields.push(field),
            None => all_sound = false,
        }
    }
    if let (Some(length), Some(type_at), true) = (length, type_at, all_sound) {
        check_positions(length, type_at, at, &fields, found);
    }
    check_names_and_roles(&fields, found);
    fields.sort_by_key(|draft| draft.field.at.start);
    let kind = RecordType {
        name: name?.text.to_owned(),
        code: code?.text.to_owned(),
        place: place?,
        length: length?,
        fields: Vec::new(),
        key: Vec::new(),
    };
    Some(RecordDraft { kind, at, fields })
}

fn field_of<'t>(mut table: Table<'t>, place: Option<Place>, found: &mut Found) -> Option<FieldDraft<'t>> {
    let at = table.at;
    let span = table.required_text("at", found).and_then(|word| span_of(word, found));
    let kind_name = table.choice("kind", KINDS, None, found);
    let is_filler = kind_name == Some(KindName::Filler);
    let name = if is_filler { None } else { table.required_text("name", found) };
    if let Some(name) = name.filter(|name| name.text.is_empty() || !is_printable(name.text) || name.text.len() > 40) {
        found.add(name.at, format!("`name` is {:?}, expected 1 to 40 printable ASCII characters", name.text));
    }
    let can_be_blank =
        !matches!(kind_name, Some(KindName::Filler | KindName::Text | KindName::Unread | KindName::Constant));
    let may_be_blank = can_be_blank && table.flag("may_be_blank", found);
    let kind = kind_name.and_then(|name| kind_of(name, &mut table, span, found));
    let role = table.text("role", found).and_then(|word| role_of(word, kind_name?, span?, place?, found));
    let counts = if kind_name == Some(KindName::Digits) { table.texts("counts", found) } else { None };
    let sums = if kind_name == Some(KindName::Amount) { table.text("sums", found) } else { None };
    table.finish(found);

    if (counts.is_some() || sums.is_some()) && place.is_some_and(|place| place != Place::End) {
        found.add(at, "`counts` and `sums` belong into the end record");
    }
    let name = if is_filler { String::new() } else { name?.text.to_owned() };
    let field = Field { name, at: span?, kind: kind?, role, tally: Tally::None, may_be_blank };
    Some(FieldDraft { field, at, counts, sums })
}

/// The kind with what belongs to it, and whether the positions are as many as it needs.
fn kind_of(name: KindName, table: &mut Table<'_>, span: Option<Span>, found: &mut Found) -> Option<Kind> {
    let (width, kind) = match name {
        KindName::Filler => (None, Some(Kind::Filler)),
        KindName::Unread => (None, Some(Kind::Unread)),
        KindName::Text => (None, Some(Kind::Text)),
        KindName::Digits => (None, Some(Kind::Digits)),
        KindName::Time => (Some(6), Some(Kind::Time)),
        KindName::Month => (Some(6), Some(Kind::Month)),
        KindName::Cpr => (Some(10), Some(Kind::Cpr)),
        KindName::Municipality => (Some(4), Some(Kind::Municipality)),
        KindName::Date => {
            let open = table.text("open", found);
            if let Some(open) = open.filter(|open| open.text.len() != 8 || !is_printable(open.text)) {
                found.add(open.at, format!("`open` is {:?}, expected 8 printable ASCII characters", open.text));
            }
            (Some(8), Some(Kind::Date { open: open.map(|open| open.text.to_owned()) }))
        }
        KindName::Constant => {
            let value = table.required_text("value", found);
            if let (Some(value), Some(span)) = (value, span)
                && (value.text.len() > span.len() || !is_printable(value.text))
            {
                let message =
                    format!("`value` is {:?}, expected at most {} printable ASCII characters", value.text, span.len());
                found.add(value.at, message);
            }
            (None, value.map(|value| Kind::Constant(value.text.to_owned())))
        }
        KindName::Amount => {
            let unit = table.choice("unit", UNITS, None, found);
            let sign = sign_of(table, found);
            let digits_max = if unit == Some(Unit::Kroner) { NUMBER_DIGITS_MAX - 2 } else { NUMBER_DIGITS_MAX };
            if let Some(span) = span.filter(|span| span.len() > digits_max) {
                found
                    .add(table.at, format!("an amount in {span} is too wide, expected at most {digits_max} positions"));
            }
            (None, unit.map(|unit| Kind::Amount { sign, unit }))
        }
    };
    if let (Some(width), Some(span)) = (width, span)
        && span.len() != width
    {
        found.add(table.at, format!("a field of this kind has {width} positions, {span} has {}", span.len()));
    }
    kind
}

fn sign_of(table: &mut Table<'_>, found: &mut Found) -> Option<Sign> {
    let column = table.text("sign_at", found).and_then(|word| Some((word.at, span_of(word, found)?)));
    let signs = table.text("signs", found);
    let (plus, minus) = match signs.map(|signs| (signs.at, signs.text.as_bytes())) {
        None => (b'+', b'-'),
        Some((_, &[plus, minus])) if plus != minus && [plus, minus].iter().all(|b| (b' '..=b'~').contains(b)) => {
            (plus, minus)
        }
        Some((at, _)) => {
            found.add(at, "`signs` must be two different ASCII characters: plus, then minus");
            return None;
        }
    };
    if let (None, Some(signs)) = (column, signs) {
        found.add(signs.at, "`signs` says nothing without `sign_at`");
    }
    let (at, column) = column?;
    if column.len() != 1 {
        found.add(at, format!("`sign_at` is {column}, expected one position"));
    }
    Some(Sign { at: column.start, plus, minus })
}

fn role_of(word: Word<'_>, kind: KindName, span: Span, place: Place, found: &mut Found) -> Option<Role> {
    let Some((name, role, expected, places)) = ROLES.iter().find(|(name, ..)| *name == word.text) else {
        let names: Vec<_> = ROLES.iter().map(|(name, ..)| *name).collect();
        found.add(word.at, format!("`role` is {:?}, expected one of {}", word.text, names.join(", ")));
        return None;
    };
    if !KINDS.contains(&(*expected, kind)) {
        found.add(word.at, format!("role `{name}` belongs to a field of kind `{expected}`"));
    }
    if !places.contains(&place) {
        let names: Vec<_> = PLACES.iter().filter(|(_, p)| places.contains(p)).map(|(name, _)| *name).collect();
        found.add(word.at, format!("role `{name}` belongs into a record of place {}", names.join(" or ")));
    }
    if *role == Role::Delivery && span.len() > 8 {
        found.add(word.at, format!("a delivery number has at most 8 digits, {span} has {}", span.len()));
    }
    Some(*role)
}

/// Every position belongs to one field, or to the type.
fn check_positions(length: usize, type_at: Span, at: usize, fields: &[FieldDraft<'_>], found: &mut Found) {
    if type_at.end > length {
        found.add(at, format!("the record has {length} positions and its type stands in {type_at}"));
        return;
    }
    let mut owners: Vec<Option<&str>> = vec![None; length];
    owners[type_at.start..type_at.end].fill(Some("the record's type"));
    for draft in fields {
        let sign = match &draft.field.kind {
            Kind::Amount { sign: Some(sign), .. } => Some(sign.span()),
            _ => None,
        };
        for span in [Some(draft.field.at), sign].into_iter().flatten() {
            if span.end > length {
                found.add(draft.at, format!("{span} is beyond the record, which has {length} positions"));
                continue;
            }
            let positions = &mut owners[span.start..span.end];
            if let Some((offset, owner)) = positions.iter().enumerate().find_map(|(i, owner)| Some((i, (*owner)?))) {
                let position = span.start + offset + 1;
                found.add(draft.at, format!("{span} overlaps {owner} at position {position}"));
            }
            let name = if draft.field.name.is_empty() { "the filler" } else { &draft.field.name };
            positions.fill(Some(name));
        }
    }
    let mut start = 0;
    for run in owners.chunk_by(|a, b| a.is_some() == b.is_some()) {
        if run[0].is_none() {
            let gap = Span { start, end: start + run.len() };
            found.add(at, format!("{gap} belongs to no field; expected `filler` (blanks) or `unread` (anything)"));
        }
        start += run.len();
    }
}

fn check_names_and_roles(fields: &[FieldDraft<'_>], found: &mut Found) {
    for (index, draft) in fields.iter().enumerate() {
        let before = &fields[..index];
        let name = &draft.field.name;
        if !name.is_empty() && before.iter().any(|other| other.field.name == *name) {
            found.add(draft.at, format!("a second field named `{name}` in this record"));
        }
        if let Some(role) = draft.field.role
            && before.iter().any(|other| other.field.role == Some(role))
        {
            let name = ROLES.iter().find(|(_, r, ..)| *r == role).map_or("", |(name, ..)| name);
            found.add(draft.at, format!("role `{name}` twice in this record"));
        }
    }
}

/// `3-10` or `57`, counted from 1.
fn span_of(word: Word<'_>, found: &mut Found) -> Option<Span> {
    let (first, last) = word.text.split_once('-').unwrap_or((word.text, word.text));
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<usize>().ok()).flatten();
    match (number(first), number(last)) {
        (Some(first @ 1..), Some(last)) if first <= last && last <= RECORD_LENGTH_MAX => {
            Some(Span { start: first - 1, end: last })
        }
        _ => {
            found.add(word.at, format!("{:?} is no position, expected such as \"57\" or \"3-10\", from 1", word.text));
            None
        }
    }
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::layout::REPLY;

    /// The shipped reply with one thing changed, and the mistakes that are then in it.
    fn mistakes(from: &str, to: &str) -> Vec<String> {
        assert!(REPLY.contains(from), "{from}");
        let wrong = REPLY.replacen(from, to, 1);
        let found = parse("reply.toml", &wrong).err().map(|found| found.to_string()).unwrap_or_default();
        found.lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_slip_is_named_with_its_place() {
        for (from, to, sentence) in [
            ("name = \"SF2530A\"", "", "1:1: missing key `name`"),
            ("purpose = \"reply\"", "purpose = 1", "14:11: `purpose` is of type integer, expected a text"),
            ("\"crlf\"", "\"cr\"", "17:12: `line_end` is \"cr\", expected one of crlf, lf, none"),
            ("\"iso-8859-1\"", "\"cp1252\"", "16:17: `character_set` is \"cp1252\", expected one of iso-8859-1, utf-8"),
            ("_{date}_", "_", "15:13: `file_name`: {date} must stand in a file name exactly once"),
            ("type_at = \"1-2\"", "type_at = \"0-2\"", "is no position"),
            ("type_at = \"1-2\"", "type_at = \"1-3\"", "3 printable ASCII characters"),
            ("[\"agreement_number\"]", "[\"number\"]", "19:8: no detail record has the key's field `number`"),
            ("key = [\"agreement_number\"]", "", "missing key `key`"),
            ("[\"agreement_number\"]", "[\"agreement_number\", \"agreement_number\"]", "twice in the key"),
            ("[\"agreement_number\"]", "[\"agreement_number\", \"time\"]", "is missing in record `AGREEMENT`"),
            ("[\"agreement_number\"]", "[\"monthly_amount\"]", "tells no agreement from another"),
            ("type = \"20\"", "type = \"00\"", "a second record of type \"00\""),
            ("name = \"END\"", "name = \"START\"", "a second record named `START`"),
            ("place = \"end\"", "place = \"start\"", "a second start or end record"),
            ("place = \"detail\"", "place = \"error\"", "no record of place `detail`"),
            ("length = 120", "length = 0", "`length` is 0, expected 1 to 10000"),
            ("length = 120", "length = 119", "37-120 is beyond the record, which has 119 positions"),
            ("length = 120", "length = 121", "21:1: 121 belongs to no field"),
            ("at = \"11-14\"", "at = \"10-13\"", "28:5: 10-13 overlaps interface at position 10"),
            ("at = \"3-10\"", "at = \"2-9\"", "27:5: 2-9 overlaps the record's type at position 2"),
            ("at = \"3-10\"", "at = \"10-3\"", "27:12: \"10-3\" is no position"),
            ("at = \"3-10\"", "at = \"+3-10\"", "27:12: \"+3-10\" is no position"),
            ("sign_at = \"57\"", "sign_at = \"56\"", "56 overlaps valid_to at position 56"),
            ("sign_at = \"57\"", "signs = \"+-\"", "`signs` says nothing without `sign_at`"),
            ("sign_at = \"57\"", "sign_at = \"57\", signs = \"--\"", "`signs` must be two different ASCII characters"),
            ("unit = \"oere\"", "colour = \"red\"", "missing key `unit`"),
            ("unit = \"oere\"", "unit = \"oere\", colour = \"red\"", "unknown key `colour`, expected one of at, kind"),
            ("\"digits\", role = \"delivery\"", "\"text\", role = \"delivery\"", "belongs to a field of kind `digits`"),
            ("role = \"time\"", "role = \"clock\"", "30:58: `role` is \"clock\", expected one of municipality, date"),
            ("role = \"time\"", "role = \"payer\"", "role `payer` belongs into a record of place detail"),
            ("role = \"valid_to\"", "role = \"valid_from\"", "role `valid_from` twice in this record"),
            ("role = \"date\"", "role = \"date\", open = \"00000000\"", "must not be blank or open"),
            ("role = \"date\" }", "}", "no field has role `date`, which a layout for replies needs"),
            ("name = \"priority\"", "name = \"payer\"", "a second field named `payer` in this record"),
            ("name = \"priority\"", "name = \"\"", "expected 1 to 40 printable ASCII characters"),
            ("kind = \"cpr\"", "kind = \"kpr\"", "`kind` is \"kpr\", expected one of text, digits"),
            ("at = \"41-48\"", "at = \"41-47\"", "a field of this kind has 8 positions, 41-47 has 7"),
            ("open = \"00000000\"", "open = \"0\"", "`open` is \"0\", expected 8"),
            ("value = \"SF2530A\"", "value = \"SF2530A..\"", "expected at most 8 printable ASCII characters"),
            ("counts = \"details\"", "counts = \"DETAILS\"", "`counts` names no record to count"),
            ("kind = \"digits\" },", "kind = \"digits\", counts = \"all\" },", "belong into the end record"),
            ("sums = \"monthly_amount\"", "sums = \"amount\"", "expected the name of an amount in a detail record"),
            ("[[record]]", "[[records]]", "unknown key `records`"),
            ("place = \"start\"", "place = \"start", "24:15: "),
        ] {
            let found = mistakes(from, to);
            assert!(found.iter().any(|line| line.contains(sentence)), "{from} -> {to}: {found:#?}");
        }
    }

    #[test]
    fn all_mistakes_come_at_once_in_the_order_of_their_places() {
        let wrong = REPLY
            .replace("\"crlf\"", "\"cr\"")
            .replace("at = \"11-14\"", "at = \"10-13\"")
            .replace("role = \"payer\"", "role = \"payee\"")
            .replace("counts = \"details\"", "counts = \"nothing\"");

        let LayoutMistakes { mistakes, .. } = parse("reply.toml", &wrong).unwrap_err();

        let places: Vec<_> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(places, [17, 21, 28, 42, 60], "{mistakes:#?}");
    }

    #[test]
    fn an_empty_file_misses_everything() {
        let mistakes = parse("x", "").unwrap_err().to_string();

        for key in ["name", "purpose", "file_name", "character_set", "line_end", "type_at", "record"] {
            assert!(mistakes.contains(&format!("x:1:1: missing key `{key}`")) || mistakes.contains("missing `record`"));
        }
    }

    proptest! {
        #[test]
        fn no_damage_to_a_layout_file_makes_a_layout_that_panics(
            at in 0..REPLY.len(),
            length in 0usize..40,
            put in "[ -~\\n]{0,8}|[0-9]{1,3}|\"[0-9]{1,3}-[0-9]{1,3}\"",
        ) {
            let start = REPLY.floor_char_boundary(at);
            let end = REPLY.floor_char_boundary((at + length).min(REPLY.len()));
            let damaged = format!("{}{put}{}", &REPLY[..start], &REPLY[end.max(start)..]);

            if let Ok(layout) = parse("x", &damaged) {
                let sample = include_bytes!("../../../tests/fixtures/BETADM_SVAR_0751_20261201_0042.txt");
                if let Ok(records) = super::super::read(&layout, sample) {
                    prop_assert_eq!(super::super::write(&layout, &records).unwrap(), sample);
                }
            }
        }
    }
}
