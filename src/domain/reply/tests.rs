//! Each rule that makes a reply unfit, once, and that what is written reads back.

use std::borrow::Cow;

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

const SAMPLE: &[u8] = include_bytes!("../../../tests/fixtures/BETADM_SVAR_0751_20261201_0042.txt");

type Read = Result<(Vec<(u64, Agreement)>, ReplyEnd), Unfit>;

fn aarhus() -> MunicipalityCode {
    "0751".parse().unwrap()
}

fn read_by(layout: &Layout, bytes: &[u8], chunk: usize) -> Read {
    let mut agreements = Vec::new();
    let mut reader = ReplyReader::new(layout, aarhus());
    for chunk in bytes.chunks(chunk) {
        reader.feed(chunk, &mut |record, agreement| {
            agreements.push((record, agreement.to_agreement().unwrap()));
            Ok(())
        })?;
    }
    Ok((agreements, reader.finish()?))
}

fn read(text: &str) -> Read {
    read_by(&Layout::shipped_reply(), &encoding_rs::mem::encode_latin1_lossy(text), usize::MAX)
}

fn sample() -> Cow<'static, str> {
    encoding_rs::mem::decode_latin1(SAMPLE)
}

/// The sample with one thing changed.
fn edited(from: &str, to: &str) -> String {
    assert_eq!(sample().matches(from).count(), 1, "{from} stands in the sample once");
    sample().replace(from, to)
}

fn record(number: usize) -> String {
    sample().split_inclusive("\r\n").nth(number - 1).unwrap().to_owned()
}

fn unfit(text: &str) -> Unfit {
    read(text).err().expect("the reply is unfit")
}

#[test]
fn the_sample_gives_its_agreements_and_their_sum() {
    let (agreements, end) = read(&sample()).unwrap();

    assert_eq!(end.head.date, date(2026, 12, 1));
    assert_eq!(end.head.delivery, Some(DeliveryNumber(42)));
    assert_eq!((end.count, end.sum, end.error_records), (3, Oere(561_050), 0));
    let (record, third) = &agreements[2];
    assert_eq!(*record, 4);
    assert_eq!(third.key.0, "000000001003");
    assert_eq!(third.payer.map(|payer| payer.to_string()), Some("150283-xxxx".to_owned()));
    assert_eq!((third.valid_from, third.valid_to), (Some(date(2026, 7, 1)), None));
    assert_eq!(third.amount, Some(Oere(80_150)));
    let other: Vec<_> = third.other.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(other, [("case_reference", "S-2026-Æ03"), ("kind", "BB"), ("priority", "02")]);
}

#[test]
fn a_reply_without_agreements_is_fit() {
    let end = record(5).replace("00000003+000000000561050", "00000000+000000000000000");

    let (agreements, end) = read(&(record(1) + &end)).unwrap();

    assert!(agreements.is_empty());
    assert_eq!((end.count, end.sum), (0, Oere(0)));
}

#[test]
fn a_record_of_a_wrong_length_makes_a_reply_unfit() {
    let expected = "expected 120 for type 20";
    for (text, found) in [
        (edited("S-2026-0001 ", "S-2026-0001"), "record 2, byte 123: the record is 119 bytes long"),
        (edited("S-2026-0001 ", "S-2026-0001  "), "record 2, byte 123: the record is 121 bytes long"),
        (record(1) + "20" + &"x".repeat(100_000), "record 2, byte 123: the record is much longer"),
    ] {
        assert_eq!(unfit(&text).to_string(), format!("{found}, {expected}"));
        assert_eq!(unfit(&text).rule(), Rule::Length);
    }
    assert_eq!(
        unfit(&(record(1) + "2\r\n" + &record(2))).to_string(),
        "record 2, byte 123: the record is 1 byte long, expected its type in 1-2"
    );
}

#[test]
fn a_line_end_of_another_kind_makes_a_reply_unfit() {
    assert_eq!(
        unfit(&sample().replace("\r\n", "\n")).to_string(),
        "record 1, byte 1: the record ends with another line end, expected CRLF"
    );
    assert_eq!(
        unfit(sample().strip_suffix("\r\n").unwrap()).to_string(),
        "record 5, byte 489: the record ends without a line end, expected CRLF"
    );
}

#[test]
fn a_reply_without_its_first_record_is_unfit() {
    assert_eq!(unfit("").to_string(), "the file is empty, expected a start record of type 00 first");
    assert_eq!(
        unfit(&(record(2) + &record(5))).to_string(),
        "record 1, byte 1: the record is of type 20, expected a start record of type 00 first"
    );
    assert_eq!(unfit(&(record(1) + &sample())).rule(), Rule::Start);
}

#[test]
fn a_reply_without_its_last_record_is_unfit() {
    assert_eq!(
        unfit(&(record(1) + &record(2))).to_string(),
        "the file ends after record 2 without an end record, expected type 99 last"
    );
    assert_eq!(
        unfit(&(record(1) + &record(2)[..57])).to_string(),
        "record 2, byte 123: the record breaks off after 57 bytes, expected 120 for type 20"
    );
}

#[test]
fn a_record_of_an_unknown_type_makes_a_reply_unfit() {
    assert_eq!(
        unfit(&edited("20075107", "30075107")).to_string(),
        "record 2, byte 123: the record is of type \"30\", expected one of 00, 20, 99"
    );
}

#[test]
fn another_municipality_in_any_record_makes_a_reply_unfit() {
    for (number, from, to) in [
        (1, "SF2530A 0751", "SF2530A 0101"),
        (2, "20075107", "20010107"),
        (4, "20075115", "20010115"),
        (5, "990751", "990101"),
    ] {
        let unfit = unfit(&edited(from, to));
        assert_eq!((unfit.rule(), unfit.record()), (Rule::Municipality, Some(number)));
        assert!(unfit.to_string().ends_with("field `municipality` is another municipality, expected 0751"));
    }
    assert_eq!(unfit(&edited("990751", "990100")).rule(), Rule::Municipality);
}

#[test]
fn another_municipality_in_the_name_makes_a_reply_unfit() {
    let layout = Layout::shipped_reply();
    let check = |name| check_reply_name(&layout, name, aarhus()).map_err(|unfit| unfit.to_string());

    assert_eq!(check("BETADM_SVAR_0751_20261201_0042.txt"), Ok(()));
    assert_eq!(check("something else"), Ok(()));
    assert_eq!(
        check("BETADM_SVAR_0101_20261201_0042.txt"),
        Err("the file name says municipality 0101, expected 0751".to_owned())
    );
}

#[test]
fn a_wrong_count_makes_a_reply_unfit() {
    assert_eq!(
        unfit(&edited("00000003+", "00000004+")).to_string(),
        "record 5, byte 495: field `count` is \"00000004\", expected 3, as counted"
    );
    assert_eq!(unfit(&edited("00000003+", "       3+")).rule(), Rule::Count);
    assert_eq!(unfit(&(record(1) + &record(2) + &record(5))).rule(), Rule::Count);
}

#[test]
fn a_wrong_sum_makes_a_reply_unfit() {
    assert_eq!(
        unfit(&edited("+000000000561050", "+000000000561051")).to_string(),
        "record 5, byte 504: field `sum` is more than the records add up to, expected the sum of `monthly_amount` in 4 records"
    );
    assert_eq!(unfit(&edited("+000000000561050", "-000000000561050")).rule(), Rule::Sum);
}

#[test]
fn bytes_after_the_end_make_a_reply_unfit() {
    for behind in ["\r\n", "\u{1a}", "x", &record(2), &record(5)] {
        let unfit = unfit(&(sample() + behind));
        assert_eq!(
            unfit.to_string(),
            "record 6, byte 611: the record comes after the end record, expected nothing there"
        );
        assert_eq!(unfit.rule(), Rule::AfterEnd);
    }
}

#[test]
fn anything_but_digits_in_a_digit_field_makes_a_reply_unfit() {
    for (from, to, field, found) in [
        ("0707614285", "07076I4285", "payer", "xxxxxIxxxx"),
        ("000000001001", "     0001001", "agreement_number", "     xxxxxxx"),
        ("+00000160300", "+0000016030 ", "monthly_amount", "xxxxxxxxxx "),
    ] {
        let sentence = unfit(&edited(from, to)).to_string();
        assert!(sentence.contains(&format!("field `{field}` is \"{found}\", expected ")), "{sentence}");
    }
    assert_eq!(unfit(&edited("+00000160300", " 00000160300")).rule(), Rule::Kind);
    assert_eq!(unfit(&edited("02BB", "O2BB")).rule(), Rule::Kind);
    assert_eq!(unfit(&edited("02BB ", "02BBx")).rule(), Rule::Kind);
    assert_eq!(unfit(&edited("SF2530A", "SF2530Q")).rule(), Rule::Constant);
}

#[test]
fn an_impossible_date_makes_a_reply_unfit() {
    assert_eq!(
        unfit(&edited("20280228", "20280230")).to_string(),
        "record 3, byte 293: field `valid_to` is \"20280230\", expected a date as CCYYMMDD, or \"00000000\" for open"
    );
    assert_eq!(
        unfit(&edited("0751202612010447", "0751000000000447")).to_string(),
        "record 1, byte 15: field `date` is \"00000000\", expected a date as CCYYMMDD"
    );
    assert_eq!(unfit(&edited("0751202612010447", "0751202612012447")).rule(), Rule::Date);
    assert_eq!(unfit(&edited("0707614285", "3106614285")).rule(), Rule::Date);
}

#[test]
fn an_end_before_its_beginning_makes_a_reply_unfit() {
    assert_eq!(
        unfit(&edited("2026030120280228", "2026030120260228")).to_string(),
        "record 3, byte 293: field `valid_to` is 2026-02-28, expected 2026-03-01 or later, the first day"
    );
    assert!(read(&edited("2026030120280228", "2026030120260301")).is_ok());
}

#[test]
fn the_same_key_twice_is_said_without_the_key() {
    assert_eq!(
        duplicate_key(7, 3).to_string(),
        "record 7: the record has the same key as record 3, expected each key once"
    );
}

#[test]
fn a_reply_is_not_read_by_a_layout_for_queries() {
    let by_query = read_by(&Layout::shipped_query(), SAMPLE, 10).err().unwrap();

    assert_eq!(by_query.rule(), Rule::Purpose);
}

#[test]
fn what_was_read_is_written_back_byte_for_byte() {
    let (agreements, end) = read(&sample()).unwrap();
    let agreements: Vec<_> = agreements.into_iter().map(|(_, agreement)| agreement).collect();

    let written =
        write_reply(&Layout::shipped_reply(), &end.head, date(2026, 12, 1).at(4, 47, 0, 0), &agreements).unwrap();

    assert_eq!(written, SAMPLE);
}

#[test]
fn an_agreement_that_the_layout_cannot_say_is_not_written() {
    let (mut agreements, end) = read(&sample()).unwrap();
    let mut agreement = agreements.remove(0).1;
    let write_one = |agreement: &Agreement| {
        let created = date(2026, 12, 1).at(4, 47, 0, 0);
        write_reply(&Layout::shipped_reply(), &end.head, created, std::slice::from_ref(agreement))
    };
    assert!(write_one(&agreement).is_ok());

    agreement.payer = None;
    assert_eq!(write_one(&agreement).unwrap_err().to_string(), "record 2: field `payer` has no value");
    agreement.payer = "0707614285".parse().ok();
    agreement.other.insert("colour".to_owned(), "red".to_owned());
    assert!(matches!(write_one(&agreement), Err(Unwritable::UnknownField { .. })));
}

/// Two fields are the key, one of them with a role; several details of other types.
fn compound() -> Layout {
    let toml = r#"
        name = "X"
        purpose = "reply"
        file_name = "X{municipality}{date}{delivery}"
        character_set = "utf-8"
        line_end = "none"
        type_at = "1"
        key = ["case", "from"]
        [[record]]
        name = "START"
        type = "S"
        place = "start"
        length = 13
        fields = [
            { at = "2-9", name = "d", kind = "date", role = "date" },
            { at = "10-13", name = "m", kind = "municipality", role = "municipality" },
        ]
        [[record]]
        name = "NOTE"
        type = "N"
        place = "detail"
        length = 3
        fields = [{ at = "2-3", name = "note", kind = "unread" }]
        [[record]]
        name = "AGREEMENT"
        type = "A"
        place = "detail"
        length = 20
        fields = [
            { at = "2-5", name = "case", kind = "text" },
            { at = "6-13", name = "from", kind = "date", role = "valid_from" },
            { at = "14-15", name = "level", kind = "digits", may_be_blank = true },
            { at = "16-19", name = "kroner", kind = "amount", role = "amount", unit = "kroner", sign_at = "20", signs = " -" },
        ]
    "#;
    Layout::parse("compound", toml).unwrap()
}

#[test]
fn a_key_of_several_fields_is_joined_and_written_apart_again() {
    let file = "S202612010751Ax Æ 20260101  0016-NabAx Æ 20260201071603 ";

    let (agreements, end) = read_by(&compound(), file.as_bytes(), 3).unwrap();
    let agreements: Vec<_> = agreements.into_iter().map(|(_, agreement)| agreement).collect();
    let written = write_reply(&compound(), &end.head, date(2026, 12, 1).at(0, 0, 0, 0), &agreements).unwrap();

    assert_eq!(agreements[0].key.0, "x Æ|20260101");
    assert_eq!(agreements[1].key.0, "x Æ|20260201");
    assert_eq!((end.count, end.sum, end.head.delivery), (2, Oere(158_700), None));
    assert_eq!(String::from_utf8(written).unwrap(), file.replace("Nab", ""));
    let ambiguous = file.replace("x Æ ", "x|Æ ");
    assert_eq!(read_by(&compound(), ambiguous.as_bytes(), 99).err().unwrap().rule(), Rule::Key);
}

#[test]
fn no_unfitness_shows_a_cpr_or_an_agreement_number() {
    // Whatever single byte is changed to whatever, no run of the sample's digits beyond a date's comes through.
    let layout = Layout::shipped_reply();
    for at in 0..SAMPLE.len() {
        for byte in [b'x', b' ', b'9', 0, 0xE6] {
            let mut bytes = SAMPLE.to_vec();
            bytes[at] = byte;
            let Some(unfit) = read_by(&layout, &bytes, usize::MAX).err() else { continue };
            let shown = format!("{unfit} {unfit:?}");
            let longest = shown.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
            assert!(longest <= Some(8), "{shown}");
            assert!(!shown.contains("70761"), "{shown}");
        }
    }
}

proptest! {
    #[test]
    fn the_answer_does_not_depend_on_where_the_chunks_are_cut(
        chunk in 1usize..300,
        at in 0..SAMPLE.len(),
        byte in prop::sample::select(b"x 0912\r\n+-|\xe6".to_vec()),
        cut in 0usize..4,
    ) {
        let layout = Layout::shipped_reply();
        let mut bytes = SAMPLE.to_vec();
        bytes[at] = byte;
        bytes.drain(at..(at + cut).min(SAMPLE.len()));

        let whole = read_by(&layout, &bytes, usize::MAX);
        let chunked = read_by(&layout, &bytes, chunk);

        prop_assert!(whole == chunked);
    }

    #[test]
    fn whatever_agreements_are_written_are_read_again(
        amounts in prop::collection::vec(-99_999_999_999i64..=99_999_999_999, 0..20),
        reference in "[ -~æøåÆØÅé]{0,11}[!-~æ]",
        delivery in 0u32..=99_999_999,
    ) {
        let head = ReplyHead { municipality: aarhus(), date: date(2026, 2, 28), delivery: Some(DeliveryNumber(delivery)) };
        let agreements: Vec<_> = amounts.iter().enumerate().map(|(n, amount)| Agreement {
            key: AgreementKey(format!("{n:012}")),
            payer: "0707614285".parse().ok(),
            valid_from: (n % 2 == 0).then_some(date(2026, 1, 1)),
            valid_to: (n % 3 == 0).then_some(date(2026, 1, 1)),
            amount: Some(Oere(*amount)),
            other: [("case_reference", reference.as_str()), ("priority", "01"), ("kind", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        }).collect();
        let layout = Layout::shipped_reply();

        let bytes = write_reply(&layout, &head, date(2026, 2, 28).at(1, 2, 3, 0), &agreements).unwrap();
        let (read, end) = read_by(&layout, &bytes, 1000).unwrap();

        prop_assert_eq!(end.head, head);
        prop_assert!(read.into_iter().map(|(_, agreement)| agreement).eq(agreements));
    }
}

/// The same reading, without the quick way.
fn read_the_long_way(layout: &Layout, bytes: &[u8]) -> Read {
    let mut agreements = Vec::new();
    let mut reader = ReplyReader { quick: Quick::none(layout), ..ReplyReader::new(layout, aarhus()) };
    reader.feed(bytes, &mut |record, agreement| {
        agreements.push((record, agreement.to_agreement().unwrap()));
        Ok(())
    })?;
    Ok((agreements, reader.finish()?))
}

#[test]
fn the_sample_is_read_the_quick_way() {
    let layout = Layout::shipped_reply();
    let mut quick = Quick::new(&layout, aarhus());
    let mut taken = 0;
    let mut reader = Reader::new(&layout);
    let read = reader.feed_unchecked(SAMPLE, &mut |frame, sums| {
        taken += usize::from(quick.read(frame, sums).is_some());
        Ok(())
    });

    assert!(read.is_ok());
    assert_eq!(taken, 3);
}

#[test]
fn whatever_byte_is_changed_the_quick_way_says_what_the_long_one_does() {
    let compound_file = "S202612010751Ax Æ 20260101  0016-NabAx y 20260201071603 Ax\"y 20260301  0003 ".as_bytes();
    for (layout, bytes) in [(Layout::shipped_reply(), SAMPLE), (compound(), compound_file)] {
        assert!(read_by(&layout, bytes, usize::MAX).is_ok());
        for at in 0..bytes.len() {
            for byte in (0..=255).step_by(3).chain(*b"09 +-|\"\\") {
                let mut changed = bytes.to_vec();
                changed[at] = byte;
                let (quickly, long) = (read_by(&layout, &changed, usize::MAX), read_the_long_way(&layout, &changed));
                assert!(quickly == long, "byte {at} as {byte}: {:?}, {:?}", quickly.err(), long.err());
            }
        }
    }
}
