//! The command line: every command with its options and its help. What a command does is in [`super`].

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;

use super::held::Called;
use super::hub_args::HubArgs;
use super::register::Format;
use crate::domain::identity::ExchangeName;
use crate::domain::moment::Moment;
use crate::domain::municipality::MunicipalityCode;
use crate::domain::person::mask_in_text;
use crate::domain::retention::Scope;
use crate::engine::retention::HoldAsk;

const SETTINGS_FILE: &str = "/etc/sluse/sluse.toml";
const SETTINGS_VARIABLE: &str = "SLUSE_CONFIG";

/// Carries municipal queries for withholding agreements to Udbetaling Danmark and brings the replies home.
///
/// Nothing is lost, nothing is sent twice, and `sluse status` says where everything is.
#[derive(Debug, Parser)]
#[command(
    name = "sluse",
    version,
    max_term_width = 100,
    after_help = "Exit status: 0 fine, 1 found something wrong, 2 usage \
or configuration."
)]
pub struct Cli {
    /// The settings file
    #[arg(long, global = true, value_name = "FILE", env = SETTINGS_VARIABLE, default_value = SETTINGS_FILE)]
    pub config: PathBuf,

    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// What the command line says. Where it cannot be, the process ends with exit status 2 and says why, and does
    /// not repeat a CPR number that somebody typed.
    pub fn from_command_line() -> Cli {
        Cli::try_parse().unwrap_or_else(|error| {
            let said = error.to_string();
            let masked = mask_in_text(&said);
            if masked == said {
                error.exit();
            }
            eprint!("{masked}");
            std::process::exit(2)
        })
    }

    /// How commands are to be shown so that they reach the same house. `environment` is asked for `SLUSE_CONFIG`.
    pub fn called(&self, environment: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Called {
        let is_implied =
            environment(SETTINGS_VARIABLE).map_or(self.config == Path::new(SETTINGS_FILE), |path| self.config == path);
        Called::with((!is_implied).then_some(self.config.as_path()))
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The daemon: takes queries, sends them, fetches and applies replies, until it is told to stop
    ///
    /// SIGTERM and SIGINT stop it, SIGHUP has it read its settings again. systemd calls this: `systemctl start sluse`.
    Run,
    /// Check the settings and what they name on this machine; all mistakes at once
    ///
    /// With --connect each far side too, on a connection of its own, also while the daemon runs; nothing is left there. With
    /// --sample a layout is tried on a file that somebody else has made. Exit status 1 if something is wrong there, 2 for a
    /// mistake in the settings.
    #[command(
        after_help = "Examples:\n  sluse check\n  sluse check --connect\n  sluse check --connect --within 10\n  \
sluse check --sample /etc/sluse/samples/BETADM_SVAR_0751_20261201_0042.txt"
    )]
    Check(Check),
    /// Where everything stands: one line per municipality, the far side, outboxes, refused files
    ///
    /// Exit status 1 if something waits for a person or is overdue, the latest query of a municipality was unfit or
    /// rejected, the far side or a folder cannot be reached, or the daemon does not run.
    #[command(
        after_help = "Examples:\n  sluse status\n  sluse status 0751\n  sluse status --json | jq '.routes[] | select(any(.open[]; .overdue))'"
    )]
    Status {
        /// A municipality's code, for its part in full
        municipality: Option<MunicipalityCode>,
        #[command(flatten)]
        json: Json,
    },
    /// The whole story of one exchange, milestone by milestone, and what comes next
    ///
    /// Exit status 1 if there is no such exchange.
    #[command(
        after_help = "Examples:\n  sluse explain 0751\n  sluse explain 0751 --all\n  sluse explain 3f0f9a2e\n  sluse explain BETADM_FORESP_0751_20261201_0042.txt"
    )]
    Explain {
        /// A file's name here or there, an exchange's id or its beginning, or a municipality's code (what is open, and
        /// the latest)
        what: String,
        /// Every exchange of the municipality, one line each
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Compose a query by the layout and put it into the outbox
    ///
    /// Exit status 2 for a day that is past, and for a municipality that is not in the settings.
    #[command(after_help = "Example:\n  sluse query 0751 --payment-date 2026-12-31")]
    Query {
        /// A municipality's code
        municipality: MunicipalityCode,
        /// The day of the payment, as 2026-12-31
        #[arg(long, value_name = "DATE", value_parser = day)]
        payment_date: Date,
        /// Needed only where the municipality is in more than one exchange of the settings
        #[arg(long, value_name = "NAME")]
        exchange: Option<ExchangeName>,
    },
    /// Whether a payment can go by the register: for a script that stands before the payment run
    ///
    /// Exit status 0 only if every municipality of the settings has exactly one query for that day that counts, with a reply
    /// that echoes its delivery number, is in the register and was handed over, and no newer reply waits. Else 1, also for
    /// whatever is unknown, with the names, and for each why and the command to call next.
    #[command(
        after_help = "Examples:\n  sluse gate --payment-date 2026-12-31\n  sluse gate --payment-date 2026-12-31 --json | \
jq -r '.shut[] | [.municipality, .why, .next] | @tsv'"
    )]
    Gate {
        /// The day of the payment, as 2026-12-31
        #[arg(long, value_name = "DATE", value_parser = day)]
        payment_date: Date,
        #[command(flatten)]
        json: Json,
    },
    /// What waits for a person, why, and the commands by which it is decided
    ///
    /// Exit status 1 if anything does.
    #[command(after_help = "Examples:\n  sluse held\n  sluse held --json")]
    Held {
        #[command(flatten)]
        json: Json,
    },
    /// Let pass what is held
    #[command(
        after_help = "Example:\n  sluse approve 3f0f9a2e --seen 0123456789ab --reason \"UDK confirms the reply\"\n\n\
`sluse held` shows the whole command, with the id and the mark."
    )]
    Approve(Decision),
    /// Turn down what is held: a query is not sent, a reply not applied; or give up waiting for a reply
    #[command(after_help = "Example:\n  sluse refuse 3f0f9a2e --seen 0123456789ab --reason \"UDK sends another\"\n\n\
`sluse held` shows the whole command, with the id and the mark. What the hub has, it has: a query whose reply is given up \
still counts.")]
    Refuse(Decision),
    /// Say whether the trigger of an exchange in doubt was made
    #[command(
        after_help = "Example:\n  sluse settle 3f0f9a2e --not-sent --seen 0123456789ab --reason \"the hub never had it\"\n\n\
Ask the operator of the far side first. An exchange that is settled as not sent is refused; its query \
can be sent again by `sluse retry`."
    )]
    Settle {
        #[command(flatten)]
        decision: Decision,
        #[command(flatten)]
        sent: Sent,
    },
    /// Take a query back before its trigger is made: nothing of it stays in OUT, and it does not count
    #[command(after_help = "Example:\n  sluse withdraw 3f0f9a2e --reason \"the wrong payment date\"\n\n\
Once the trigger is on its way the hub may have the query, and it cannot be called back.")]
    Withdraw(Decision),
    /// Send again what came to nothing, each as a new exchange with a new name, linked to the old one
    ///
    /// What is named, or what the hub rejected and all options are true of. Exit status 1 if any of it is not sent again.
    #[command(
        after_help = "What goes out is the archived copy, unchanged. A query that was refused or withdrawn is sent again \
only where it is named.\n\nExamples:\n  sluse retry --all-rejected --dry-run\n  sluse retry --municipality 0751 \
--payment-date 2026-12-31 --reason \"the hub knows the recipient now\"\n  sluse retry 3f0f9a2e --reason \"withdrawn by mistake\""
    )]
    Retry(Retry),
    /// The agreements of the register, as they are or as they were
    #[command(after_help = "Examples:\n  sluse register 0751\n  sluse register --valid-on 2026-12-31 --format csv\n  \
sluse register 0751 --known-at 2026-11-01T12:00 --json\n\nCPR numbers are masked. With --full they are not, which is \
journalled with who and why.")]
    Register(Register),
    /// Copy the store, and every file that its journal names, into a new folder, also while the daemon runs
    ///
    /// Exit status 1 if a file was not as the journal says; the backup is made all the same.
    #[command(
        after_help = "Example:\n  sluse backup /srv/backup/sluse-2026-12-01\n\nHow it is put back: docs/backup.md. Then `sluse recover`."
    )]
    Backup {
        /// A folder that is not there yet
        folder: PathBuf,
        #[command(flatten)]
        json: Json,
    },
    /// After a backup was put back: what the store is behind by, and what lies here and on the far side unknown to it
    ///
    /// Without --accept it only looks, and exits with status 1 if there is something to decide. The daemon must be stopped.
    #[command(
        after_help = "Examples:\n  sluse recover\n  sluse recover --accept --reason \"the disk broke\"\n\nThe whole \
procedure, with the daemon's own key: docs/backup.md."
    )]
    Recover(Recover),
    /// What is older than is kept, and what keeps the rest; with --now it goes at once, and not only tonight
    ///
    /// Changes nothing without --now. What is open, waits for a person or is under a legal hold never goes.
    #[command(
        after_help = "Examples:\n  sluse retention\n  sluse retention --now\n\nHow long what is kept: [retention] in \
the settings, and docs/retention.md."
    )]
    Retention {
        /// Remove it now
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Keep retention from removing anything of a municipality, an exchange, or of all
    LegalHold {
        #[command(subcommand)]
        what: LegalHold,
    },
    /// Whether journal and register are what was written
    Audit {
        #[command(subcommand)]
        what: Audit,
    },
    /// Replay journal and archive into an empty register, and compare row for row
    ///
    /// Changes nothing; may run beside the daemon. Exit status 1 if a row differs, or an archived file is missing or
    /// no longer what it was.
    #[command(
        after_help = "Example:\n  sluse rebuild\n\nReplies are read by the layouts of the settings as they are now."
    )]
    Rebuild {
        #[command(flatten)]
        json: Json,
    },
    /// Tell whoever the settings name under `[alarm]`, at once and without the daemon
    ///
    /// Exit status 1 if one of them is not told.
    Alarm {
        #[command(subcommand)]
        what: Alarm,
    },
    /// A hub to test against: Serviceplatformen's mailroom, with UDK Debitor answering
    Hub(HubArgs),
    /// See it work: hub, daemon and whole rounds in a folder of their own
    ///
    /// Exit status 1 if the register does not equal what UDK Debitor sent.
    #[command(after_help = "Example:\n  sluse demo --municipalities 2 --agreements 20 --keep /srv/demo")]
    Demo(Demo),
}

#[derive(Debug, Subcommand)]
pub enum LegalHold {
    /// From now on nothing of it is removed
    #[command(after_help = "Examples:\n  sluse legal-hold add 0751 --reason \"case 12/2026\"\n  \
sluse legal-hold add --exchange sf2530 --reason \"case 13/2026\"")]
    Add(Covered),
    /// It may be removed again
    #[command(after_help = "Example:\n  sluse legal-hold remove 0751 --reason \"the case is closed\"")]
    Remove(Covered),
    /// Every hold that is in force, since when, by whom and why
    #[command(after_help = "Example:\n  sluse legal-hold list")]
    List {
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Args)]
pub struct Covered {
    /// A municipality's code; all of them without it
    pub municipality: Option<MunicipalityCode>,
    /// Only this exchange of the settings
    #[arg(long, value_name = "NAME")]
    pub exchange: Option<ExchangeName>,
    /// Why: kept in the journal beside who and when; without personal data
    #[arg(long)]
    pub reason: String,
}

#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Find every entry that was edited, removed, inserted or reordered, and rows of the register that disagree
    ///
    /// Changes nothing; may run beside the daemon. Exit status 1 if anything is found. Without an anchor,
    /// a journal that was written anew from some entry on cannot be seen, nor an end cut off with every trace of it.
    #[command(
        after_help = "Examples:\n  sluse audit verify\n  sluse audit verify --anchor /mnt/elsewhere/anchor\n\nAn anchor is a \
text file of lines `NUMBER HASH TIME`, as the last line that is shown. `sluse rebuild` looks at every row of the register."
    )]
    Verify {
        /// Hold the journal against this anchor, such as a copy that is kept elsewhere
        #[arg(long, value_name = "FILE")]
        anchor: Option<PathBuf>,
        #[command(flatten)]
        json: Json,
    },
}

#[derive(Debug, Subcommand)]
pub enum Alarm {
    /// Send a test through every receiver, and say who was reached
    #[command(after_help = "Example:\n  sluse alarm test")]
    Test,
    /// Tell that a systemd unit has failed; called by sluse-failed@.service
    #[command(after_help = "Example:\n  sluse alarm unit-failed sluse.service")]
    UnitFailed {
        /// Its name, such as sluse.service
        unit: String,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub struct Json {
    /// As JSON, with times in UTC
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Check {
    /// Also connect: host key, login, rights in OUT and IN, what the server offers, its clock, files that lie there
    #[arg(long)]
    pub connect: bool,
    /// A far side that is not done by then is given up
    #[arg(long, value_name = "SECONDS", requires = "connect", default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub within: u64,
    /// What was found there as JSON
    #[arg(long, requires = "connect")]
    pub json: bool,
    /// Also read this file by the layouts of the settings, as a query or a reply by its name; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "connect")]
    pub sample: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Decision {
    /// The exchange's id, or an unambiguous beginning of at least 4 characters
    pub id: String,
    /// Why: kept in the journal beside who and when; without personal data
    #[arg(long)]
    pub reason: String,
    /// The mark that `held` showed; the decision is void if anything has moved on since
    #[arg(long, value_name = "MARK")]
    pub seen: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub struct Retry {
    /// The exchanges' ids, or unambiguous beginnings of at least 4 characters
    #[arg(value_name = "ID", group = "which")]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub rejected: Rejected,
    /// Why: kept in the journal of each beside who and when; without personal data
    #[arg(long, required_unless_present = "dry_run")]
    pub reason: Option<String>,
    /// Only say what would be sent again, and why the rest would not; nothing is changed
    #[arg(long)]
    pub dry_run: bool,
    /// The mark that `explain` showed of the one exchange that is named
    #[arg(long, value_name = "MARK", requires = "ids")]
    pub seen: Option<String>,
    #[command(flatten)]
    pub json: Json,
}

/// Which of those that the hub rejected.
#[derive(Debug, Args)]
pub struct Rejected {
    /// Of this municipality; may be given more than once
    #[arg(long, value_name = "CODE", group = "which", conflicts_with = "ids")]
    pub municipality: Vec<MunicipalityCode>,
    /// Of this exchange of the settings
    #[arg(long, value_name = "NAME", group = "which", conflicts_with = "ids")]
    pub exchange: Option<ExchangeName>,
    /// For this payment date
    #[arg(long, value_name = "DATE", value_parser = day, group = "which", conflicts_with = "ids")]
    pub payment_date: Option<Date>,
    /// Rejected then or later: a time in Denmark or RFC 3339; a bare date is the beginning of that day
    #[arg(long, value_name = "TIME", value_parser = moment, group = "which", conflicts_with = "ids")]
    pub since: Option<Moment>,
    /// Rejected with this code
    #[arg(long, value_name = "NUMBER", group = "which", conflicts_with = "ids", allow_negative_numbers = true)]
    pub code: Option<i64>,
    /// Everything that the hub rejected
    #[arg(long, group = "which", conflicts_with = "ids")]
    pub all_rejected: bool,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Sent {
    /// The trigger was made: Sluse waits for receipt and reply
    #[arg(long)]
    pub sent: bool,
    /// The trigger was not made, and will not be: the query is refused
    #[arg(long)]
    pub not_sent: bool,
}

#[derive(Debug, Args)]
pub struct Register {
    /// A municipality's code; all without it
    pub municipality: Option<MunicipalityCode>,
    /// Only of this exchange of the settings
    #[arg(long, value_name = "NAME")]
    pub exchange: Option<ExchangeName>,
    /// Only agreements in force on this day
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub valid_on: Option<Date>,
    /// As it was believed then: a time in Denmark or RFC 3339; a bare date is the beginning of that day
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub known_at: Option<Moment>,
    /// For people, for a spreadsheet, or for a program
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// CPR numbers in full
    #[arg(long, requires = "reason")]
    pub full: bool,
    /// Why they are needed: kept in the journal beside who and when
    #[arg(long, requires = "full")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct Recover {
    /// Journal what was found and let the daemon go on; whatever may have been sent or handed over waits for a person
    #[arg(long, requires = "reason")]
    pub accept: bool,
    /// Why: kept in the journal beside who and when; without personal data
    #[arg(long, requires = "accept")]
    pub reason: Option<String>,
    /// Do not look at OUT and IN
    #[arg(long)]
    pub offline: bool,
    #[command(flatten)]
    pub json: Json,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// How many municipalities, in the order of their codes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=98))]
    pub municipalities: u32,
    /// How many agreements each has
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub agreements: u32,
    /// How many queries each municipality sends, one after the other
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Keep everything in this folder, to look at it afterwards
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

impl Covered {
    pub fn ask(self, lift: bool) -> HoldAsk {
        let Covered { municipality, exchange, reason } = self;
        HoldAsk { scope: Scope { exchange, municipality }, reason, lift }
    }
}

fn day(text: &str) -> Result<Date, &'static str> {
    let is_bare = text.len() == "2026-12-31".len();
    text.parse().ok().filter(|_| is_bare).ok_or("expected a date such as 2026-12-31")
}

fn moment(text: &str) -> Result<Moment, &'static str> {
    text.parse().map_err(|_| "expected a date such as 2026-12-31, or a time such as 2026-12-31T12:00")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_that_is_told_in_help_is_understood() {
        for line in [
            "sluse status",
            "sluse --config /tmp/x.toml status 0751 --json",
            "sluse status --config /tmp/x.toml",
            "sluse explain 3f0f9a2e",
            "sluse query 0751 --payment-date 2026-12-31 --exchange sf2530",
            "sluse held --json",
            "sluse check --connect --within 10 --json",
            "sluse gate --payment-date 2026-12-31 --json",
            "sluse approve 3f0f --reason why --seen 0123456789ab",
            "sluse refuse 3f0f --reason why",
            "sluse settle 3f0f --not-sent --reason why",
            "sluse withdraw 3f0f --reason why --seen 0123456789ab",
            "sluse retention --now --json",
            "sluse legal-hold add 0751 --exchange sf2530 --reason why",
            "sluse legal-hold remove --reason why",
            "sluse legal-hold list --json",
            "sluse retry --all-rejected --dry-run",
            "sluse retry --municipality 0751 --municipality 0101 --payment-date 2026-12-31 --code 21 --reason why --json",
            "sluse retry --since 2026-12-01 --exchange sf2530 --reason why",
            "sluse retry 3f0f9a2e 77aa --reason why",
            "sluse retry 3f0f9a2e --seen 0123456789ab --reason why",
            "sluse register 0751 --known-at 2026-11-01T12:00 --json",
            "sluse register --valid-on 2026-12-31 --format csv --full --reason why",
            "sluse backup /srv/backup/2026-12-01 --json",
            "sluse recover --offline",
            "sluse recover --accept --reason why",
            "sluse audit verify --anchor /mnt/elsewhere/anchor --json",
            "sluse rebuild --json",
            "sluse alarm test",
            "sluse alarm unit-failed sluse.service",
            "sluse hub --root /srv/hub --mailroom-only --users KY,AB",
            "sluse demo --municipalities 98 --rounds 1",
        ] {
            assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
        }
    }

    #[test]
    fn a_wrong_date_is_told_in_our_own_words() {
        for (line, said) in [
            ("sluse query 0751 --payment-date 31.12.2026", "expected a date such as 2026-12-31"),
            ("sluse query 0751 --payment-date 2026-02-30", "expected a date such as 2026-12-31"),
            ("sluse gate --payment-date tomorrow", "expected a date such as 2026-12-31"),
            ("sluse register --valid-on 2026-12-31T10:00", "expected a date such as 2026-12-31"),
            ("sluse register --known-at yesterday", "or a time such as 2026-12-31T12:00"),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(said), "{line}: {error}");
        }
    }

    #[test]
    fn no_decision_is_taken_without_a_reason_and_no_register_is_shown_in_full_without_one() {
        for (line, kind) in [
            ("sluse approve 3f0f", ErrorKind::MissingRequiredArgument),
            ("sluse withdraw 3f0f", ErrorKind::MissingRequiredArgument),
            ("sluse retry 3f0f", ErrorKind::MissingRequiredArgument),
            ("sluse retry --reason why", ErrorKind::MissingRequiredArgument),
            ("sluse retry --dry-run", ErrorKind::MissingRequiredArgument),
            ("sluse retry 3f0f --all-rejected --dry-run", ErrorKind::ArgumentConflict),
            ("sluse settle 3f0f --reason why", ErrorKind::MissingRequiredArgument),
            ("sluse settle 3f0f --sent --not-sent --reason why", ErrorKind::ArgumentConflict),
            ("sluse register --full", ErrorKind::MissingRequiredArgument),
            ("sluse recover --accept", ErrorKind::MissingRequiredArgument),
            ("sluse recover --reason why", ErrorKind::MissingRequiredArgument),
            ("sluse register --json --format csv", ErrorKind::ArgumentConflict),
            ("sluse status 0752", ErrorKind::ValueValidation),
            ("sluse check --json", ErrorKind::MissingRequiredArgument),
            ("sluse check --within 5", ErrorKind::MissingRequiredArgument),
            ("sluse check --connect --within 0", ErrorKind::ValueValidation),
        ] {
            let error = parse(line).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (kind, 2), "{line}");
        }
    }

    #[test]
    fn a_shown_command_names_the_settings_only_where_the_next_call_would_not_find_them() {
        let called = |line: &str, variable: Option<&str>| {
            let variable = variable.map(std::ffi::OsString::from);
            parse(line).unwrap().called(&move |_| variable.clone()).command("held")
        };

        assert_eq!(called("sluse held --config /etc/sluse/sluse.toml", None), "sluse held");
        assert_eq!(called("sluse --config /tmp/x.toml held", None), "sluse --config /tmp/x.toml held");
        assert_eq!(called("sluse --config /tmp/x.toml held", Some("/tmp/x.toml")), "sluse held");
        assert_eq!(
            called("sluse --config /etc/sluse/sluse.toml held", Some("/tmp/x.toml")),
            "sluse --config /etc/sluse/sluse.toml held"
        );
    }
}
