//! The names of files by template, such as `BETADM_SVAR_{municipality}_{date}_{delivery:4}.txt`: composed
//! and read by the same rules, so that what is composed reads back. Start with [`NameTemplate`].

use std::str::FromStr;

use jiff::civil::Date;

use super::field::date_of;
use crate::domain::identity::{BadName, DeliveryNumber, RemoteName};
use crate::domain::municipality::MunicipalityCode;

/// Digits of the largest delivery number, 99,999,999.
const DELIVERY_DIGITS_MAX: usize = 8;

/// A file name with `{municipality}`, `{date}` (CCYYMMDD) and `{delivery}` in it, each exactly once. With
/// `{delivery:4}` the number has four digits with leading zeros, and a longer one is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate {
    parts: Vec<Part>,
    /// What stands behind a copy's `_2`: the extension with its dot, or nothing.
    extension: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Municipality,
    Date,
    /// With its number of digits; None: as many as it needs.
    Delivery(Option<usize>),
}

/// What a file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameParts {
    pub municipality: MunicipalityCode,
    pub date: Date,
    pub delivery: DeliveryNumber,
    /// 1 normally. From 2 on the name carries `_2` before its extension.
    pub copy: u32,
}

/// Why there is no file name for some parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplateUse {
    #[error("delivery number {delivery} does not fit into the file name, which has {width} digits for it")]
    DeliveryTooLong { delivery: DeliveryNumber, width: usize },
    #[error("a copy of a file counts from 1")]
    NoCopyZero,
    #[error("{date} does not fit into a file name as CCYYMMDD")]
    DateOutOfRange { date: Date },
    #[error("the file name would not be valid: {0}")]
    BadName(#[from] BadName),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    #[error("`{{` without `}}`, or `}}` without `{{`")]
    Unbalanced,
    #[error(
        "unknown placeholder `{{{0}}}`, expected {{municipality}}, {{date}}, {{delivery}} or {{delivery:1}} to {{delivery:8}}"
    )]
    UnknownPlaceholder(String),
    #[error("{{{0}}} must stand in a file name exactly once")]
    NotOnce(&'static str),
    #[error("{{delivery}} without a width must not be followed by a digit, or it could not be read back")]
    Ambiguous,
    #[error("names by this template would not be valid: {0}")]
    BadName(#[from] BadName),
}

impl FromStr for NameTemplate {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = parts_of(text)?;
        for (name, is_it) in [
            ("municipality", (|part| *part == Part::Municipality) as fn(&Part) -> bool),
            ("date", |part| *part == Part::Date),
            ("delivery", |part| matches!(part, Part::Delivery(_))),
        ] {
            if parts.iter().filter(|part| is_it(part)).count() != 1 {
                return Err(BadTemplate::NotOnce(name));
            }
        }
        let digit_follows = parts.windows(2).any(|pair| match pair {
            [Part::Delivery(None), Part::Literal(text)] => text.starts_with(|c: char| c.is_ascii_digit()),
            [Part::Delivery(None), Part::Municipality | Part::Date] => true,
            _ => false,
        });
        if digit_follows {
            return Err(BadTemplate::Ambiguous);
        }
        let mut extension = String::new();
        if let Some(Part::Literal(last)) = parts.last_mut()
            && let Some(dot) = last.rfind('.')
        {
            extension = last.split_off(dot);
        }
        let template = NameTemplate { parts, extension };
        template.longest_name()?;
        Ok(template)
    }
}

impl NameTemplate {
    /// The name of a file. Errors: the delivery number has more digits than the template (it is not cut),
    /// copy 0, a date outside the years 0 to 9999.
    pub fn compose(&self, parts: &NameParts) -> Result<RemoteName, BadTemplateUse> {
        let mut name = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => name.push_str(text),
                Part::Municipality => name.push_str(&parts.municipality.to_string()),
                Part::Date => {
                    let date = parts.date;
                    if !(0..=9999).contains(&date.year()) {
                        return Err(BadTemplateUse::DateOutOfRange { date });
                    }
                    name.push_str(&format!("{:04}{:02}{:02}", date.year(), date.month(), date.day()));
                }
                Part::Delivery(width) => {
                    let width = width.unwrap_or(DELIVERY_DIGITS_MAX);
                    let least = if matches!(part, Part::Delivery(Some(_))) { width } else { 1 };
                    let digits = format!("{:0least$}", parts.delivery.0);
                    if digits.len() > width {
                        return Err(BadTemplateUse::DeliveryTooLong { delivery: parts.delivery, width });
                    }
                    name.push_str(&digits);
                }
            }
        }
        match parts.copy {
            0 => return Err(BadTemplateUse::NoCopyZero),
            1 => {}
            copy => name.push_str(&format!("_{copy}")),
        }
        name.push_str(&self.extension);
        Ok(name.parse()?)
    }

    /// What a name says, or None if it is not of this template. Strict: a name that reads is one that
    /// [`NameTemplate::compose`] makes.
    pub fn read(&self, name: &str) -> Option<NameParts> {
        let mut rest = name;
        let (mut municipality, mut date, mut delivery) = (None, None, None);
        for part in &self.parts {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Municipality => municipality = Some(take(&mut rest, 4)?.parse().ok()?),
                Part::Date => date = Some(date_of(take(&mut rest, 8)?.as_bytes())?),
                Part::Delivery(width) => {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    let text = take(&mut rest, width.unwrap_or(digits))?;
                    let is_canonical = width.is_some() || text == "0" || !text.starts_with('0');
                    if !is_canonical || text.len() > DELIVERY_DIGITS_MAX || !text.bytes().all(|b| b.is_ascii_digit()) {
                        return None;
                    }
                    delivery = Some(DeliveryNumber(text.parse().ok()?));
                }
            }
        }
        let copy_text = rest.strip_suffix(self.extension.as_str())?;
        let copy = if copy_text.is_empty() { 1 } else { copy_of(copy_text.strip_prefix('_')?)? };
        Some(NameParts { municipality: municipality?, date: date?, delivery: delivery?, copy })
    }

    /// Errors: even the longest name by this template must be a name.
    fn longest_name(&self) -> Result<RemoteName, BadName> {
        let stem: String = self
            .parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => text.clone(),
                Part::Municipality => "0".repeat(4),
                Part::Date => "0".repeat(8),
                Part::Delivery(width) => "0".repeat(width.unwrap_or(DELIVERY_DIGITS_MAX)),
            })
            .collect();
        format!("{stem}_{}{}", u32::MAX, self.extension).parse()
    }
}

/// `2` and up, no leading zero.
fn copy_of(digits: &str) -> Option<u32> {
    let is_number = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|copy| is_number && *copy >= 2)
}

fn take<'a>(rest: &mut &'a str, length: usize) -> Option<&'a str> {
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn parts_of(text: &str) -> Result<Vec<Part>, BadTemplate> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some(open) = rest.find(['{', '}']) else {
            parts.push(Part::Literal(rest.to_owned()));
            break;
        };
        if open > 0 {
            parts.push(Part::Literal(rest[..open].to_owned()));
        }
        let inside = rest[open..].strip_prefix('{').ok_or(BadTemplate::Unbalanced)?;
        let (placeholder, behind) = inside.split_once('}').ok_or(BadTemplate::Unbalanced)?;
        parts.push(placeholder_of(placeholder)?);
        rest = behind;
    }
    Ok(parts)
}

fn placeholder_of(text: &str) -> Result<Part, BadTemplate> {
    let unknown = || BadTemplate::UnknownPlaceholder(text.chars().take(40).collect());
    match text {
        "municipality" => Ok(Part::Municipality),
        "date" => Ok(Part::Date),
        "delivery" => Ok(Part::Delivery(None)),
        _ => match text.strip_prefix("delivery:").map(str::as_bytes) {
            Some([digit @ b'1'..=b'8']) => Ok(Part::Delivery(Some(usize::from(digit - b'0')))),
            _ => Err(unknown()),
        },
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn template() -> NameTemplate {
        "BETADM_SVAR_{municipality}_{date}_{delivery:4}.txt".parse().unwrap()
    }

    fn parts(delivery: u32, copy: u32) -> NameParts {
        NameParts {
            municipality: "0751".parse().unwrap(),
            date: date(2026, 12, 1),
            delivery: DeliveryNumber(delivery),
            copy,
        }
    }

    #[test]
    fn a_name_says_what_it_was_composed_of() {
        for (delivery, copy, name) in [
            (42, 1, "BETADM_SVAR_0751_20261201_0042.txt"),
            (42, 2, "BETADM_SVAR_0751_20261201_0042_2.txt"),
            (9999, 10, "BETADM_SVAR_0751_20261201_9999_10.txt"),
        ] {
            assert_eq!(template().compose(&parts(delivery, copy)).unwrap().as_str(), name);
            assert_eq!(template().read(name), Some(parts(delivery, copy)));
        }
    }

    #[test]
    fn a_longer_delivery_number_is_refused_and_not_cut() {
        let refused = template().compose(&parts(10_000, 1));

        assert_eq!(refused, Err(BadTemplateUse::DeliveryTooLong { delivery: DeliveryNumber(10_000), width: 4 }));
        assert_eq!(template().compose(&parts(1, 0)), Err(BadTemplateUse::NoCopyZero));
    }

    #[test]
    fn a_name_that_is_not_quite_of_the_template_is_not_read() {
        for wrong in [
            "",
            "BETADM_SVAR_0751_20261201_0042",
            "BETADM_SVAR_0751_20261201_042.txt",
            "BETADM_SVAR_0751_20261201_00042.txt",
            "BETADM_SVAR_0752_20261201_0042.txt",
            "BETADM_SVAR_0751_20261301_0042.txt",
            "BETADM_SVAR_0751_20261201_0042_1.txt",
            "BETADM_SVAR_0751_20261201_0042_02.txt",
            "BETADM_SVAR_0751_20261201_0042_+2.txt",
            "BETADM_SVAR_0751_20261201_0042_.txt",
            "BETADM_SVAR_0751_20261201_0042_2_2.txt",
            "BETADM_SVAR_0751_20261201_0042_4294967296.txt",
            "betadm_svar_0751_20261201_0042.txt",
            "BETADM_SVAR_0751_20261201_0042.txt.txt",
            "BETADM_SVAR_0751_2026120é_0042.txt",
            "BETADM_SVAR_0751_20261201_+042.txt",
        ] {
            assert_eq!(template().read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_template_that_could_not_be_read_back_is_no_template() {
        for wrong in [
            "{municipality}_{date}.txt",
            "{municipality}_{municipality}_{date}_{delivery}.txt",
            "{municipality}_{delivery}{date}",
            "{municipality}_{date}_{delivery}1.txt",
            "{municipality}_{date}_{delivery:0}",
            "{municipality}_{date}_{delivery:9}",
            "{kommune}_{date}_{delivery}",
            "{municipality_{date}_{delivery}",
            "municipality}_{date}_{delivery}",
            "a/{municipality}_{date}_{delivery}",
            ".{municipality}_{date}_{delivery}",
            "æ{municipality}_{date}_{delivery}",
            &format!("{}{{municipality}}_{{date}}_{{delivery}}", "x".repeat(250)),
        ] {
            assert!(wrong.parse::<NameTemplate>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_composed_reads_back_and_what_reads_is_composed_so(
            delivery in 0u32..=99_999_999,
            copy in 1u32..,
            shape in prop::sample::select(vec![
                "A{municipality}{date}.{delivery}",
                "{delivery}_2.{date}{municipality}.x.y",
                "{delivery:8}{municipality}{date}_2.txt",
            ]),
        ) {
            let template: NameTemplate = shape.parse().unwrap();
            let name = template.compose(&parts(delivery, copy)).unwrap();

            prop_assert_eq!(template.read(name.as_str()), Some(parts(delivery, copy)));
        }

        #[test]
        fn no_two_names_say_the_same(name in "BETADM_SVAR_0751_2026120[0-9]_[0-9]{3,5}(_[0-9]{1,3})?\\.txt") {
            if let Some(parts) = template().read(&name) {
                prop_assert_eq!(template().compose(&parts).unwrap().to_string(), name);
            }
        }
    }
}
