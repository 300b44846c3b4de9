//! `sluse demo` and `sluse check` as processes: what they print, and what they end with.

mod rig;

use std::process::{Command, Output};

use rig::leaks::said;

fn sluse(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluse"));
    let output =
        command.args(arguments).env_remove("SLUSE_CONFIG").output().expect("the program was built with this test");
    said("output", &[&output.stdout[..], &output.stderr[..]].concat());
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_demo_shows_two_rounds_and_ends_well_only_because_the_register_is_true() {
    let demo = sluse(&["demo"]);

    let said = text(&demo.stdout);
    assert!(demo.status.success(), "{said}{}", text(&demo.stderr));
    for milestone in ["accepted", "uploaded", "submitted", "receipted", "replied", "applied", "handed over", "done"] {
        let lines = said.lines().filter(|line| line.contains("0101") && line.contains(milestone)).count();
        assert_eq!(lines, 2, "one {milestone} a round for each municipality: {said}");
    }
    assert!(said.contains("The register equals what UDK Debitor sent (36 agreements)."), "{said}");
    assert!(said.contains("UDK Debitor got 6 queries, each counted once."), "{said}");
}

#[test]
fn a_kept_demo_can_be_looked_at_with_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("kept");
    let demo = sluse(&["demo", "--municipalities", "2", "--agreements", "20", "--keep", keep.to_str().unwrap()]);
    assert!(demo.status.success(), "{}", text(&demo.stderr));
    let settings = keep.join("sluse.toml");
    let kept = |arguments: &[&str]| sluse(&[&["--config", settings.to_str().unwrap()], arguments].concat());

    let register = kept(&["register", "0101", "--json"]);
    let agreements: Vec<serde_json::Value> = serde_json::from_slice(&register.stdout).unwrap();
    assert_eq!(agreements.len(), 20);
    assert!(agreements.iter().all(|one| one["payer"].as_str().unwrap().ends_with("-xxxx")));

    let status = kept(&["status", "--json"]);
    assert_eq!(status.status.code(), Some(1), "no daemon runs, which is not fine");
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert!(
        status["routes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|route| route["ended"][0]["state"] == "done" && route["open"] == serde_json::json!([]))
    );

    assert!(text(&kept(&["explain", "0147"]).stdout).contains("done"));
    assert!(kept(&["held"]).status.success());
}

#[test]
fn the_shipped_settings_pass_the_check_and_all_mistakes_are_told_with_their_places() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/config/sluse.toml");
    let checked = sluse(&["check", "--config", shipped]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("98 municipalities"));

    // Given one mistake of each kind, each on a line of its own.
    let mistakes = [
        ("#poll = ", "pol = \"60s\"", "did you mean `poll`"),
        ("#settle = ", "settle = \"soon\"", "expected"),
        ("identity = ", "identity = \"/nonexistent/sluse-key\"", "/nonexistent/sluse-key"),
        ("endpoint = ", "endpoint = \"elsewhere\"", "elsewhere"),
        ("recipient = ", "recipient = 7", "expected"),
        ("#end_guard = ", "end_guard = \"120%\"", "expected"),
        ("municipalities = ", "municipalities = [\"0751\", \"0100\"]", "0100"),
    ];
    let mut lines: Vec<String> = std::fs::read_to_string(shipped).unwrap().lines().map(str::to_owned).collect();
    let mut places = Vec::new();
    for (begins, mistake, said) in mistakes {
        let at = lines.iter().position(|line| line.starts_with(begins)).expect(begins);
        mistake.clone_into(&mut lines[at]);
        places.push((at + 1, said));
    }
    let folder = tempfile::tempdir().unwrap();
    let mistaken = folder.path().join("sluse.toml");
    std::fs::write(&mistaken, lines.join("\n")).unwrap();

    // When they are checked.
    let checked = sluse(&["check", "--config", mistaken.to_str().unwrap()]);

    // Then all are told in one go, each with its place and what was expected.
    let told = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(2), "{told}");
    for (line, said) in places {
        let place = format!("--> {}:{line}:", mistaken.display());
        let at = told.find(&place).unwrap_or_else(|| panic!("no mistake at line {line}: {told}"));
        let sentence = told[..at].trim_end().lines().next_back().unwrap();
        assert!(sentence.starts_with("error: ") && sentence.contains(said), "line {line}: {sentence}");
    }
}
