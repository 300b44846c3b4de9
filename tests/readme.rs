//! The README is kept true by being run: its first exchange, word for word but for the build, against a real
//! OpenSSH server.

use std::net::TcpListener;
use std::process::Command;

/// Far longer than it takes; a part that never comes must not hold the tests for ever.
const SECONDS_MAX: &str = "120";

fn block(readme: &str) -> String {
    let begin =
        readme.find("```sh first-exchange\n").expect("the README has the block") + "```sh first-exchange\n".len();
    let end = begin + readme[begin..].find("\n```").expect("the block has an end");
    readme[begin..end].to_owned()
}

#[test]
fn the_first_exchange_of_the_readme_works_as_written() {
    // Given a reader with a built program, an empty folder and a free port.
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let built = std::path::Path::new(env!("CARGO_BIN_EXE_sluse")).parent().unwrap();
    let steps: String = block(&readme)
        .lines()
        .filter(|line| *line != "make build" && !line.starts_with("export PATH="))
        .map(|line| format!("{line}\n"))
        .collect();
    let at_end = r#"trap 'kill $(jobs -p) 2>/dev/null; kill "$(cat "$TRY/sshd.pid")" 2>/dev/null; wait' EXIT"#;

    // When the block is run from top to bottom.
    let output = Command::new("timeout")
        .args(["--kill-after=5", SECONDS_MAX, "bash", "-eu", "-c", &format!("{at_end}\n{steps}")])
        .env("PATH", format!("{}:{}", built.display(), std::env::var("PATH").unwrap_or_default()))
        .env("TRY", folder.path().join("try"))
        .env("PORT", port.to_string())
        .env_remove("SLUSE_CONFIG")
        .output()
        .unwrap();

    // Then every step succeeds, and the reply has come home.
    let said = String::from_utf8_lossy(&output.stdout);
    let log = |name: &str| std::fs::read_to_string(folder.path().join("try").join(name)).unwrap_or_default();
    assert!(
        output.status.success(),
        "{said}\n{}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        log("sluse.log"),
        log("hub.log")
    );
    assert!(said.contains("BETADM_SVAR_0751_"), "the inbox holds the reply: {said}");
    assert!(said.contains("-xxxx"), "the register is shown, masked: {said}");
}
