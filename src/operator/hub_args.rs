//! The options of `sluse hub`, and the hub that they ask for. Start with [`HubArgs::job`].

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use russh::keys::{PrivateKey, PublicKey, load_secret_key};

use super::text::{Look, Table, municipality};
use crate::domain::identity::UserName;
use crate::hub::HubSettings;
use crate::hub::book::Book;
use crate::hub::debitor::{Debitor, DebitorSettings};
use crate::hub::faults::{FAULTS, Faults};
use crate::hub::ledger::Ledger;
use crate::hub::server::{AuthorizedKeys, ServerSettings};

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  sluse hub --root /srv/hub --listen 127.0.0.1:2222 --authorized-key KY_SIMPELSFTP=key.pub\n\nThe \
hub behaves as Serviceplatformen is known to, and knows invented agreements only. It is there to be tested against."
)]
pub struct HubArgs {
    /// The folder that holds ROOT/USER/OUT and ROOT/USER/IN; made where it is missing
    #[arg(long, value_name = "DIR")]
    pub root: PathBuf,
    /// Where the hub's own SFTP server listens; port 0: any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2222")]
    pub listen: SocketAddr,
    /// No server of its own: the folders are shown by another one, such as OpenSSH
    #[arg(long, conflicts_with_all = ["listen", "host_key", "authorized_keys"])]
    pub mailroom_only: bool,
    /// The server's private key; without it a new one each time, which the log tells
    #[arg(long, value_name = "FILE")]
    pub host_key: Option<PathBuf>,
    /// Users with folders here, separated by commas, besides those with a key
    #[arg(long, value_name = "USER", value_delimiter = ',')]
    pub users: Vec<UserName>,
    /// A user, and the file with the public keys that let it in; may be repeated
    #[arg(long = "authorized-key", value_name = "USER=FILE", value_parser = user_and_file)]
    pub authorized_keys: Vec<(UserName, PathBuf)>,
    /// The user that answers queries
    #[arg(long, value_name = "USER", default_value = "UDK_DEBITOR")]
    pub debitor: UserName,
    /// Nobody answers queries
    #[arg(long, conflicts_with = "debitor")]
    pub no_debitor: bool,
    /// How many agreements each municipality has
    #[arg(long, value_name = "N", default_value_t = 25)]
    pub agreements: u32,
    /// Which invented agreements: the same seed, the same agreements
    #[arg(long, value_name = "N", default_value_t = 2530)]
    pub seed: u64,
    /// How long a sender waits for its receipt, such as 90s
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub receipt_delay: Duration,
    /// How long a query waits for its reply, such as 2m
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    pub reply_delay: Duration,
    /// Put files of other integrations into each user's IN
    #[arg(long)]
    pub foreign: bool,
    /// Do something wrong, to be noticed; may be repeated
    #[arg(long = "fault", value_name = "FAULT", value_parser = clap::builder::PossibleValuesParser::new(FAULTS.map(|(word, _)| word)))]
    pub faults: Vec<String>,
    /// Only say what UDK Debitor has counted so far, and end
    #[arg(long)]
    pub count: bool,
}

/// What is asked for.
#[derive(Debug)]
pub enum HubJob {
    /// Show this.
    Counted(String),
    Run(Box<HubSettings>),
}

impl HubArgs {
    /// Reads the key files, or the ledger. Errors: a sentence, for exit status 2.
    pub fn job(self) -> Result<HubJob, String> {
        if self.count {
            return counted(&self.root).map(HubJob::Counted);
        }
        let faults = Faults::asked_for(self.faults.iter().map(String::as_str)).map_err(|e| e.to_string())?;
        let mut users: AuthorizedKeys = self.users.into_iter().map(|user| (user, Vec::new())).collect();
        for (user, file) in self.authorized_keys {
            users.entry(user).or_default().extend(public_keys(&file)?);
        }
        if users.is_empty() {
            return Err("nobody may come in: name a user with --authorized-key USER=FILE, or with --users".to_owned());
        }
        let server = match self.mailroom_only {
            true => None,
            false => Some(ServerSettings {
                listen: self.listen,
                host_key: self.host_key.map(host_key).transpose()?,
                endless_listing: false,
            }),
        };
        let debitor = (!self.no_debitor).then(|| DebitorSettings {
            book: Book { seed: self.seed, agreements: self.agreements },
            reply_delay: self.reply_delay,
            ..DebitorSettings::of(self.debitor)
        });
        Ok(HubJob::Run(Box::new(HubSettings {
            users,
            server,
            debitor,
            receipt_delay: self.receipt_delay,
            foreign: self.foreign,
            faults,
            ..HubSettings::over(self.root)
        })))
    }
}

/// What UDK Debitor has counted: the queries per municipality and payment date.
fn counted(root: &Path) -> Result<String, String> {
    let ledger = Ledger::read(&root.join(Debitor::LEDGER)).map_err(|e| e.to_string())?;
    let mut table = Table::new(["MUNICIPALITY", "PAYMENT DATE", "QUERIES", "AGREEMENTS MARKED"]);
    for (code, dates) in &ledger.counted {
        for (date, queries) in dates {
            let marked = ledger.marked.get(code).and_then(|dates| dates.get(date)).copied().unwrap_or(0);
            table.row([
                municipality(*code).into(),
                date.to_string().into(),
                queries.to_string().into(),
                marked.to_string().into(),
            ]);
        }
    }
    let (replies, unfit) = (ledger.replies.len(), ledger.unfit.len());
    Ok(format!("{}\nReplies sent: {replies}. Files that were no query: {unfit}.\n", table.show(Look::PLAIN)))
}

fn host_key(path: PathBuf) -> Result<PrivateKey, String> {
    load_secret_key(&path, None).map_err(|e| format!("cannot read the host key {}: {e}", path.display()))
}

/// The keys of a file in the form of `authorized_keys` without options, or of one `.pub` file.
fn public_keys(path: &Path) -> Result<Vec<PublicKey>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("cannot read the public keys {}: {e}", path.display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<PublicKey> = lines
        .map(PublicKey::from_openssh)
        .collect::<Result<_, _>>()
        .map_err(|e| format!("{} holds a line that is no public key: {e}", path.display()))?;
    if keys.is_empty() { Err(format!("{} holds no public key", path.display())) } else { Ok(keys) }
}

fn user_and_file(text: &str) -> Result<(UserName, PathBuf), String> {
    let (user, file) = text.split_once('=').ok_or("expected USER=FILE")?;
    Ok((user.parse().map_err(|e: crate::domain::identity::BadName| e.to_string())?, PathBuf::from(file)))
}

fn time(text: &str) -> Result<Duration, String> {
    let expected = "expected a time such as 90s or 2m";
    text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok()).ok_or(expected.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::operator::cli::{Cli, Command};

    fn job(line: &str) -> Result<HubJob, String> {
        match Cli::try_parse_from(line.split(' ')).unwrap().command {
            Command::Hub(args) => args.job(),
            other => panic!("{other:?} is no hub"),
        }
    }

    #[test]
    fn every_option_reaches_the_hub() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key.pub");
        let public =
            PrivateKey::random(&mut rand::rng(), russh::keys::Algorithm::Ed25519).unwrap().public_key().clone();
        fs::write(&key, format!("# ours\n{}\n", public.to_openssh().unwrap())).unwrap();

        let job = job(&format!(
            "sluse hub --root /srv/hub --listen 127.0.0.1:0 --authorized-key KY={} --users AB,CD --agreements 7 --seed 9 \
             --receipt-delay 90s --reply-delay 2m --foreign --fault unasked --fault silent",
            key.display()
        ));

        let Ok(HubJob::Run(settings)) = job else { panic!("{job:?}") };
        let debitor = settings.debitor.unwrap();
        assert_eq!(settings.users.keys().map(UserName::as_str).collect::<Vec<_>>(), ["AB", "CD", "KY"]);
        assert_eq!(settings.users[&"KY".parse().unwrap()], [public]);
        assert_eq!((debitor.user.as_str(), debitor.book.agreements, debitor.book.seed), ("UDK_DEBITOR", 7, 9));
        assert_eq!((settings.receipt_delay.as_secs(), debitor.reply_delay.as_secs()), (90, 120));
        assert!(settings.foreign && settings.faults.unasked && settings.faults.silent && !settings.faults.hundredfold);
        assert_eq!(settings.server.unwrap().listen.port(), 0);
    }

    #[test]
    fn a_hub_that_nobody_can_reach_is_not_begun() {
        assert!(job("sluse hub --root /srv/hub").unwrap_err().contains("--authorized-key"));
        assert!(job("sluse hub --root /srv/hub --authorized-key KY=/nowhere").unwrap_err().contains("/nowhere"));
        assert!(matches!(job("sluse hub --root /srv/hub --mailroom-only --users KY"), Ok(HubJob::Run(settings))
            if settings.server.is_none()));
    }

    #[test]
    fn a_hub_that_has_counted_nothing_says_so() {
        let folder = tempfile::tempdir().unwrap();

        let job = job(&format!("sluse hub --root {} --count", folder.path().display()));

        assert!(matches!(job, Ok(HubJob::Counted(text)) if text.contains("Replies sent: 0.")));
    }
}
