//! Nobody is named outside payload files and register: CPR numbers are planted wherever somebody on either side could put
//! one, the daemon says all that it can say of it, every command is asked, and none of the numbers may be found.
#![allow(clippy::panic, clippy::unwrap_used, reason = "the functions that tests share may fail them")]

mod rig;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rig::leaks::{leaks, plant, said};
use rig::{At, Chapter, Daemon, FarPlan, Ground, Row, payment_date, record, until};
use sluse::engine::decide::Verdict;

/// Made up; their days exist.
const PEOPLE: [&str; 9] = [
    "0101011234",
    "0202022345",
    "0303033456",
    "0404044567",
    "0505055678",
    "0606066789",
    "0707077890",
    "0808088901",
    "0909099012",
];

fn number(digits: &str) -> u64 {
    digits.parse().unwrap()
}

/// The same with a hyphen where people put one.
fn hyphened(digits: &str) -> String {
    format!("{}-{}", &digits[..6], &digits[6..])
}

#[test]
fn a_number_is_found_with_and_without_a_hyphen_and_inside_longer_runs_and_another_is_not() {
    let planted = BTreeSet::from([number("0101011234")]);
    for text in [
        "0101011234",
        "of 010101-1234.",
        "99010101123499",
        "01 01 01 1234",
        "01-01-01-1234",
        "a0101011234b\nother",
        "0101010101011234",
    ] {
        assert_eq!(leaks(text.as_bytes(), &planted).len(), 1, "{text}");
    }
    for text in ["0101011235", "010101-xxxx", "010101--1234", "01010112\n34", ""] {
        assert_eq!(leaks(text.as_bytes(), &planted).len(), 0, "{text}");
    }
}

/// A ground on which every way in carries somebody's number.
fn ground() -> (Ground, Daemon) {
    plant(PEOPLE.map(number));
    let [in_name, in_field, hyphen_in_name, _, _, _, _, _, _] = PEOPLE;
    let mut ground = Ground::lay(&["0751", "0101"], FarPlan::default());
    ground.sides[0].exchange_lines.push("settle = \"1s\"\nunfit_after = \"2s\"".into());
    ground.add_side(&["0461"], FarPlan { faults: vec!["wrong-municipality"], ..FarPlan::default() });
    ground.add_side(&["0147"], FarPlan { faults: vec!["end-all"], ..FarPlan::default() });
    ground.add_settings("[page]\nlisten = \"unix:{run}/page.sock\"\n");
    let daemon = ground.start_with(&[("SLUSE_LOG", "trace".to_owned())]);

    // In the outbox: in names, and in a field that is no person's
    let municipality = ground.municipality();
    let (name, query) = ground.compose(municipality, payment_date(2));
    ground.deliver(municipality, &format!("{in_name}.txt"), &query);
    ground.deliver(municipality, &format!("of {}.txt", hyphened(hyphen_in_name)), b"no query");
    let field = String::from_utf8(query).unwrap().replacen("0751", in_field, 1);
    ground.deliver(municipality, &name, field.as_bytes());
    ground.sides.iter().flat_map(|side| &side.municipalities).for_each(|code| ground.ask_for(*code, payment_date(1)));
    (ground, daemon)
}

/// What somebody on the far side may put into IN.
fn put_into_in(ground: &Ground) {
    let [_, _, _, in_text, in_name, in_metadata, in_record, in_amount, _] = PEOPLE;
    let far = ground.far();
    let template =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema-root.metadata")).unwrap();
    let reply =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/BETADM_SVAR_0751_20261201_0042.txt"))
            .unwrap();
    let put = |name: &str, transfer: &str, bytes: &[u8]| {
        let metadata = template
            .replace("BETADM_SVAR_0751_20261201_0042.txt", name)
            .replace("9c1d2f60-2a51-4d0b-8f0e-5b7a4c1e7d33", transfer)
            .replace("<SizeInBytes>610<", &format!("<SizeInBytes>{}<", bytes.len()))
            .replace("KY_SIMPELSFTP", far.sshd.user());
        far.put_into_in(&format!("{name}.metadata"), metadata.as_bytes());
        far.put_into_in(name, bytes);
    };
    let with = |from: &str, to: &str| -> Vec<u8> {
        // ISO-8859-1 there and back
        let text: String = reply.iter().map(|byte| char::from(*byte)).collect();
        assert!(text.contains(from), "{from} stands in the sample");
        text.replacen(from, to, 1).chars().map(|c| u8::try_from(c).unwrap()).collect()
    };
    // A number where a record's type should be, where an amount should be, and in the name
    put("BETADM_SVAR_0751_20261201_0042.txt", "9c1d2f60-2a51-4d0b-8f0e-5b7a4c1e7d01", &with("2007511110", in_record));
    put("BETADM_SVAR_0101_20261201_0042.txt", "9c1d2f60-2a51-4d0b-8f0e-5b7a4c1e7d02", &with("+000001603", in_amount));
    put(&format!("BETADM_SVAR_0751_{in_name}_0042.txt"), "9c1d2f60-2a51-4d0b-8f0e-5b7a4c1e7d03", &reply);
    put(&format!("{}.txt", hyphened(in_name)), "9c1d2f60-2a51-4d0b-8f0e-5b7a4c1e7d04", &reply);
    // In the words of XML
    far.put_into_in("BETADM_SVAR_0751_20261201_0044.txt.metadata", format!("<{in_metadata}/>").as_bytes());
    let query = ground
        .exchanges(ground.municipality())
        .iter()
        .find_map(|exchange| Some((exchange.id, exchange.query()?.remote_name.clone())));
    let (id, name) = query.unwrap();
    let receipt =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/error.sftpreceipt")).unwrap();
    let receipt = receipt.replace("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11", &id.to_string());
    let text = format!("{} and {in_text} are not known", hyphened(in_text));
    let receipt = receipt
        .replace("UDK_DEBITOR is not a known recipient on this route", &text)
        .replace("Unknown recipient", in_text);
    far.put_into_in(&format!("{name}.sftpreceipt"), receipt.as_bytes());
}

/// Everything that is kept for people beside payload files and register: the journal, sentences, names.
fn kept(ground: &Ground) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut folders = vec![ground.path("state"), ground.path("run")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            kept.extend(format!("{}\n", entry.path().display()).into_bytes());
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false
                    if entry.path().extension().is_some_and(|ending| ending == "txt")
                        && entry.path().to_string_lossy().contains("why") =>
                {
                    kept.extend(fs::read(entry.path()).unwrap());
                }
                false => {}
            }
        }
    }
    for municipality in ground.sides.iter().flat_map(|side| &side.municipalities) {
        for fact in ground.facts(*municipality) {
            kept.extend(serde_json::to_vec(&fact).unwrap());
            kept.push(b'\n');
        }
        for name in rig::sorted_names(&ground.inbox(*municipality)) {
            if name.ends_with(".csv") {
                kept.extend(fs::read(ground.inbox(*municipality).join(name)).unwrap());
            }
        }
    }
    kept
}

/// The status page in both languages, with all that is on it; how many pages there were.
fn look_at_every_page(ground: &Ground, daemon: &mut Daemon) -> u64 {
    let at = At::served_by(daemon);
    let ids = ground.book().all().map(|exchange| format!("/exchange/{}", exchange.id)).collect::<Vec<_>>();
    let names = PEOPLE.map(|digits| format!("/exchange/{digits}"));
    let municipalities = ["0751", "0101", "0461"].map(|code| format!("/municipality/{code}"));
    let rest = ["/", "/metrics", "/readyz", "/healthz"].map(str::to_owned);
    let paths: Vec<_> = ids.into_iter().chain(names).chain(municipalities).chain(rest).collect();
    let mut looked = 0;
    for language in ["Accept-Language: da", "Accept-Language: en"] {
        for path in &paths {
            // Its answer is searched by the rig
            at.ask(path, &[language]);
            looked += 1;
        }
    }
    assert!(at.page("/").contains("matters need a person."));
    looked
}

#[test]
fn no_log_line_command_or_notice_names_a_person() {
    let (ground, mut daemon) = ground();
    let municipality = ground.municipality();
    until("all queries to be read", || (ground.exchanges(municipality).len() >= 4).then_some(()));
    put_into_in(&ground);
    until("what waits for a person", || (ground.held().len() >= 3).then_some(()));
    ground.until_fact("0101".parse().unwrap(), "handed_over");

    // When every command is asked, for people and for programs, while the daemon runs and when it does not
    let ask_all = || {
        let mut asked = 0;
        let ids = ground.book().all().map(|exchange| exchange.id.to_string()).collect::<Vec<_>>();
        let names = PEOPLE.map(|digits| format!("{digits}.txt"));
        let whats = ["0751", "0101", "0461"]
            .into_iter()
            .chain(ids.iter().map(String::as_str))
            .chain(names.iter().map(String::as_str));
        let mut commands: Vec<Vec<&str>> = whats.map(|what| vec!["explain", what]).collect();
        commands.extend([vec!["status"], vec!["status", "0751"], vec!["held"], vec!["explain", "0751", "--all"]]);
        commands.extend([vec!["register"], vec!["register", "0101"], vec!["check"]]);
        for command in commands {
            let json = [&command[..], &["--json"]].concat();
            for arguments in [command, json] {
                // Its output is searched by the rig
                ground.command(&arguments);
                asked += 1;
            }
        }
        for format in ["csv", "table", "json"] {
            ground.command(&["register", "--format", format]);
        }
        // A number is no reason, and is not given back
        for id in &ids {
            ground.command(&["refuse", id, "--reason", PEOPLE[8]]);
            ground.command(&["approve", id, "--reason", &hyphened(PEOPLE[8])]);
        }
        ground.command(&["query", PEOPLE[8], "--payment-date", PEOPLE[8]]);
        asked
    };
    let mut asked = ask_all();
    asked += look_at_every_page(&ground, &mut daemon);
    for item in ground.held() {
        ground.try_to_decide(&item, Verdict::Refuse);
    }
    daemon.terminate();
    asked += ask_all();

    // Then what they said, the log, and what is kept names nobody
    let log = daemon.log();
    said("log", log.as_bytes());
    let kept = kept(&ground);
    said("kept", &kept);
    // And it was said of them that something is wrong with it
    for words in ["file refused", "reply held"] {
        assert!(log.contains(words), "the log tells nothing of {words}");
    }
    let shown =
        ground.command_that_may_name(&["register", "0101", "--full", "--reason", "a test of full numbers", "--json"]);
    let payer =
        ground.page("0101".parse().unwrap(), 1).values().find_map(|agreement| agreement.payer).unwrap().digits();
    assert!(!leaks(&shown.stdout, &BTreeSet::from([number(&payer)])).is_empty(), "the search finds what is there");
    record(&Row {
        tried: asked,
        ..Row::once(Chapter::PersonalData, "commands asked about data full of CPR numbers", "nobody named")
    });
}
