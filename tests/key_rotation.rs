//! Keys that change under a running daemon, the far side's and ours, prepared and not, by the manual's own commands
//! (`docs/key-rotation.md`): nothing is lost, nothing is sent to a stranger, and what was prepared makes no pause.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::fs;
use std::path::Path;
use std::process::Command;

use rig::leaks::said;
use rig::{Chapter, Daemon, FarPlan, Ground, KeyFile, payment_date, record, until};

/// The page's commands of one step.
fn block(step: &str) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/key-rotation.md")).unwrap();
    let begin = format!("```sh {step}\n");
    let (_, block) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no block {step}"));
    block.split_once("\n```").unwrap().0.lines().map(str::to_owned).collect()
}

/// A municipality's server as the page has it: the daemon, and its settings and key in a folder that stands for /etc/sluse.
struct House {
    daemon: Daemon,
    ground: Ground,
    rounds: u32,
}

impl House {
    fn with(ground: Ground) -> House {
        let mut daemon = ground.start();
        daemon.until_said("connected");
        House { daemon, ground, rounds: 0 }
    }

    /// Takes a step of the page, line by line, and returns what it printed. What systemd does, the test does.
    fn take(&mut self, step: &str) -> String {
        let mut printed = String::new();
        for line in block(step) {
            if line == "systemctl restart sluse" {
                self.restart();
                continue;
            }
            let key = self.ground.far().sshd.client_key().path.clone();
            let here = line
                .replace("/etc/sluse/sftp-key", &key.display().to_string())
                .replace("/etc/sluse", &self.ground.path("").display().to_string());
            let built = Path::new(env!("CARGO_BIN_EXE_sluse")).parent().unwrap().display().to_string();
            let path = format!("{built}:{}", std::env::var("PATH").unwrap());
            let output = Command::new("sh")
                .args(["-ec", &here])
                .env("PATH", path)
                .env("SLUSE_CONFIG", self.ground.path("sluse.toml"))
                .output()
                .unwrap();
            let text = [output.stdout, output.stderr].concat();
            said("output", &text);
            printed += &String::from_utf8(text).unwrap();
        }
        // How lines are broken depends on the keys.
        printed.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").replace("\n ", " ")
    }

    fn restart(&mut self) {
        self.daemon.terminate();
        // The settings as they were edited.
        self.daemon = self.ground.start();
        self.daemon.until_said("connected");
    }

    /// One more round, to its end.
    fn round(&mut self) {
        self.rounds += 1;
        let municipality = self.ground.municipality();
        self.ground.ask_for(municipality, payment_date(self.rounds));
        self.ground.until_state(municipality, self.rounds as usize, "done");
        self.ground.assert_once(municipality, self.rounds);
    }

    /// Puts these pins into the settings. They are in force after the next restart.
    fn pin(&mut self, pins: &[String]) {
        self.ground.sides[0].host_keys = pins.to_vec();
        self.ground.write_settings();
    }

    fn pins(&self) -> Vec<String> {
        self.ground.sides[0].host_keys.clone()
    }

    /// The far side stops, and is back with another host key.
    fn far_side_changes_to(&mut self, key: KeyFile) {
        self.ground.far_mut().sshd.restart_with_host_key(key);
    }

    fn is_troubled(&self, words: &str) -> bool {
        self.ground.endpoint_line(0).trouble.is_some_and(|trouble| trouble.contains(words))
    }
}

/// Of a public key's file, as `ssh-keygen` prints it.
fn fingerprint_of(public: &str) -> String {
    let printed = Command::new("ssh-keygen").args(["-lf", public]).output().unwrap();
    String::from_utf8(printed.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

/// The lines that say that a person must act.
fn errors(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.contains("ERROR")).collect()
}

#[test]
fn a_host_key_that_changes_unannounced_stops_everything_until_it_is_confirmed_and_nothing_is_lost() {
    let mut house = House::with(Ground::lay(&["0751"], FarPlan::default()));
    house.round();
    let old = house.pins().remove(0);
    let key = house.ground.far().sshd.new_host_key("host-new");
    let new = key.fingerprint();

    // When the server comes back with another key, and a query is waiting
    house.far_side_changes_to(key);
    let municipality = house.ground.municipality();
    house.ground.ask_for(municipality, payment_date(2));
    until("the trouble to be told", || {
        let of_query = house.ground.trouble_of(municipality)?;
        (house.is_troubled(&new) && of_query.contains(&new)).then_some(())
    });

    // Then nothing is sent, and status, story and log tell both fingerprints and the command
    house.ground.until_state(municipality, 2, "accepted");
    assert_eq!(house.ground.far().triggers_seen(), 1);
    assert_eq!(house.ground.far().names_in_out(), Vec::<String>::new());
    let flat = |text: &[u8]| String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let status = house.ground.command(&["status"]);
    let story = house.ground.command(&["explain", "0751"]);
    for told in [flat(&status.stdout), flat(&story.stdout), flat(house.daemon.log().as_bytes())] {
        assert!(told.contains(&old) && told.contains(&new) && told.contains("by telephone"), "{told}");
    }
    assert!(status.status.code() == Some(1) && flat(&status.stdout).contains("check --connect"));
    let is_told = |line: &&str| line.contains("ERROR cannot log in") && line.contains(&new);
    let told: Vec<_> = house.daemon.log().lines().filter(is_told).map(str::to_owned).collect();
    assert_eq!(told.len(), 1, "told once, not at every try: {told:?}");

    // When a person looks, asks, and writes the shown line
    let shown = house.take("host-key-changed");
    let (_, line) = shown.split_once("host_keys = ").unwrap_or_else(|| panic!("{shown}"));
    let pins: Vec<String> = serde_json::from_str(&line[..=line.find(']').unwrap()]).unwrap();
    assert_eq!(pins, [old, new.clone()]);
    house.pin(&pins);
    let shown = house.take("host-key-confirmed");

    // Then everything goes on
    assert!(flat(shown.as_bytes()).contains(&format!("{new}, number 2 of 2 in the settings")), "{shown}");
    house.ground.until_state(municipality, 2, "done");
    house.ground.assert_once(municipality, 2);
    record(&house.ground.came_of(Chapter::FarSide, "the host key changes unannounced, and is confirmed"));
}

#[test]
fn a_host_key_whose_new_pin_stands_beside_the_old_one_changes_without_a_pause() {
    let mut house = House::with(Ground::lay(&["0751"], FarPlan::default()));
    house.round();
    let key = house.ground.far().sshd.new_host_key("host-new");
    let (old, new) = (house.pins().remove(0), key.fingerprint());

    // Given both pins in the settings
    house.pin(&[old.clone(), new.clone()]);
    let shown = house.take("host-key-announced");
    assert!(shown.contains(&old) && shown.contains("number 1 of 2"), "{shown}");
    house.round();

    // When the server changes its key
    house.far_side_changes_to(key);
    house.round();

    // Then nobody was needed, and the old pin can go
    assert_eq!(errors(&house.daemon.log()), Vec::<&str>::new());
    house.pin(&[new]);
    let shown = house.take("host-key-announced");
    assert!(shown.contains("the one of the settings"), "{shown}");
    house.round();
    record(&house.ground.came_of(Chapter::FarSide, "the host key changes, its new pin beside the old one"));
}

#[test]
fn our_key_is_changed_by_the_page_without_a_pause_and_the_old_one_can_be_removed() {
    let mut house = House::with(Ground::lay(&["0751"], FarPlan::default()));
    house.round();
    let old = house.ground.far().sshd.client_key().clone();
    let old_public = old.public_line();

    // Given a new key beside the old one, here and there
    let printed = house.take("our-new-key");
    let public = fs::read_to_string(format!("{}.new.pub", old.path.display())).unwrap();
    assert_eq!(printed, public);
    let refused = house.take("our-new-key-tried");
    let new = fingerprint_of(&format!("{}.new.pub", old.path.display()));
    assert!(refused.contains(&new), "tried is the new one, {new}: {refused}");
    assert!(refused.contains("WRONG login"), "not there yet: {refused}");
    house.ground.far().sshd.authorize_only(&[old_public, public.clone()]);
    let accepted = house.take("our-new-key-tried");
    assert!(accepted.contains("is accepted for user"), "{accepted}");
    house.round();

    // When it takes the old one's place
    let shown = house.take("our-key-changed");
    assert!(shown.contains("is accepted for user"), "{shown}");
    house.round();
    house.ground.far().sshd.authorize_only(&[public]);
    let shown = house.take("our-old-key-removed");

    // Then the old one is not needed, here or there
    assert!(
        shown.contains("is accepted for user") && !Path::new(&format!("{}.old", old.path.display())).exists(),
        "{shown}"
    );
    house.restart();
    house.round();
    assert_eq!(errors(&house.daemon.log()), Vec::<&str>::new());
    record(&house.ground.came_of(Chapter::FarSide, "our key is changed by the manual's commands"));
}
