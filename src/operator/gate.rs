//! `sluse gate`: which municipalities a payment cannot be made for yet, why, and the command that says or does more about
//! each. Start with [`show`].

use std::fmt::Write;

use jiff::civil::Date;
use serde::Serialize;

use super::desk::DeskTrouble;
use super::held::Called;
use super::text::{Look, Tone, municipality, paragraph};
use crate::config::Settings;
use crate::domain::exchange::gate::Shut;
use crate::domain::identity::{ExchangeName, FileId};
use crate::domain::municipality::MunicipalityCode;
use crate::engine::places::short_id;
use crate::engine::snapshot::{GateLine, GateReport};

/// What is told, as JSON.
#[derive(Debug, Serialize)]
pub struct Told {
    payment_date: Date,
    open: bool,
    municipalities: usize,
    shut: Vec<ToldShut>,
}

/// A municipality for which the gate is shut, as JSON.
#[derive(Debug, Serialize)]
struct ToldShut {
    exchange: ExchangeName,
    municipality: MunicipalityCode,
    name: String,
    because: Shut,
    why: String,
    next: String,
}

/// The report of a house that did not answer: nothing is known of anybody.
pub fn unanswered(settings: &Settings, payment_date: Date, trouble: &DeskTrouble) -> GateReport {
    let what = trouble.to_string();
    let lines = settings.exchanges.iter().flat_map(|(exchange, of)| {
        of.municipalities.iter().map(|code| GateLine {
            exchange: exchange.clone(),
            municipality: *code,
            name: code.name().to_owned(),
            shut: Some(Shut::Unknown { id: None, what: what.clone() }),
        })
    });
    GateReport { payment_date, lines: lines.collect() }
}

pub fn told(report: &GateReport, called: &Called) -> Told {
    let shut = report.lines.iter().filter_map(|line| {
        let because = line.shut.clone()?;
        Some(ToldShut {
            exchange: line.exchange.clone(),
            municipality: line.municipality,
            name: line.name.clone(),
            why: because.to_string(),
            next: called.command(&next(line, &because, report)),
            because,
        })
    });
    let shut: Vec<_> = shut.collect();
    let GateReport { payment_date, lines } = report;
    Told { payment_date: *payment_date, open: report.is_open(), municipalities: lines.len(), shut }
}

/// Open in one line, or every municipality that keeps it shut.
pub fn show(report: &GateReport, look: Look, called: &Called) -> String {
    let date = report.payment_date;
    let all = report.lines.len();
    if report.is_open() {
        let of_all = match all {
            1 => format!("the reply for {date} of the 1 municipality is"),
            _ => format!("the replies for {date} of all {all} municipalities are"),
        };
        return format!("{} {of_all} in the register and handed over.\n", look.paint(Tone::Good, "Open:"));
    }
    let shut: Vec<_> = report.lines.iter().filter_map(|line| Some((line, line.shut.as_ref()?))).collect();
    let mut shown = format!("{} {} of {all} not ready for {date}.\n", look.paint(Tone::Bad, "Shut:"), shut.len());
    // One reason for all is told once.
    if let [(first, of_first @ Shut::Unknown { id: None, .. }), rest @ ..] = shut.as_slice()
        && rest.iter().all(|(_, shut)| shut == of_first)
    {
        let names: Vec<_> = shut.iter().map(|(line, _)| municipality(line.municipality)).collect();
        let _ = write!(shown, "\n{}", paragraph("", &format!("{of_first}.")));
        let _ = writeln!(shown, "    {}", called.command(&next(first, of_first, report)));
        let _ = write!(shown, "\n{}", paragraph("Not known of: ", &format!("{}.", names.join(", "))));
        return shown;
    }
    let is_one_exchange = report.lines.windows(2).all(|two| two[0].exchange == two[1].exchange);
    for (line, why) in shut {
        let exchange = if is_one_exchange { String::new() } else { format!(", {}", line.exchange) };
        let heading = format!("{}{exchange}", municipality(line.municipality));
        let _ = write!(shown, "\n{}", paragraph(&format!("{heading}: "), &format!("{why}.")));
        let _ = writeln!(shown, "    {}", called.command(&next(line, why, report)));
    }
    shown
}

/// The command that says or does more.
fn next(line: &GateLine, shut: &Shut, report: &GateReport) -> String {
    let explain = |id: &FileId| format!("explain {}", short_id(*id));
    match shut {
        Shut::NoQuery => {
            let is_in_one = report.lines.iter().filter(|other| other.municipality == line.municipality).count() == 1;
            let exchange = if is_in_one { String::new() } else { format!(" --exchange {}", line.exchange) };
            format!("query {} --payment-date {}{exchange}", line.municipality, report.payment_date)
        }
        Shut::SeveralQueries { .. } => format!("explain {} --all", line.municipality),
        Shut::SecondHeld { .. } => "held".to_owned(),
        Shut::CameToNothing { id, .. }
        | Shut::UnderWay { id, .. }
        | Shut::NoReply { id }
        | Shut::NoEcho { id, .. }
        | Shut::NotHandedOver { id }
        | Shut::NewerReply { id, .. }
        | Shut::Unknown { id: Some(id), .. } => explain(id),
        Shut::Unknown { id: None, .. } => "status".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6";

    fn line(exchange: &str, code: &str, shut: Option<Shut>) -> GateLine {
        let municipality: MunicipalityCode = code.parse().unwrap();
        GateLine { exchange: exchange.parse().unwrap(), municipality, name: municipality.name().to_owned(), shut }
    }

    fn report(lines: Vec<GateLine>) -> GateReport {
        GateReport { payment_date: "2026-12-31".parse().unwrap(), lines }
    }

    fn shown(lines: Vec<GateLine>) -> String {
        show(&report(lines), Look::PLAIN, &Called::with(None))
    }

    fn held() -> Shut {
        let next = "a person approves or refuses the reply".to_owned();
        Shut::UnderWay { id: ID.parse().unwrap(), state: "held".into(), next }
    }

    #[test]
    fn an_open_gate_is_one_line_and_a_shut_one_names_each_with_why_and_the_next_command() {
        let open = "Open: the replies for 2026-12-31 of all 2 municipalities are in the register and handed over.\n";
        assert_eq!(shown(vec![line("sf2530", "0751", None), line("sf2530", "0101", None)]), open);

        let lines = vec![
            line("sf2530", "0101", Some(Shut::NoQuery)),
            line("sf2530", "0147", None),
            line("sf2530", "0751", Some(held())),
        ];
        assert_eq!(
            shown(lines),
            "Shut: 2 of 3 not ready for 2026-12-31.

0101 København: no query for this payment date was taken from the outbox.
    sluse query 0101 --payment-date 2026-12-31

0751 Aarhus: the query is held; next: a person approves or refuses the reply.
    sluse explain 3f0f9a2e
"
        );
    }

    #[test]
    fn of_two_exchanges_each_is_named_and_the_query_is_for_the_right_one() {
        let lines = vec![line("sf2530", "0751", Some(held())), line("sf2531", "0751", Some(Shut::NoQuery))];

        let shown = shown(lines);

        assert!(shown.contains("0751 Aarhus, sf2530: the query is held"), "{shown}");
        assert!(shown.contains("sluse query 0751 --payment-date 2026-12-31 --exchange sf2531\n"), "{shown}");
    }

    #[test]
    fn what_is_unknown_of_all_is_told_once_with_every_name_and_a_house_without_municipalities_is_never_open() {
        let unknown = || Some(Shut::Unknown { id: None, what: "there is no store at /var/lib/sluse/sluse.db".into() });
        let lines = vec![line("sf2530", "0101", unknown()), line("sf2530", "0751", unknown())];

        assert_eq!(
            shown(lines),
            "Shut: 2 of 2 not ready for 2026-12-31.

there is no store at /var/lib/sluse/sluse.db.
    sluse status

Not known of: 0101 København, 0751 Aarhus.
"
        );
        assert!(!report(Vec::new()).is_open());
    }

    #[test]
    fn a_script_reads_who_why_and_what_next_from_json() {
        let told = told(&report(vec![line("sf2530", "0751", Some(held()))]), &Called::with(None));

        let json = serde_json::to_value(&told).unwrap();

        let shut = &json["shut"][0];
        assert_eq!((&json["open"], &shut["municipality"]), (&false.into(), &"0751".into()));
        assert_eq!(
            (&shut["because"]["reason"], &shut["next"]),
            (&"under_way".into(), &"sluse explain 3f0f9a2e".into())
        );
        assert!(shut["why"].as_str().unwrap().starts_with("the query is held"), "{json}");
    }
}
