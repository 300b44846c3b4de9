//! The register's agreements as a table, as CSV or as JSON, line by line as they come: a register is not held in
//! memory. CPR numbers come masked from the engine and are shown as they come. Start with [`Listing`].

use std::io::{self, Write};

use jiff::civil::Date;
use serde_json::json;

use super::text::{Look, Tone, count, minute, municipality, paragraph, printable};
use crate::domain::change::Change;
use crate::domain::identity::ExchangeName;
use crate::engine::control::{RegisterLine, RegisterRequest, Standing};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    Table,
    /// Semicolons, a heading, amounts in øre, UTF-8.
    Csv,
    /// An array of objects, amounts in øre, times in UTC.
    Json,
}

/// Columns with their least widths, in characters. Fixed, since nobody waits for the last line to see the first;
/// 100 in all.
const COLUMNS: [(&str, usize); 8] = [
    ("CODE", 4),
    ("AGREEMENT", 14),
    ("PAYER", 11),
    ("FROM", 10),
    ("TO", 10),
    ("KR A MONTH", 14),
    ("KNOWN SINCE", 16),
    ("BY", 7),
];

const CSV_HEADING: &str = "exchange;municipality;agreement;payer;valid_from;valid_to;amount_oere;change;known_at;other";

/// A register on its way out.
pub struct Listing<'w> {
    out: &'w mut dyn Write,
    format: Format,
    look: Look,
    lines: u64,
    /// Whose agreements are being listed.
    exchange: Option<ExchangeName>,
}

impl<'w> Listing<'w> {
    pub fn new(out: &'w mut dyn Write, format: Format, look: Look) -> Listing<'w> {
        Listing { out, format, look, lines: 0, exchange: None }
    }

    pub fn line(&mut self, line: &RegisterLine) -> io::Result<()> {
        self.lines += 1;
        let is_first = self.lines == 1;
        match self.format {
            Format::Table => {
                if self.exchange.as_ref() != Some(&line.exchange) {
                    self.heading(&line.exchange, is_first)?;
                }
                writeln!(self.out, "{}", row(line))
            }
            Format::Csv if is_first => write!(self.out, "{CSV_HEADING}\r\n{}\r\n", csv(line)),
            Format::Csv => write!(self.out, "{}\r\n", csv(line)),
            Format::Json => {
                let object = serde_json::to_string_pretty(line).map_err(io::Error::other)?;
                let before = if is_first { "[\n  " } else { ",\n  " };
                write!(self.out, "{before}{}", object.replace('\n', "\n  "))
            }
        }
    }

    /// After the last line, if the whole register has come. Without it, JSON stays open on purpose: what is cut
    /// short is not to be taken for the whole.
    pub fn end(&mut self, asked: &RegisterRequest, standing: &[Standing]) -> io::Result<()> {
        match (self.format, self.lines) {
            (Format::Table, 0) => write!(self.out, "{}", paragraph("No agreements: ", &why_none(asked, standing))),
            (Format::Table, lines) => {
                let stands = standing.iter().map(|stands| paragraph("", &format!("{}.", stands_by(stands))));
                write!(self.out, "\n{}.\n{}", count(lines, "agreement"), stands.collect::<String>())
            }
            (Format::Csv, 0) => write!(self.out, "{CSV_HEADING}\r\n"),
            (Format::Csv, _) => Ok(()),
            (Format::Json, 0) => writeln!(self.out, "[]"),
            (Format::Json, _) => writeln!(self.out, "\n]"),
        }
    }

    fn heading(&mut self, exchange: &ExchangeName, is_first: bool) -> io::Result<()> {
        self.exchange = Some(exchange.clone());
        let gap = if is_first { "" } else { "\n" };
        let columns = in_columns(COLUMNS.map(|(name, _)| name.to_owned()));
        writeln!(self.out, "{gap}Exchange {exchange}\n{}", self.look.paint(Tone::Strong, &columns))
    }
}

/// Which of the ways in which there can be none it is.
fn why_none(asked: &RegisterRequest, standing: &[Standing]) -> String {
    let whose = asked.municipality.map(|code| format!(" of {}", municipality(code))).unwrap_or_default();
    match (standing, asked.known_at, asked.valid_on) {
        ([], Some(then), _) => format!("at {} nothing was known{whose} yet.", minute(then)),
        ([], None, _) => format!("no reply{whose} was ever applied."),
        ([.., last], _, None) => format!("the last reply holds none ({}).", stands_by(last)),
        ([.., last], _, Some(day)) => format!("none is in force on {day} ({}).", stands_by(last)),
    }
}

/// `0751 Aarhus stands by the reply of delivery 42, as of 2026-12-01, applied 2026-12-01 05:20`.
fn stands_by(stands: &Standing) -> String {
    let delivery =
        stands.delivery.map_or("without a delivery number".to_owned(), |number| format!("of delivery {number}"));
    format!(
        "{}, {} stands by the reply {delivery}, as of {}, applied {}",
        municipality(stands.municipality),
        stands.exchange,
        stands.as_of,
        minute(stands.known_at)
    )
}

fn row(line: &RegisterLine) -> String {
    in_columns([
        line.municipality.to_string(),
        printable(&line.agreement),
        line.payer.as_deref().map(printable).unwrap_or_default(),
        day(line.valid_from),
        day(line.valid_to),
        line.amount_oere.map(|amount| amount.to_string()).unwrap_or_default(),
        minute(line.known_at),
        change(line.change).to_owned(),
    ])
}

fn in_columns(fields: [String; COLUMNS.len()]) -> String {
    let padded = fields.iter().zip(COLUMNS).map(|(field, (name, width))| match name {
        "KR A MONTH" => format!("{field:>width$}"),
        _ => format!("{field:width$}"),
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn csv(line: &RegisterLine) -> String {
    let other = if line.other.is_empty() { String::new() } else { json!(line.other).to_string() };
    [
        line.exchange.to_string(),
        line.municipality.to_string(),
        line.agreement.clone(),
        line.payer.clone().unwrap_or_default(),
        day(line.valid_from),
        day(line.valid_to),
        line.amount_oere.map(|amount| amount.0.to_string()).unwrap_or_default(),
        change(line.change).to_owned(),
        line.known_at.to_string(),
        other,
    ]
    .map(|field| quoted(&field))
    .join(";")
}

fn quoted(field: &str) -> String {
    match field.contains([';', '"', '\r', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

fn day(day: Option<Date>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

fn change(change: Change) -> &'static str {
    match change {
        Change::New => "new",
        Change::Changed => "changed",
        Change::Ended => "ended",
        Change::Resumed => "resumed",
    }
}
