//! A ground on which the manual's blocks are run as they stand: its paths, ids, dates and names in place of the manual's, and
//! what systemd does done by the test. Start with [`Stage::run`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sluse::engine::snapshot::HeldItem;

use crate::pages::Block;
use crate::rig::leaks::said;
use crate::rig::{Daemon, Ground, payment_date, until};

/// The call by which the manual gives a command the daemon's user and key. What it sets is looked at in tests/shipped.rs.
const AS_THE_DAEMON: &str =
    "systemd-run --pipe --wait -p User=sluse -p LoadCredential=sftp-key:/etc/sluse/sftp-key sluse";

pub struct Stage {
    // Before the ground, so that it is gone when that is removed.
    daemon: Option<Daemon>,
    pub ground: Ground,
    /// In place of the id and the mark of the manual.
    pub id: String,
    pub mark: String,
    /// The folder that backups are made in, and the one that a block begins in.
    pub backups: PathBuf,
    pub begins_in: PathBuf,
    /// The next round that nobody has asked for.
    pub next_round: u32,
    /// Whether a daemon that is started finds something to hold.
    pub is_to_hold: bool,
    /// How many blocks were run.
    pub ran: u64,
}

impl Stage {
    /// With a daemon that has connected, and one round of each municipality done.
    pub fn with(ground: Ground) -> Stage {
        let folders = ["etc/samples", "elsewhere", "backups", "scratch"].map(|folder| ground.path(folder));
        folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
        let (backups, begins_in) = (ground.path("backups"), ground.path("scratch"));
        let mut stage = Stage {
            daemon: None,
            ground,
            id: String::new(),
            mark: String::new(),
            backups,
            begins_in,
            next_round: 1,
            is_to_hold: false,
            ran: 0,
        };
        stage.ground.write_settings();
        stage.start();
        stage.round();
        stage
    }

    /// One more round of every municipality, to its end.
    pub fn round(&mut self) {
        let codes: Vec<_> = self.ground.sides.iter().flat_map(|side| side.municipalities.clone()).collect();
        for code in &codes {
            self.ground.ask_for(*code, payment_date(self.next_round));
        }
        for code in &codes {
            let count = self.ground.exchanges(*code).len().max(1);
            self.id = self.ground.until_state(*code, count.max(self.next_round as usize), "done").id.to_string();
        }
        self.next_round += 1;
    }

    /// As `systemctl start`: by the settings as they stand in the file.
    pub fn start(&mut self) {
        let (config, log) = (self.ground.path("sluse.toml"), self.ground.path("daemon.log"));
        let mut daemon = Daemon::start(&config, &log, &[]);
        daemon.until_said("running");
        self.daemon = Some(daemon);
    }

    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.terminate();
        }
    }

    /// What is decided next.
    pub fn decide_on(&mut self, item: &HeldItem) {
        self.id = item.id.to_string();
        self.mark.clone_from(&item.seen);
    }

    /// Runs a block from top to bottom. Fails with what does not end as the page says.
    pub fn run(&mut self, block: &Block) {
        let mut steps = String::new();
        let text = self.here(&block.text);
        for line in text.lines().chain(["systemctl status sluse"]) {
            let Some(verb) = line.strip_prefix("systemctl ").and_then(|rest| rest.strip_suffix(" sluse")) else {
                steps += &format!("{line}\n");
                continue;
            };
            if let Err(why) = self.shell(&std::mem::take(&mut steps)) {
                panic!("{}:{}: {why}", block.page, block.line);
            }
            match verb {
                "stop" => self.stop(),
                "start" => {
                    self.start();
                    if self.is_to_hold {
                        until("something to be held", || (!self.ground.held().is_empty()).then_some(()));
                    }
                }
                "status" => {}
                other => panic!("{}: {other} is not known to this test", block.page),
            }
        }
        self.ran += 1;
    }

    /// The text with this ground's names in it.
    fn here(&self, text: &str) -> String {
        let path = |name: &str| self.ground.path(name).display().to_string();
        let root = env!("CARGO_MANIFEST_DIR");
        let query = self
            .ground
            .exchanges(self.ground.municipality())
            .first()
            .and_then(|exchange| exchange.query().map(|query| format!("explain {}", query.remote_name)));
        let round = if text.contains("sluse query") { self.next_round } else { 1 };
        let mut text = text.to_owned();
        for (from, to) in [
            (AS_THE_DAEMON, "sluse".to_owned()),
            // Here the owner of the state folder is whoever tests.
            ("sudo -u sluse sluse", "sluse".to_owned()),
            ("/etc/sluse/sluse.toml", path("sluse.toml")),
            ("/etc/sluse", path("etc")),
            ("/var/lib/sluse", path("state")),
            ("/var/spool/sluse", path("side-0")),
            ("/usr/share/doc/sluse/layouts", format!("{root}/layouts")),
            ("/mnt/elsewhere", path("elsewhere")),
            ("/srv/backup", self.backups.display().to_string()),
            ("/srv/demo", path("demo")),
            ("sluse-2026-12-01", "sluse-$(date +%F)".to_owned()),
            ("--exchange sf2530", "--exchange sf2530-0".to_owned()),
            ("explain BETADM_FORESP_0751_20261201_0042.txt", query.unwrap_or_default()),
            ("2026-12-31", payment_date(round).to_string()),
            ("3f0f9a2e", self.id.clone()),
            ("0123456789ab", self.mark.clone()),
            // Whoever has the official field list at hand.
            ("\"${EDITOR:-nano}\"", format!("sed -i -f {}", path("official.sed"))),
        ] {
            text = text.replace(from, &to);
        }
        text
    }

    /// Errors: what did not end as it says.
    fn shell(&self, steps: &str) -> Result<(), String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let built = Path::new(env!("CARGO_BIN_EXE_sluse")).parent().unwrap();
        shell(
            steps,
            &self.begins_in,
            &[
                ("PATH", format!("{}:{path}", built.display())),
                ("SLUSE_CONFIG", self.ground.path("sluse.toml").display().to_string()),
            ],
        )
    }
}

/// Runs these lines. Errors: one of them does not end with the exit status that it says behind it, or else with 0.
pub fn shell(steps: &str, folder: &Path, environment: &[(&str, String)]) -> Result<(), String> {
    let checked: String = steps.lines().map(|line| with_its_status(line) + "\n").collect();
    let output = Command::new("sh")
        .args(["-exc", &checked])
        .current_dir(folder)
        .env_remove("SLUSE_LOG")
        .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    said("output", &text);
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{}\n{}", output.status, String::from_utf8_lossy(&text))),
    }
}

/// A line that says another exit status than 0 is to end with just that.
fn with_its_status(line: &str) -> String {
    let Some((command, rest)) = line.split_once(" exit status ") else { return line.to_owned() };
    let (Some((command, _)), Some(status)) = (command.split_once(" #"), rest.chars().next()) else {
        return line.to_owned();
    };
    format!("found=0; {command} || found=$?; test $found = {status}")
}
