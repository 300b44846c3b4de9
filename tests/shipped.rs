//! What is shipped fits together: the systemd files give the daemon what the shipped settings name.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use sluse::config::{Depth, Settings};

fn shipped(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("what is shipped is there")
}

fn settings() -> Settings {
    // The credentials' folder as systemd would give it.
    let environment = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| "/credentials".to_owned());
    Settings::parse("config/sluse.toml", &shipped("config/sluse.toml"), &environment, Depth::Values)
        .expect("the shipped settings have no mistake")
}

/// The values of a key in a unit, in order.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_unit_brings_every_credential_that_the_shipped_settings_name() {
    let unit = shipped("systemd/sluse.service");
    let brought: Vec<_> = values(&unit, "LoadCredential").iter().filter_map(|value| value.split(':').next()).collect();

    for endpoint in settings().endpoints.values() {
        let name = endpoint.identity.strip_prefix("/credentials").unwrap().to_str().unwrap();
        assert!(brought.contains(&name), "{name}");
    }
}

#[test]
fn every_folder_of_the_shipped_settings_is_made_before_the_daemon_starts() {
    let settings = settings();
    let tmpfiles = shipped("systemd/sluse.tmpfiles");
    let made: Vec<&str> = tmpfiles.lines().filter_map(|line| line.strip_prefix("d ")?.split(' ').next()).collect();
    let runtime = shipped("systemd/sluse.service");
    let shared = settings.exchanges.values().flat_map(|exchange| [&exchange.outbox, &exchange.inbox]);

    for folder in shared.chain([&settings.folders.state]) {
        assert!(made.contains(&folder.to_str().unwrap()), "{}", folder.display());
    }
    assert!(settings.store.path.starts_with(&settings.folders.state));
    assert_eq!(settings.folders.run, Path::new("/run").join(values(&runtime, "RuntimeDirectory")[0]));
}

/// A claim is a rename from the outbox to the state folder; systemd mounts every folder of these keys for
/// itself, so only one that holds both may be named.
#[test]
fn the_unit_does_not_put_a_mount_between_outbox_and_state() {
    let unit = shipped("systemd/sluse.service");
    let settings = settings();

    for key in ["StateDirectory", "BindPaths", "CacheDirectory", "LogsDirectory"] {
        assert_eq!(values(&unit, key), Vec::<&str>::new(), "{key}");
    }
    let writable = values(&unit, "ReadWritePaths");
    assert_eq!(writable.len(), 1);
    for folder in settings.exchanges.values().map(|exchange| &exchange.outbox).chain([&settings.folders.state]) {
        assert!(folder.starts_with(writable[0]), "{}", folder.display());
    }
}

#[test]
fn the_unit_is_hardened_to_an_exposure_of_1_2() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/sluse.service");

    let mut analyze = Command::new("systemd-analyze");
    let assessed = analyze.args(["security", "--offline=true", "--no-pager", "--threshold=12"]).arg(unit).output();

    let assessed = assessed.unwrap();
    let said = String::from_utf8_lossy(&assessed.stdout);
    assert!(assessed.status.success() && said.contains("Overall exposure level"), "{said}");
}

#[test]
fn the_package_has_the_version_of_the_program() {
    let newest = shipped("debian/changelog").lines().next().unwrap().to_owned();

    assert!(newest.starts_with(concat!("sluse (", env!("CARGO_PKG_VERSION"), "-")), "{newest}");
}

/// The manual's line that calls `recover` with the daemon's key: systemd itself reads what it sets.
#[test]
fn what_the_manual_sets_by_systemd_run_is_known_to_systemd() {
    // Given the line, and a unit with all that it sets
    let manual = shipped("docs/backup.md");
    let line = manual.lines().find_map(|line| line.strip_prefix("recover=\"systemd-run ")).unwrap();
    let (options, command) = line.trim_end_matches('"').split_once(" sluse ").unwrap();
    assert_eq!(command, "recover");
    let mut words = options.split(' ');
    let mut set = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--pipe" | "--wait" => {}
            "-p" => set.push(words.next().unwrap()),
            other => panic!("{other} is not known to this test"),
        }
    }
    let unit = shipped("systemd/sluse.service");
    let user = format!("User={}", values(&unit, "User")[0]);
    let credential = format!("LoadCredential={}", values(&unit, "LoadCredential")[0]);
    assert_eq!(set, [user, credential], "the daemon's user and key");
    let folder = tempfile::tempdir().unwrap();
    let verified = |name: &str, set: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("[Service]\nType=oneshot\nExecStart=/bin/true\n{set}\n")).unwrap();
        let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(path).output().unwrap();
        (verified.status.success(), String::from_utf8(verified.stderr).unwrap())
    };

    // When systemd reads it, then it understands every line; and it would have told of one that it does not
    let (is_sound, said) = verified("recover.service", &set.join("\n"));
    assert!(is_sound && !said.contains("recover.service"), "{said}");
    let (_, said) = verified("unsound.service", "LoadCredentials=a:/b");
    assert!(said.contains("LoadCredentials"), "{said}");
}

/// A unit that another one names, and that is not in the package, would fail when it is needed.
#[test]
fn every_file_for_systemd_is_in_the_package() {
    let manifest: toml::Table = shipped("Cargo.toml").parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let packed: Vec<&str> = assets.iter().filter_map(|asset| asset[0].as_str()).collect();

    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")).unwrap() {
        let path = format!("systemd/{}", entry.unwrap().file_name().to_str().unwrap());
        assert!(packed.contains(&path.as_str()), "{path} is not in {packed:?}");
    }
}

#[test]
fn the_unit_that_tells_of_a_failed_daemon_calls_a_command_that_there_is() {
    let unit = shipped("systemd/sluse-failed@.service");
    let line = values(&unit, "ExecStart")[0].replace("/usr/bin/", "").replace("%i", "sluse.service");

    let parsed = sluse::operator::cli::Cli::try_parse_from(line.split(' '));

    assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
    assert_eq!(values(&shipped("systemd/sluse.service"), "OnFailure"), ["sluse-failed@%n.service"]);
}
