//! The query: what a municipality asks Udbetaling Danmark before a payment run. Read whole or not at all, and
//! composed by the same layout. Start with [`read_query`].

use jiff::civil::{Date, DateTime};

use super::identity::DeliveryNumber;
use super::layout::{
    CheckedRecord, Decoded, Fault, Layout, Place, Purpose, Reader, Record, Role, Rule, Unfit, Unwritable, Value, write,
};
use super::moment::PaymentMonth;
use super::municipality::MunicipalityCode;

/// What a query file asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub municipality: MunicipalityCode,
    /// The start record's date, Danish time.
    pub date: Date,
    pub delivery: DeliveryNumber,
    pub payment_date: Date,
    /// The payment date's month where the layout has no field for it.
    pub payment_month: PaymentMonth,
}

/// What a query to be composed shall ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryOrder {
    pub municipality: MunicipalityCode,
    /// Danish time.
    pub created: DateTime,
    pub delivery: DeliveryNumber,
    pub payment_date: Date,
}

/// Reads a query file. `file_name` is the name that it was given; a name that is of the layout's template must
/// agree with what stands in the file. `route` is the municipality that the file was left for.
///
/// Errors: the first rule that the file breaks: those of its layout; another municipality in the name or in any
/// record; none or several payment dates or months.
pub fn read_query(layout: &Layout, file_name: &str, bytes: &[u8], route: MunicipalityCode) -> Result<Query, Unfit> {
    layout.check_purpose(Purpose::Query)?;
    let named = layout.file_name().read(file_name);
    if let Some(named) = named.as_ref().filter(|named| named.municipality != route) {
        return Err(Unfit::file_name(format!("says municipality {}", named.municipality), route.to_string()));
    }

    let mut asked = Asked::default();
    let mut reader = Reader::new(layout);
    reader.feed(bytes, &mut |record| {
        record.check_municipality(route)?;
        asked.add(record)
    })?;
    reader.finish()?;

    let Some(payment_date) = asked.payment_date else {
        return Err(Unfit::file(Rule::Payment, "asks for no payment date", "one"));
    };
    // The layout has these two in its start record, so whatever has been read has them.
    let (Some(date), Some(delivery)) = (asked.date, asked.delivery) else {
        return Err(Unfit::file(Rule::Start, "has no date or delivery number", "both in its start record"));
    };
    if let Some(named) = named {
        if named.date != date {
            return Err(Unfit::file_name(
                format!("says date {}", named.date),
                format!("{date}, as in the start record"),
            ));
        }
        if named.delivery != delivery {
            let found = "says another delivery number than the start record";
            return Err(Unfit::file_name(found, "the same"));
        }
    }
    let payment_month = asked.payment_month.unwrap_or(PaymentMonth::of(payment_date));
    Ok(Query { municipality: route, date, delivery, payment_date, payment_month })
}

/// Composes a query file. Errors: the layout has fields that an order has no value for, or a value does not
/// fit. What is composed, [`read_query`] reads.
pub fn compose_query(layout: &Layout, order: &QueryOrder) -> Result<Vec<u8>, Unwritable> {
    layout.check_purpose(Purpose::Query)?;
    let value = |role| match role {
        Role::Municipality => Some(Value::Municipality(order.municipality)),
        Role::Date => Some(Value::Date(Some(order.created.date()))),
        Role::Time => Some(Value::Time(order.created.time())),
        Role::Delivery => Some(Value::Digits(order.delivery.to_string())),
        Role::PaymentDate => Some(Value::Date(Some(order.payment_date))),
        Role::PaymentMonth => Some(Value::Month(PaymentMonth::of(order.payment_date))),
        Role::Payer | Role::ValidFrom | Role::ValidTo | Role::Amount => None,
    };
    let details = || layout.records().iter().filter(|record| record.place == Place::Detail);
    let detail = details().find(|record| record.role(Role::PaymentDate).is_some()).or(details().next());
    let kinds = [layout.record_at(Place::Start), detail, layout.record_at(Place::End)];
    let records: Vec<_> =
        kinds.into_iter().flatten().map(|kind| Record::of(kind, |field| value(field.role?))).collect();
    write(layout, &records)
}

/// What the records have said so far.
#[derive(Default)]
struct Asked {
    date: Option<Date>,
    delivery: Option<DeliveryNumber>,
    payment_date: Option<Date>,
    payment_month: Option<PaymentMonth>,
}

impl Asked {
    fn add(&mut self, record: &CheckedRecord<'_, '_>) -> Result<(), Unfit> {
        if let Some(Decoded::Date(date)) = record.role(Role::Date) {
            self.date = *date;
        }
        if let Some(Decoded::Digits(digits)) = record.role(Role::Delivery) {
            self.delivery = digits.parse().ok().map(DeliveryNumber);
        }
        if let Some(Decoded::Date(Some(date))) = record.role(Role::PaymentDate)
            && *self.payment_date.get_or_insert(*date) != *date
        {
            let fault = Fault::new(Rule::Payment, format!("is {date}"), "the same payment date in all records");
            return Err(record.unfit(Role::PaymentDate, fault));
        }
        if let Some(Decoded::Month(month)) = record.role(Role::PaymentMonth)
            && *self.payment_month.get_or_insert(*month) != *month
        {
            let fault = Fault::new(Rule::Payment, format!("is {month}"), "the same payment month in all records");
            return Err(record.unfit(Role::PaymentMonth, fault));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "BETADM_FORESP_0751_20261201_0042.txt";
    const SAMPLE: &[u8] = include_bytes!("../../tests/fixtures/BETADM_FORESP_0751_20261201_0042.txt");

    fn aarhus() -> MunicipalityCode {
        "0751".parse().unwrap()
    }

    fn sample() -> String {
        String::from_utf8(SAMPLE.to_vec()).unwrap()
    }

    fn read_sample(name: &str, text: &str) -> Result<Query, Unfit> {
        read_query(&Layout::shipped_query(), name, text.as_bytes(), aarhus())
    }

    fn order() -> QueryOrder {
        QueryOrder {
            municipality: aarhus(),
            created: date(2026, 12, 1).at(4, 15, 0, 0),
            delivery: DeliveryNumber(42),
            payment_date: date(2026, 12, 30),
        }
    }

    #[test]
    fn the_sample_says_what_it_asks() {
        let query = read_sample(NAME, &sample()).unwrap();

        assert_eq!(
            query,
            Query {
                municipality: aarhus(),
                date: date(2026, 12, 1),
                delivery: DeliveryNumber(42),
                payment_date: date(2026, 12, 30),
                payment_month: PaymentMonth { year: 2026, month: 12 },
            }
        );
    }

    #[test]
    fn a_composed_query_is_the_sample_byte_for_byte() {
        assert_eq!(compose_query(&Layout::shipped_query(), &order()).unwrap(), SAMPLE);
    }

    #[test]
    fn a_name_of_the_template_agrees_with_the_content_or_the_query_is_unfit() {
        for (name, rule) in [
            ("BETADM_FORESP_0101_20261201_0042.txt", Some(Rule::Name)),
            ("BETADM_FORESP_0751_20261202_0042.txt", Some(Rule::Name)),
            ("BETADM_FORESP_0751_20261201_0043.txt", Some(Rule::Name)),
            ("BETADM_FORESP_0751_20261201_0042_2.txt", None),
            ("anything.dat", None),
        ] {
            assert_eq!(read_sample(name, &sample()).err().map(|unfit| unfit.rule()), rule, "{name}");
        }
    }

    #[test]
    fn a_query_with_another_municipality_anywhere_is_unfit() {
        for (record, place) in [(1, "SF2530Q 0751"), (2, "100751"), (3, "990751")] {
            let other = place.replace("0751", "0101");

            let unfit = read_sample(NAME, &sample().replace(place, &other)).unwrap_err();

            assert_eq!((unfit.rule(), unfit.record()), (Rule::Municipality, Some(record)));
        }
    }

    #[test]
    fn no_or_several_payment_dates_make_a_query_unfit() {
        let line = sample().lines().nth(1).unwrap().to_owned() + "\r\n";
        let with = |second: &str| {
            let count = if second.is_empty() { "00000000" } else { "00000002" };
            let records = if second.is_empty() { String::new() } else { format!("{line}{second}") };
            sample().replace(&line, &records).replace("00000001", count)
        };

        assert!(read_sample(NAME, &with(&line)).is_ok());
        for (content, sentence) in [
            (with(""), "the file asks for no payment date, expected one"),
            (
                with(&line.replace("20261230", "20261231")),
                "record 3, byte 257: field `payment_date` is 2026-12-31, expected the same payment date in all records",
            ),
            (
                with(&line.replace("202612202", "202701202")),
                "record 3, byte 251: field `payment_month` is 2027-01, expected the same payment month in all records",
            ),
        ] {
            assert_eq!(read_sample(NAME, &content).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn a_reply_is_no_query() {
        let wrong_interface = sample().replace("SF2530Q", "SF2530A");

        assert_eq!(read_sample(NAME, &wrong_interface).unwrap_err().rule(), Rule::Constant);
        let by_the_wrong_layout = read_query(&Layout::shipped_reply(), NAME, SAMPLE, aarhus());
        assert_eq!(by_the_wrong_layout.unwrap_err().rule(), Rule::Purpose);
    }

    proptest! {
        #[test]
        fn what_is_composed_reads_back(
            municipality in prop::sample::select(MunicipalityCode::all().map(|m| m.code).collect::<Vec<_>>()),
            delivery in 0u32..=99_999_999,
            days in 0i32..3000,
            seconds in 0i64..86_400,
        ) {
            let day = date(2024, 1, 1).saturating_add(jiff::Span::new().days(days));
            let order = QueryOrder {
                municipality,
                created: day.at(0, 0, 0, 0).saturating_add(jiff::Span::new().seconds(seconds)),
                delivery: DeliveryNumber(delivery),
                payment_date: day.last_of_month(),
            };
            let layout = Layout::shipped_query();

            let bytes = compose_query(&layout, &order).unwrap();
            let query = read_query(&layout, "x", &bytes, municipality).unwrap();

            prop_assert_eq!(query.payment_date, order.payment_date);
            prop_assert_eq!((query.date, query.delivery), (day, order.delivery));
        }
    }
}
