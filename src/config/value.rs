//! The kinds of value that settings hold, each with the one place where text becomes it. After that
//! nobody checks again. Nothing here looks at a file.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use toml::de::DeValue;

use jiff::civil::Date;

use super::key::{Complaint, Given, found};
use crate::domain::calendar::payments::Payments;
use crate::domain::calendar::windows::Windows;
use crate::domain::change::Percent;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::patience::Severity;
use crate::domain::retention::Period;

/// A host key's SHA-256 as `ssh-keygen -l` shows it: `SHA256:` and 43 characters of base64 without padding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Fingerprint(String);

/// How the trigger is made visible on the far side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TriggerWay {
    /// Written under a part name, then renamed in one step.
    Rename,
    /// Written under its final name.
    Write,
}

/// Where something is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// A socket in the file system, by its absolute path; its folder and mode say who reaches it.
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// How long something is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    ForEver,
    For(Period),
}

/// Where a secret lies: never the secret itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum SecretFile {
    Path(PathBuf),
    /// The name of a systemd credential.
    Credential(String),
}

/// An address, or where one lies that is a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Address(String),
    Secret(SecretFile),
}

/// A text that is not what it should be; the key's documentation says what that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text is not of the expected form")]
pub struct BadValue;

impl Fingerprint {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Fingerprint {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let digest = text.strip_prefix("SHA256:").ok_or(BadValue)?;
        // 43 characters are 258 bits: the last one carries 4 bits, so it is one of 16.
        let is_base64 = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
        let ends_well = digest.ends_with(|c| "AEIMQUYcgkosw048".contains(c));
        if digest.len() == 43 && digest.bytes().all(is_base64) && ends_well {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadValue)
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TriggerWay {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text {
            "rename" => Ok(TriggerWay::Rename),
            "write" => Ok(TriggerWay::Write),
            _ => Err(BadValue),
        }
    }
}

/// A socket's path has at most so many bytes.
const SOCKET_PATH_MAX: usize = 107;

impl Listen {
    /// Whether nobody reaches it from another machine.
    pub fn is_local(&self) -> bool {
        match self {
            Listen::Unix(_) => true,
            Listen::Tcp(address) => address.ip().to_canonical().is_loopback(),
        }
    }
}

impl FromStr for Listen {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let Some(path) = text.strip_prefix("unix:") else {
            return text.parse().map(Listen::Tcp).map_err(|_| BadValue);
        };
        let path = absolute(path).filter(|path| path.file_name().is_some());
        path.filter(|path| path.as_os_str().len() <= SOCKET_PATH_MAX).map(Listen::Unix).ok_or(BadValue)
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
            Listen::Tcp(address) => address.fmt(f),
        }
    }
}

impl FromStr for SecretFile {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let Some(name) = text.strip_prefix("credential:") else {
            return absolute(text).map(SecretFile::Path).ok_or(BadValue);
        };
        let fits = (1..=255).contains(&name.len())
            && !name.starts_with('.')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if fits { Ok(SecretFile::Credential(name.to_owned())) } else { Err(BadValue) }
    }
}

impl FromStr for Target {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match is_address(text) {
            true => Ok(Target::Address(text.to_owned())),
            false => text.parse().map(Target::Secret),
        }
    }
}

/// No server takes a longer one.
const ADDRESS_BYTES_MAX: usize = 2_000;

/// Whether it is an address for HTTP; whether anybody answers there is for `sluse alarm test` to find out.
pub fn is_address(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= ADDRESS_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_graphic())
        && rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

/// An absolute path without `.`, `..` or control characters; a slash at its end is dropped.
pub(super) fn absolute(text: &str) -> Option<PathBuf> {
    // Path::components would pass over a `.` between slashes, and an operator would not find it again.
    let odd = text.chars().any(char::is_control) || text.split('/').any(|part| part == ".");
    let path = Path::new(text);
    if odd || !path.is_absolute() || path.components().any(|c| c == Component::ParentDir) {
        return None;
    }
    Some(path.components().collect())
}

/// A database's path out of `sqlite:PATH`.
pub(super) fn sqlite(text: &str) -> Option<PathBuf> {
    absolute(text.strip_prefix("sqlite:")?).filter(|path| path.file_name().is_some())
}

/// A host name or an IP address; whether it exists is for `sluse check --connect` to find out.
pub(super) fn host(text: &str) -> Option<String> {
    let fits = (1..=253).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':'));
    fits.then(|| text.to_owned())
}

/// A folder of the far side, such as `OUT` or `/data/OUT`.
pub(super) fn remote_folder(text: &str) -> Option<String> {
    let bare = text.strip_prefix('/').unwrap_or(text);
    let fits = text.len() <= 255
        && bare.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && text.bytes().all(|b| (b'!'..=b'~').contains(&b) && b != b'\\');
    fits.then(|| text.to_owned())
}

/// A string that `parse` understands.
pub(super) fn text<T>(given: &Given<'_>, parse: impl Fn(&str) -> Option<T>) -> Result<T, Vec<Complaint>> {
    let value = given.get_ref().as_str().and_then(parse);
    value.ok_or_else(|| vec![Complaint::unexpected(given)])
}

/// A string that its type understands.
pub(super) fn parsed<T: FromStr>(given: &Given<'_>) -> Result<T, Vec<Complaint>> {
    text(given, |text| text.parse().ok())
}

/// A time such as `90s` or `7d` (a day is 24 hours), from `least` to `most`, both in seconds.
pub(super) fn time(given: &Given<'_>, least: u64, most: u64) -> Result<Duration, Vec<Complaint>> {
    let bounds = Duration::from_secs(least)..=Duration::from_secs(most);
    text(given, |text| {
        let span = text.parse::<Span>().ok()?;
        let time = Duration::try_from(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?).ok()?;
        bounds.contains(&time).then_some(time)
    })
}

/// Nothing that is kept for longer has an end.
const YEARS_MAX: i16 = 100;

/// A time that is counted on the calendar, such as `5y` or `18mo`, or `forever`.
pub(super) fn keep(given: &Given<'_>) -> Result<Keep, Vec<Complaint>> {
    text(given, |text| {
        if text == "forever" {
            return Some(Keep::ForEver);
        }
        let span = text.parse::<Span>().ok()?;
        let days = span.get_weeks().checked_mul(7)?.checked_add(span.get_days())?;
        let period = Period { years: span.get_years(), months: span.get_months(), days };
        let is_only_days = span
            == Span::new()
                .years(period.years)
                .months(period.months)
                .weeks(span.get_weeks())
                .days(span.get_days())
                .fieldwise();
        let (least, most) = (Period { days: 1, ..Period::default() }, Period { years: YEARS_MAX, ..Period::default() });
        let is_positive = period.years >= 0 && period.months >= 0 && days >= 0;
        (is_only_days && is_positive && period.is_at_least(least) && most.is_at_least(period))
            .then_some(Keep::For(period))
    })
}

/// A whole share, written `20%`.
pub(super) fn percent(given: &Given<'_>) -> Result<Percent, Vec<Complaint>> {
    text(given, |text| {
        let digits = text.strip_suffix('%')?;
        let is_number = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse().ok().and_then(Percent::new)).flatten()
    })
}

/// A TCP port.
pub(super) fn port(given: &Given<'_>) -> Result<u16, Vec<Complaint>> {
    let number = given.get_ref().as_integer().and_then(|i| u16::from_str_radix(i.as_str(), i.radix()).ok());
    number.filter(|port| *port > 0).ok_or_else(|| vec![Complaint::unexpected(given)])
}

/// A list; every element that `parse` does not understand and every repetition is a complaint of its own.
pub(super) fn list<T: PartialEq>(
    given: &Given<'_>,
    parse: impl Fn(&str) -> Option<T>,
    repetition: Repetition,
) -> Result<Vec<T>, Vec<Complaint>> {
    let Some(elements) = given.get_ref().as_array() else {
        return Err(vec![Complaint::unexpected(given)]);
    };
    let mut values = Vec::with_capacity(elements.len());
    let mut complaints = Vec::new();
    for element in elements.iter() {
        match element.get_ref().as_str().and_then(&parse) {
            None => complaints.push(Complaint::unexpected(element)),
            Some(value) if repetition == Repetition::Mistake && values.contains(&value) => {
                let predicate = format!("holds {} twice, expected once", found(element.get_ref()));
                complaints.push(Complaint::Because { span: element.span(), predicate });
            }
            Some(value) => values.push(value),
        }
    }
    if complaints.is_empty() { Ok(values) } else { Err(complaints) }
}

/// Whether the same element twice in a list is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repetition {
    Mistake,
    Meant,
}

/// `last bank day`, or dates in their order, with quotes or without.
pub(super) fn payments(given: &Given<'_>) -> Result<Payments, Vec<Complaint>> {
    let elements = match given.get_ref() {
        DeValue::String(text) if text == "last bank day" => return Ok(Payments::LastBankDay),
        DeValue::Array(elements) if !elements.is_empty() => elements,
        _ => return Err(vec![Complaint::unexpected(given)]),
    };
    let (mut dates, mut complaints) = (Vec::<Date>::new(), Vec::new());
    for element in elements.iter() {
        let text = match element.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            _ => String::new(),
        };
        match text.parse().ok().filter(|_| text.len() == "2026-12-30".len()) {
            None => complaints.push(Complaint::unexpected(element)),
            Some(date) if dates.last().is_some_and(|last| *last >= date) => {
                let predicate =
                    format!("holds {date} behind a later date or itself, expected each later than the one before");
                complaints.push(Complaint::Because { span: element.span(), predicate });
            }
            Some(date) => dates.push(date),
        }
    }
    if complaints.is_empty() { Ok(Payments::Dates(dates)) } else { Err(complaints) }
}

/// Service windows, each once.
pub(super) fn windows(given: &Given<'_>) -> Result<Windows, Vec<Complaint>> {
    list(given, |text| text.parse().ok(), Repetition::Mistake).map(Windows::new)
}

/// `warning` or `alarm`.
pub(super) fn severity(given: &Given<'_>) -> Result<Severity, Vec<Complaint>> {
    text(given, |text| [Severity::Warning, Severity::Alarm].into_iter().find(|severity| severity.name() == text))
}

/// At least one host key.
pub(super) fn host_keys(given: &Given<'_>) -> Result<Vec<Fingerprint>, Vec<Complaint>> {
    not_empty(given, list(given, |text| text.parse().ok(), Repetition::Mistake)?)
}

/// `all`, or a list of codes; in the order of the codes.
pub(super) fn municipalities(given: &Given<'_>) -> Result<Vec<MunicipalityCode>, Vec<Complaint>> {
    if given.get_ref().as_str() == Some("all") {
        return Ok(MunicipalityCode::all().map(|municipality| municipality.code).collect());
    }
    let mut codes = not_empty(given, list(given, |text| text.parse().ok(), Repetition::Mistake)?)?;
    codes.sort();
    Ok(codes)
}

/// A program by its absolute path, then its arguments; empty: none.
pub(super) fn command(given: &Given<'_>) -> Result<Vec<String>, Vec<Complaint>> {
    let words = list(given, |word| (!word.contains('\0')).then(|| word.to_owned()), Repetition::Meant)?;
    match (words.first(), given.get_ref()) {
        (Some(program), DeValue::Array(elements)) if absolute(program).is_none() => {
            Err(elements.first().map(Complaint::unexpected).into_iter().collect())
        }
        _ => Ok(words),
    }
}

/// How a file travels: only the simple way is built.
pub(super) fn transfer(given: &Given<'_>) -> Result<(), Vec<Complaint>> {
    match given.get_ref().as_str() {
        Some("simple") => Ok(()),
        Some(way @ ("dynamic" | "managed")) => {
            let predicate = format!("is \"{way}\", which this version does not have yet, expected \"simple\"");
            Err(vec![Complaint::Because { span: given.span(), predicate }])
        }
        _ => Err(vec![Complaint::unexpected(given)]),
    }
}

fn not_empty<T>(given: &Given<'_>, values: Vec<T>) -> Result<Vec<T>, Vec<Complaint>> {
    if values.is_empty() { Err(vec![Complaint::unexpected(given)]) } else { Ok(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_a_whole_sha_256_and_nothing_else() {
        let right = "SHA256:uNiVztksCsDhcc0u9e8BrrwiIbPQ4ywvZQ5g1TzbYcg";
        assert_eq!(right.parse::<Fingerprint>().unwrap().to_string(), right);
        for wrong in [
            "",
            "SHA256:",
            "SHA256:…",
            &right[..49],
            &format!("{right}="),
            &right.replace("SHA256", "MD5"),
            &right.replace('u', "æ"),
            &format!("{}h", &right[..49]),
        ] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_place_to_listen_is_a_socket_by_its_path_or_an_address_and_only_the_loopback_is_local() {
        for (written, is_local) in [
            ("unix:/run/sluse/page.sock", true),
            ("127.0.0.1:8530", true),
            ("[::1]:8530", true),
            ("[::ffff:127.0.0.1]:8530", true),
            ("0.0.0.0:8530", false),
            ("192.0.2.7:8530", false),
        ] {
            let listen: Listen = written.parse().unwrap();
            assert_eq!((listen.to_string().as_str(), listen.is_local()), (written, is_local));
        }
        for wrong in [
            "",
            "8530",
            "localhost:8530",
            "unix:page.sock",
            "unix:/",
            "unix:/../x",
            &format!("unix:/{}", "x".repeat(107)),
        ] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_time_has_a_unit_and_lies_within_its_bounds() {
        let seconds = |text: &str| time(&Given::new(0..0, DeValue::String(text.into())), 1, 8 * 86_400).ok();
        for (written, meant) in [("90s", 90), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("1h 30m", 5_400)] {
            assert_eq!(seconds(written), Some(Duration::from_secs(meant)), "{written}");
        }
        for wrong in ["", "60", "0s", "-5m", "5m ago", "1 month", "9d", "999999999999999999999h", "12 parsecs"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_has_a_time_on_the_calendar_or_no_end() {
        let kept = |text: &str| keep(&Given::new(0..0, DeValue::String(text.into()))).ok();
        let period = |years, months, days| Some(Keep::For(Period { years, months, days }));
        for (written, meant) in [
            ("5y", period(5, 0, 0)),
            ("18mo", period(0, 18, 0)),
            ("1y 6mo", period(1, 6, 0)),
            ("30d", period(0, 0, 30)),
            ("2w", period(0, 0, 14)),
            ("100y", period(100, 0, 0)),
            ("forever", Some(Keep::ForEver)),
        ] {
            assert_eq!(kept(written), meant, "{written}");
        }
        for wrong in ["", "5", "0d", "-5y", "12h", "1y 1h", "101y", "1300mo", "for ever", "5 parsecs"] {
            assert_eq!(kept(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_whole_shares_up_to_100_are_percent() {
        let share = |text: &str| percent(&Given::new(0..0, DeValue::String(text.into()))).ok().map(Percent::value);
        assert_eq!([share("0%"), share("20%"), share("100%")], [Some(0), Some(20), Some(100)]);
        for wrong in ["20", "%", "101%", "-1%", "+1%", "20 %", "2.5%", "0020%", "300%"] {
            assert_eq!(share(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_an_absolute_path_that_stays_where_it_points_is_taken() {
        assert_eq!(absolute("/etc//sluse/"), Some(PathBuf::from("/etc/sluse")));
        for wrong in ["", "key", "~/key", "./key", "/etc/../key", "/etc/./key", "/a\nb"] {
            assert_eq!(absolute(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_remote_folder_never_leads_upwards() {
        for right in ["OUT", "/OUT", "data/OUT"] {
            assert!(remote_folder(right).is_some(), "{right}");
        }
        for wrong in ["", "/", "OUT/", "../OUT", "a//b", ".", "O UT", "æ"] {
            assert!(remote_folder(wrong).is_none(), "{wrong}");
        }
    }
}
