//! The manual's page of incidents, and how a transcript is made the same in every run. Start with
//! [`assert_is_the_manuals`].

use std::fs;
use std::path::Path;

use crate::rig::payment_date;
use crate::scenes::{Incident, Scene};

/// One incident, and each command with what it printed.
pub struct Told {
    pub number: usize,
    pub incident: &'static Incident,
    pub transcript: Vec<(String, String)>,
}

const OPENING: &str = "\
# Ten incidents

What a person sees who is woken at night and knows nothing yet. It begins with `sluse status`; where that is not enough, it names the one
command that says the rest. Every transcript was made by a test, with the daemon and an OpenSSH server as real processes; times,
ids and fingerprints are invented, and every path is the shipped one.

Whether a payment can go by the register is another question, and has a command of its own: `sluse gate --payment-date D`.
";

/// Compares with the manual, or writes it where `SLUSE_UPDATE` is set. How lines are broken is nobody's business: it depends
/// on how long the paths of the test are.
pub fn assert_is_the_manuals(told: &[Told]) {
    let mut made = OPENING.to_owned();
    for Told { number, incident, transcript } in told {
        made += &format!("\n## {}. {}\n\n{}\n\n```console\n", number + 1, incident.title, incident.happens);
        for (number, (command, text)) in transcript.iter().enumerate() {
            let gap = if number > 0 { "\n" } else { "" };
            made += &format!("{gap}$ {command}\n{}\n", text.trim_end());
        }
        made += &format!("```\n\nThe person {}\n", incident.does);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/incidents.md");
    if std::env::var_os("SLUSE_UPDATE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (made, kept) = (words(&made), words(&kept));
    let same = made.iter().zip(&kept).take_while(|(is, should_be)| is == should_be).count();
    if made != kept {
        let around = |of: &[String]| of[same.saturating_sub(12)..(same + 12).min(of.len())].join(" ");
        panic!(
            "docs/incidents.md says\n  {}\nand now it is\n  {}\nSLUSE_UPDATE=1 cargo test --test incidents writes it anew",
            around(&kept),
            around(&made)
        );
    }
}

/// What is another in every run, as patterns: `#` is a digit, `~` one in hexadecimal.
const CHANGING: &[(&str, &str)] = &[
    ("####-##-## ##:##:##", "2031-01-05 06:00:00"),
    ("####-##-## ##:##", "2031-01-05 06:00"),
    // The same where a line is broken between day and time.
    ("by ####-##-##\n", "by 2031-01-05\n"),
    ("ince ####-##-##\n", "ince 2031-01-05\n"),
    (" ##:##. Since ", " 06:00. Since "),
    (" ##:##. Next: ", " 06:00. Next: "),
    ("~~~~~~~~-~~~~-~~~~-~~~~-~~~~~~~~~~~~", "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6"),
    ("--seen ~~~~~~~~~~~~", "--seen 0123456789ab"),
    ("SHA-256 ~~~~~~~~~~~~", "SHA-256 0123456789ab"),
    (".~~~~~~~~.part", ".0badcafe.part"),
    ("as of ####-##-##", "as of 2031-01-05"),
    ("_20######_", "_20310105_"),
];

/// The same text wherever and whenever it was made.
pub fn stable(scene: &Scene, text: &str) -> String {
    let ground = &scene.ground;
    let sshd = &ground.far().sshd;
    let path = |name: &str| ground.path(name).display().to_string();
    let mut text = text.to_owned();
    let old = ground.sides[0].host_keys[0].clone();
    for (from, to) in [
        (format!("sluse --config {} ", path("sluse.toml")), "sluse ".to_owned()),
        (path("sluse.toml"), "/etc/sluse/sluse.toml".to_owned()),
        (path("state"), "/var/lib/sluse".to_owned()),
        (path("side-0/outbox"), "/var/spool/sluse/outbox".to_owned()),
        (path("side-0/inbox"), "/var/spool/sluse/inbox".to_owned()),
        (old, "SHA256:OLD-2yZ0nlpYVQ4mQ0l3m1X7uV8c5s9d6fTgHbJkPq".to_owned()),
        (sshd.host_keys()[0].fingerprint(), "SHA256:NEW-Kx71cVwq9TtJ5oRz2bLd4yAe8uHs3mGnPfQiEa".to_owned()),
        (sshd.client_key().fingerprint(), "SHA256:OUR-8sWm2QhXr5vTn0uYb6kEj3cLdZ9pGaFi7oHqRt".to_owned()),
        (format!("port {}", sshd.port()), "port 22".to_owned()),
        (format!(":{}", sshd.port()), ":22".to_owned()),
        (format!("user {}", sshd.user()), "user KY_SIMPELSFTP".to_owned()),
        (format!("{}; it takes", sshd.user()), "KY_SIMPELSFTP; it takes".to_owned()),
        ("sf2530-0".to_owned(), "sf2530".to_owned()),
        ("hub-0".to_owned(), "serviceplatformen".to_owned()),
    ] {
        text = text.replace(&from, &to);
    }
    for exchange in ground.book().all() {
        let id = exchange.id.to_string();
        text = text.replace(&id, "3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6").replace(&id[..8], "3f0f9a2e");
    }
    masked(&text)
}

/// Every place where a pattern fits, replaced.
fn masked(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match CHANGING.iter().find(|(pattern, _)| fits(pattern, rest)) {
            Some((pattern, instead)) => {
                made.push_str(instead);
                rest = &rest[pattern.len()..];
            }
            None => {
                made.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    made
}

fn fits(pattern: &str, text: &str) -> bool {
    let mut bytes = text.bytes();
    pattern.bytes().all(|wanted| {
        bytes.next().is_some_and(|found| match wanted {
            b'#' => found.is_ascii_digit(),
            b'~' => found.is_ascii_hexdigit() && !found.is_ascii_uppercase(),
            _ => found == wanted,
        })
    })
}

#[test]
fn what_changes_from_run_to_run_is_replaced_and_a_payment_date_is_not() {
    let text = "since 2026-11-23 14:05, payment date 2031-01-27: æ 0a1b2c3d-0000-4000-8000-0123456789ab";

    let told = masked(text);

    assert_eq!(told, "since 2031-01-05 06:00, payment date 2031-01-27: æ 3f0f9a2e-5b1c-4d7e-8f90-a1b2c3d4e5f6");
    assert!(told.contains(&payment_date(1).to_string()));
}
