//! Layouts that are not ours, by the public names alone: what sister interfaces do differently can be said in a
//! layout file, read and written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sluse::domain::amount::Oere;
use sluse::domain::layout::{Layout, Record, Rule, Unwritable, Value, Wholeness, read, wholeness, write};

fn persons() -> Layout {
    Layout::parse("persons.toml", include_str!("layouts/persons.toml")).expect("no mistake")
}

fn income() -> Layout {
    Layout::parse("income.toml", include_str!("layouts/income.toml")).expect("no mistake")
}

/// Invented people; the first CPR number is the official test number.
fn persons_file() -> Vec<u8> {
    let lines = [
        format!("000{:<6}20261201{:08}{:<10}", "L42", 0, "KY"),
        format!(
            "001{}0751{}01{:<40}{:10}{:<10}{:<34}",
            "0707614285", "20200101", "Åse Øgård", "", "AB\t \x01", "99999999"
        ),
        format!("001{}{:4}{:8}{:2}{:<40}{}{:<10}{:<34}", "1502831231", "", "", "", " Æ", "0707614285", "", "20301231"),
        format!("999{:010}{:8}", 2, ""),
        format!("910{:<10}{:04}{:<140}", "070761-428", 27, "ukendt person"),
    ];
    let text = lines.join("\n") + "\n";
    encoding_rs::mem::encode_latin1_lossy(&text).into_owned()
}

fn income_file() -> String {
    [
        format!("TAX HEAD20261201235959{:08}", 7),
        format!("2026EMPL{:<20}", "Brød & Smør – ApS €"),
        format!("2026INCO0707614285202611{:08} {:09}", 31_000, 1_234_567),
        format!("2026INCO1502831231202611{:08}-{:09}", 1_000, 0),
        format!("    FOOT{:06}{:06}{:06}{:012} {:19}", 5, 1, 3, 30_000, ""),
        format!("0013FAUL{:<16}", "år mangler"),
    ]
    .concat()
}

#[test]
fn a_file_in_the_manner_of_the_cpr_extracts_is_read_and_written_back() {
    let file = persons_file();
    let lengths: Vec<_> = file.split(|byte| *byte == b'\n').map(<[u8]>::len).collect();
    assert_eq!(lengths, [35, 121, 121, 21, 157, 0]);

    let records = read(&persons(), &file).unwrap();

    let [_, ase, other, end, error] = &records[..] else { panic!("{records:?}") };
    assert_eq!(ase.values["name"], Value::Text("Åse Øgård".to_owned()));
    assert_eq!(ase.values["protected_until"], Value::Date(None));
    assert_eq!(ase.values["spouse"], Value::Blank);
    assert_eq!((&other.values["municipality"], &other.values["status"]), (&Value::Blank, &Value::Blank));
    assert_eq!(end.values["count"], Value::Digits("0000000002".to_owned()));
    assert_eq!(error.values["message"], Value::Text("ukendt person".to_owned()));
    assert_eq!(write(&persons(), &records).unwrap(), file);
    assert_eq!(wholeness(&persons(), &file), Wholeness::Whole);
}

#[test]
fn a_file_in_the_manner_of_the_tax_interfaces_is_read_and_written_back() {
    let file = income_file();

    let records = read(&income(), file.as_bytes()).unwrap();

    let [_, employer, _, correction, end, error] = &records[..] else { panic!("{records:?}") };
    assert_eq!(employer.values["name"], Value::Text("Brød & Smør – ApS €".to_owned()));
    assert_eq!(correction.values["gross"], Value::Amount(Oere(-100_000)));
    assert_eq!(end.values["gross"], Value::Amount(Oere(3_000_000)));
    assert_eq!(error.name, "FAULT");
    assert_eq!(String::from_utf8(write(&income(), &records).unwrap()).unwrap(), file);
    assert_eq!(wholeness(&income(), file.as_bytes()), Wholeness::Whole);
}

#[test]
fn a_broken_foreign_file_is_unfit_by_the_rule_that_it_breaks() {
    for (from, to, rule) in [
        ("TAX ", "TAX!", Rule::Constant),
        ("HEAD", "HOOD", Rule::RecordType),
        ("000005", "000004", Rule::Count),
        ("000001000003", "000002000003", Rule::Count),
        ("000000030000 ", "000000030000-", Rule::Sum),
        ("00001000-", "00000000-", Rule::Kind),
        ("202611", "202600", Rule::Date),
        ("Smør", "Smr", Rule::RecordType),
        ("2026EMPL", "TAX HEAD", Rule::Start),
        ("0013FAUL", "2026EMPL----0013FAUL", Rule::AfterEnd),
        ("2026EMPL", "2026FAUL", Rule::End),
        ("år mangler", "år", Rule::End),
    ] {
        let broken = income_file().replacen(from, to, 1);
        assert_eq!(read(&income(), broken.as_bytes()).unwrap_err().rule(), rule, "{from} -> {to}");
    }
    for (from, to, rule) in [
        (&b"\n001"[..], &b"\r\n001"[..], Rule::LineEnd),
        (b"\n910", b"\n001", Rule::Length),
        (b"\n910", b"\n000", Rule::Length),
        (b"\n910", b"\n\n910", Rule::Length),
        (b"0000000002", b"0000000004", Rule::Count),
    ] {
        let file = persons_file();
        let at = file.windows(from.len()).position(|window| window == from).unwrap();
        let broken = [&file[..at], to, &file[at + from.len()..]].concat();
        assert_eq!(read(&persons(), &broken).unwrap_err().rule(), rule, "{to:?}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_unfit_and_placed_by_byte() {
    let mut file = income_file().into_bytes();
    let at = file.windows(2).position(|pair| pair == "ø".as_bytes()).unwrap();
    file[at] = 0xFF;

    let unfit = read(&income(), &file).unwrap_err();

    assert_eq!(
        unfit.to_string(),
        "record 2, byte 39: field `name` has bytes in it that are not UTF-8, expected text in UTF-8"
    );
}

#[test]
fn a_fault_in_filler_is_told_by_its_positions() {
    let mut file = persons_file();
    let end_record = 36 + 122 + 122;
    assert_eq!(&file[end_record..end_record + 3], b"999");
    file[end_record + 20] = b'X';

    let unfit = read(&persons(), &file).unwrap_err().to_string();

    assert!(unfit.starts_with("record 4, byte 294: positions 14-21 "), "{unfit}");
}

#[test]
fn a_character_that_the_character_set_does_not_have_is_not_written() {
    let mut records = read(&persons(), &persons_file()).unwrap();
    records[1].values.insert("name".to_owned(), Value::Text("Zoë €".to_owned()));

    let refused = write(&persons(), &records).unwrap_err();

    assert_eq!(refused.to_string(), "record 2: field `name` has a character that ISO-8859-1 does not have");
}

#[test]
fn a_record_that_the_layout_does_not_know_is_not_written() {
    let record = Record { name: "NOBODY".to_owned(), values: BTreeMap::new() };

    let refused = write(&income(), &[record]);

    assert_eq!(refused, Err(Unwritable::UnknownRecord { record: 1, name: "NOBODY".to_owned() }));
}

proptest! {
    #[test]
    fn what_is_read_is_written_back_whatever_was_changed(
        at in 0usize..500,
        byte in any::<u8>(),
        second in 0usize..500,
        put in prop::sample::select(" 0123456789-+Aæ€".chars().collect::<Vec<_>>()),
    ) {
        let mut bytes = persons_file();
        let length = bytes.len();
        bytes[at % length] = byte;
        bytes[second % length] = put as u8;
        if let Ok(records) = read(&persons(), &bytes) {
            prop_assert_eq!(write(&persons(), &records).unwrap(), bytes);
        }

        let mut characters: Vec<char> = income_file().chars().collect();
        let length = characters.len();
        characters[at % length] = put;
        let mut bytes = characters.into_iter().collect::<String>().into_bytes();
        if let Ok(records) = read(&income(), &bytes) {
            prop_assert_eq!(write(&income(), &records).unwrap(), bytes.clone());
        }
        let length = bytes.len();
        bytes[second % length] = byte;
        if let Ok(records) = read(&income(), &bytes) {
            prop_assert_eq!(write(&income(), &records).unwrap(), bytes);
        }
    }
}
