//! What a person sees: the command line ([`cli`]), the way to the engine ([`desk`]), and how answers look. It reads
//! what the engine answers and never its state. Start with [`answer`].
//!
//! Exit status: 0 fine, 1 found something wrong, 2 usage or configuration.

pub mod alarm;
pub mod audit;
pub mod backup;
pub mod check;
pub mod cli;
pub mod concerns;
pub mod connect;
pub mod desk;
pub mod explain;
pub mod gate;
pub mod held;
pub mod hub_args;
pub mod journal;
pub mod lookout;
pub mod metrics;
pub mod page;
pub mod progress;
pub mod rebuild;
pub mod recover;
pub mod register;
pub mod retention;
pub mod retry;
pub mod run;
pub mod sample;
pub mod sentence;
pub mod status;
pub mod text;
pub mod trial;

#[cfg(test)]
mod manual;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use jiff::civil::Date;
use serde::Serialize;

use crate::config::{Depth, Settings};
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::mask_in_text;
use crate::engine::control::{Answer, RegisterRequest, Request};
use crate::engine::decide::{Ask, Verdict};
use crate::engine::retry::{Filter, RetryAsk, Selection};
use crate::engine::snapshot::{HeldItem, Snapshot};
use cli::{Cli, Command, Decision};
use desk::{Desk, DeskTrouble};
use held::Called;
use hub_args::HubJob;
use register::{Format, Listing};
use text::Look;

/// What a command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Fine,
    /// Something that a person should see to.
    Wrong,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for cannot be: exit status 2.
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Wrong(String),
    #[error(transparent)]
    Desk(#[from] DeskTrouble),
    #[error("cannot write the answer: {0}")]
    Output(io::Error),
}

/// Does what the command line says.
pub fn answer(cli: Cli) -> ExitCode {
    let environment = |name: &str| std::env::var(name).ok();
    let raw_environment = |name: &str| std::env::var_os(name);
    let called = cli.called(&raw_environment);
    match cli.command {
        Command::Hub(args) => match args.job() {
            Ok(HubJob::Counted(text)) => exit(write_out(&mut io::stdout(), &text).map(|()| Found::Fine)),
            Ok(HubJob::Run(settings)) => exit(trial::hub(*settings)),
            Err(why) => exit(Err(Failure::Usage(why))),
        },
        Command::Demo(demo) => exit(trial::demo(demo)),
        Command::Check(asked) => match check::check(&cli.config, &environment) {
            Err(mistakes) => exit_with_mistakes(&mistakes),
            Ok((text, settings)) if !asked.sample.is_empty() => {
                exit(sample::read(&settings, &text, &asked.sample, &mut io::stdout()))
            }
            Ok((text, _)) if !asked.connect => exit(write_out(&mut io::stdout(), &text).map(|()| Found::Fine)),
            Ok((text, settings)) => {
                let look = Look::of(io::stdout().is_terminal(), &raw_environment);
                exit(check::connect(&settings, &text, asked, look, &called, &mut io::stdout()))
            }
        },
        Command::Alarm { what } => match alarm::tell(&what, &cli.config, &environment) {
            Err(mistakes) => exit_with_mistakes(&mistakes),
            Ok(told) => {
                let shown: String = told.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
                let found = if told.is_fine { Found::Fine } else { Found::Wrong };
                exit(write_out(&mut io::stdout(), &shown).map(|()| found))
            }
        },
        Command::Run => match Settings::read(&cli.config, &environment, Depth::Files) {
            Err(mistakes) => exit_with_mistakes(&mistakes.to_string()),
            Ok(settings) => run::run(settings, cli.config, called),
        },
        command => match Settings::read(&cli.config, &environment, Depth::Values) {
            Err(mistakes) => exit_with_mistakes(&mistakes.to_string()),
            Ok(settings) if let Command::Backup { folder, json } = &command => {
                exit(backup::back_up(&settings, folder, json.json, &mut io::stdout()))
            }
            Ok(settings) if let Command::Recover(asked) = &command => {
                exit(recover::recover(&settings, asked, &called, &mut io::stdout()))
            }
            Ok(settings) => {
                let look = Look::of(io::stdout().is_terminal(), &raw_environment);
                let mut out = io::BufWriter::new(io::stdout().lock());
                let mut call = Call { desk: Desk::open(&settings), look, called, out: &mut out };
                exit(match command {
                    Command::Audit { what } => call.audit(&settings, what),
                    Command::Gate { payment_date, json } => call.gate(&settings, payment_date, json.json),
                    Command::Rebuild { json } => call.rebuild(&settings, json.json),
                    command => call.answer(command),
                })
            }
        },
    }
}

/// One command at the desk: whom it asks, how it shows, and where to.
struct Call<'s, 'w> {
    desk: Desk<'s>,
    look: Look,
    called: Called,
    out: &'w mut dyn Write,
}

impl Call<'_, '_> {
    fn answer(&mut self, command: Command) -> Result<Found, Failure> {
        match command {
            Command::Status { municipality: None, json } => self.status(json.json),
            Command::Status { municipality: Some(code), json } => self.status_of(code, json.json),
            Command::Explain { what, all: true, json } => self.list(&what, json.json),
            Command::Explain { what, all: false, json } => self.explain(what, json.json),
            Command::Held { json } => self.held(json.json),
            Command::Approve(decision) => self.decide(decision, Verdict::Approve),
            Command::Refuse(decision) => self.decide(decision, Verdict::Refuse),
            Command::Settle { decision, sent } => {
                self.decide(decision, if sent.sent { Verdict::SettleSent } else { Verdict::SettleNotSent })
            }
            Command::Withdraw(decision) => self.decide(decision, Verdict::Withdraw),
            Command::Retry(retry) => self.retry(retry),
            Command::Query { municipality, payment_date, exchange } => {
                match self.desk.ask(Request::Query { exchange, municipality, payment_date })? {
                    Answer::Composed { path } => {
                        let later = self.later();
                        self.show(&format!("The query lies in the outbox: {path}\n{later}"), Found::Fine)
                    }
                    Answer::Mistaken { why } => Err(Failure::Usage(why)),
                    _ => Err(DeskTrouble::Misplaced.into()),
                }
            }
            Command::Register(register) => self.register(register),
            Command::Retention { now, json } => self.retention(now, json.json),
            Command::LegalHold { what } => self.legal_hold(what),
            Command::Run
            | Command::Check(_)
            | Command::Gate { .. }
            | Command::Backup { .. }
            | Command::Recover(_)
            | Command::Hub(_)
            | Command::Demo(_)
            | Command::Alarm { .. }
            | Command::Audit { .. }
            | Command::Rebuild { .. } => Err(Failure::Usage("this command does not ask the engine".to_owned())),
        }
    }

    fn status(&mut self, as_json: bool) -> Result<Found, Failure> {
        let snapshot = self.snapshot()?;
        let found = if status::is_fine(&snapshot) { Found::Fine } else { Found::Wrong };
        let shown = match as_json {
            true => json(&snapshot)?,
            false => status::overview(&snapshot, self.look, &self.called),
        };
        self.show(&shown, found)
    }

    fn status_of(&mut self, code: MunicipalityCode, as_json: bool) -> Result<Found, Failure> {
        let Some(part) = status::part_of(self.snapshot()?, code) else {
            return Err(Failure::Usage(format!("the settings name no exchange of {}", text::municipality(code))));
        };
        let found = if status::is_fine(&part) { Found::Fine } else { Found::Wrong };
        let shown = match as_json {
            true => json(&part)?,
            false => {
                // Of a restored store nothing can be decided, and nothing is told of what could be.
                let items = if part.restored.is_some() { Vec::new() } else { self.items()? };
                status::of(code, &part, &items, self.look, &self.called)
            }
        };
        self.show(&shown, found)
    }

    fn explain(&mut self, what: String, as_json: bool) -> Result<Found, Failure> {
        let (stories, waiting) = match self.desk.ask(Request::Explain { what: what.clone() })? {
            Answer::Explained { stories, waiting } => (stories, waiting),
            _ => return Err(DeskTrouble::Misplaced.into()),
        };
        let found = if stories.is_empty() && waiting.is_empty() { Found::Wrong } else { Found::Fine };
        match (as_json, found) {
            (true, _) => self.show(&json(&explain::told(stories, waiting))?, found),
            (false, Found::Wrong) => Err(Failure::Wrong(explain::nothing(&what))),
            (false, Found::Fine) => {
                let told = [explain::in_outbox(&waiting), explain::show(&stories, self.look, &self.called)];
                let told: Vec<_> = told.into_iter().filter(|part| !part.is_empty()).collect();
                self.show(&told.join("\n"), found)
            }
        }
    }

    fn list(&mut self, what: &str, as_json: bool) -> Result<Found, Failure> {
        let municipality: MunicipalityCode =
            what.parse().map_err(|e| Failure::Usage(format!("--all lists a municipality's exchanges: {e}")))?;
        let exchanges = match self.desk.ask(Request::List { municipality })? {
            Answer::Listed { exchanges } => exchanges,
            _ => return Err(DeskTrouble::Misplaced.into()),
        };
        match (as_json, exchanges.is_empty()) {
            (true, is_empty) => self.show(&json(&exchanges)?, if is_empty { Found::Wrong } else { Found::Fine }),
            (false, true) => Err(Failure::Wrong(explain::nothing(what))),
            (false, false) => self.show(&explain::list(&exchanges, self.look), Found::Fine),
        }
    }

    /// When what was just done has its effect, where that is not now.
    fn later(&self) -> &'static str {
        match self.desk.daemon_answered() {
            true => "",
            false => "The daemon does not run: it happens when the daemon runs again.\n",
        }
    }

    fn held(&mut self, as_json: bool) -> Result<Found, Failure> {
        let items = self.items()?;
        let found = if items.is_empty() { Found::Fine } else { Found::Wrong };
        let shown = match as_json {
            true => json(&items)?,
            false => held::show(&items, self.look, &self.called) + self.when_decided(&items),
        };
        self.show(&shown, found)
    }

    /// When what is decided now has its effect, where that is not at once.
    fn when_decided(&self, items: &[HeldItem]) -> &'static str {
        match items.is_empty() || self.desk.daemon_answered() {
            true => "",
            false => {
                "\nThe daemon does not run: it can be decided now, and happens when the daemon runs again:\n    \
                 systemctl start sluse\n"
            }
        }
    }

    fn decide(&mut self, decision: Decision, verdict: Verdict) -> Result<Found, Failure> {
        let Decision { id, reason, seen } = decision;
        match self.desk.ask(Request::Decide(Ask { id, verdict, reason, seen }))? {
            Answer::Decided { id, state, next } => {
                let later = self.later();
                let told = text::paragraph("", &format!("Exchange {id} is now {state}. Next: {next}."));
                self.show(&(told + later), Found::Fine)
            }
            _ => Err(DeskTrouble::Misplaced.into()),
        }
    }

    fn gate(&mut self, settings: &Settings, payment_date: Date, as_json: bool) -> Result<Found, Failure> {
        let report = match self.desk.ask(Request::Gate { payment_date }) {
            Ok(Answer::Gate(report)) => report,
            // Where nobody can say, nothing may go by it.
            Ok(_) => gate::unanswered(settings, payment_date, &DeskTrouble::Misplaced),
            Err(trouble) => gate::unanswered(settings, payment_date, &trouble),
        };
        let found = if report.is_open() { Found::Fine } else { Found::Wrong };
        let shown = match as_json {
            true => json(&gate::told(&report, &self.called))?,
            false => gate::show(&report, self.look, &self.called),
        };
        self.show(&shown, found)
    }

    fn retry(&mut self, asked: cli::Retry) -> Result<Found, Failure> {
        let cli::Retry { ids, rejected, reason, dry_run, seen, json: as_json } = asked;
        if seen.is_some() && ids.len() > 1 {
            return Err(Failure::Usage("--seen is the mark of one exchange, and more than one is named".to_owned()));
        }
        let filter = Filter {
            municipalities: rejected.municipality,
            exchange: rejected.exchange,
            payment_date: rejected.payment_date,
            since: rejected.since,
            code: rejected.code,
        };
        let which = if ids.is_empty() { Selection::Rejected(filter) } else { Selection::Named(ids) };
        let reason = reason.filter(|_| !dry_run);
        match self.desk.ask(Request::Retry(RetryAsk { which, reason, seen }))? {
            Answer::Retried { lines } if as_json.json => self.show(&json(&lines)?, retry::found(&lines)),
            Answer::Retried { lines } => {
                let later = if dry_run { "" } else { self.later() };
                let shown = retry::show(&lines, dry_run, self.look) + later;
                self.show(&shown, retry::found(&lines))
            }
            Answer::Mistaken { why } => Err(Failure::Usage(why)),
            _ => Err(DeskTrouble::Misplaced.into()),
        }
    }

    fn retention(&mut self, now: bool, as_json: bool) -> Result<Found, Failure> {
        match self.desk.ask(Request::Retention { now })? {
            Answer::Retention { plan } if as_json => self.show(&json(&plan)?, Found::Fine),
            Answer::Retention { plan } => self.show(&retention::show(&plan, self.look, &self.called), Found::Fine),
            Answer::Removed { removed } if as_json => self.show(&json(&removed)?, Found::Fine),
            Answer::Removed { removed } => self.show(&retention::removed(&removed), Found::Fine),
            _ => Err(DeskTrouble::Misplaced.into()),
        }
    }

    fn legal_hold(&mut self, what: cli::LegalHold) -> Result<Found, Failure> {
        let (request, as_json) = match what {
            cli::LegalHold::List { json } => (Request::Retention { now: false }, json.json),
            cli::LegalHold::Add(covered) => (Request::HoldByLaw(covered.ask(false)), false),
            cli::LegalHold::Remove(covered) => (Request::HoldByLaw(covered.ask(true)), false),
        };
        let holds = match self.desk.ask(request)? {
            Answer::Retention { plan } => plan.holds,
            Answer::Holds { holds } => holds,
            Answer::Mistaken { why } => return Err(Failure::Usage(why)),
            _ => return Err(DeskTrouble::Misplaced.into()),
        };
        let shown = if as_json { json(&holds)? } else { retention::holds(&holds, self.look) };
        self.show(&shown, Found::Fine)
    }

    fn register(&mut self, asked: cli::Register) -> Result<Found, Failure> {
        let format = if asked.json { Format::Json } else { asked.format };
        let request = RegisterRequest {
            exchange: asked.exchange,
            municipality: asked.municipality,
            valid_on: asked.valid_on,
            known_at: asked.known_at,
            full: asked.reason.filter(|_| asked.full),
        };
        let asked = request.clone();
        let mut listing = Listing::new(self.out, format, self.look);
        let mut written = Ok(());
        let mut last = None;
        self.desk.ask_each(Request::Register(request), &mut |answer| match answer {
            Answer::Agreement(line) if written.is_ok() => written = listing.line(&line),
            Answer::Agreement(_) => {}
            other => last = Some(other),
        })?;
        let standing = match last {
            Some(Answer::Agreements { standing, .. }) => standing,
            Some(Answer::Mistaken { why }) => return Err(Failure::Usage(why)),
            Some(Answer::Refused { why }) => return Err(DeskTrouble::Refused(why).into()),
            _ => return Err(DeskTrouble::Misplaced.into()),
        };
        unless_gone(written.and_then(|()| listing.end(&asked, &standing)).and_then(|()| self.out.flush()))?;
        Ok(Found::Fine)
    }

    fn audit(&mut self, settings: &Settings, what: cli::Audit) -> Result<Found, Failure> {
        let cli::Audit::Verify { anchor, json: as_json } = what;
        let audit = audit::verify(settings, anchor.as_deref())?;
        let shown = if as_json.json { json(&audit)? } else { audit::show(&audit, self.look, &self.called) };
        self.show(&shown, audit.found())
    }

    fn rebuild(&mut self, settings: &Settings, as_json: bool) -> Result<Found, Failure> {
        let rebuilt = rebuild::rebuild(settings)?;
        let shown = if as_json { json(&rebuilt)? } else { rebuild::show(&rebuilt, self.look, &self.called) };
        self.show(&shown, rebuild::found(&rebuilt))
    }

    fn snapshot(&self) -> Result<Snapshot, Failure> {
        match self.desk.ask(Request::Status)? {
            Answer::Status(snapshot) => Ok(snapshot),
            _ => Err(DeskTrouble::Misplaced.into()),
        }
    }

    fn items(&self) -> Result<Vec<HeldItem>, Failure> {
        match self.desk.ask(Request::Held)? {
            Answer::Held { items } => Ok(items),
            _ => Err(DeskTrouble::Misplaced.into()),
        }
    }

    fn show(&mut self, shown: &str, found: Found) -> Result<Found, Failure> {
        write_out(self.out, shown)?;
        Ok(found)
    }
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Output(e.into()))?;
    Ok(format!("{text}\n"))
}

fn write_out(out: &mut dyn Write, shown: &str) -> Result<(), Failure> {
    unless_gone(out.write_all(shown.as_bytes()).and_then(|()| out.flush()))
}

/// A reader that has seen enough (`sluse register | head`) is no failure.
fn unless_gone(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(e)),
        _ => Ok(()),
    }
}

fn status_code(found: &Result<Found, Failure>) -> u8 {
    match found {
        Ok(Found::Fine) => 0,
        Ok(Found::Wrong) | Err(Failure::Wrong(_) | Failure::Desk(_) | Failure::Output(_)) => 1,
        Err(Failure::Usage(_)) => 2,
    }
}

fn exit(found: Result<Found, Failure>) -> ExitCode {
    if let Err(failure) = &found {
        // What somebody typed stands in it, and may have been a CPR number.
        eprintln!("error: {}", mask_in_text(&text::printable(&failure.to_string())));
    }
    ExitCode::from(status_code(&found))
}

/// They come with places and line ends of their own.
fn exit_with_mistakes(mistakes: &str) -> ExitCode {
    eprint!("{mistakes}");
    ExitCode::from(2)
}
