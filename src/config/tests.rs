//! The settings as a whole: every kind of mistake with its place, files and modes, the shipped file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

/// No variable is set.
fn nothing(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Settings, Mistakes> {
    Settings::parse("sluse.toml", text, &nothing, Depth::Values)
}

/// `line:column message` of every mistake.
fn told(text: &str) -> Vec<String> {
    parse(text).unwrap_err().mistakes.iter().map(told_one).collect()
}

fn told_one(mistake: &Mistake) -> String {
    match &mistake.place.spot {
        Some(spot) => format!("{}:{} {}", spot.line, spot.column, mistake.message),
        None => format!("file {}", mistake.message),
    }
}

/// The shipped settings with the folders of one machine.
fn settings_in(folder: &Path, identity: &str) -> String {
    shipped::file()
        .replace("/var/lib/sluse", &format!("{}/state", folder.display()))
        .replace("/var/spool/sluse", &folder.display().to_string())
        .replace("#run = \"/run/sluse\"", &format!("run = \"{}/run\"", folder.display()))
        .replace("credential:sftp-key", identity)
}

#[test]
fn every_kind_of_mistake_is_told_at_once_with_its_place() {
    let text = r#"[store]
url = "postgres://localhost/sluse"

[folders]
state = "~/sluse"
run = 7
extra = true

[calender]
payments = "last bank day"

[endpoint.serviceplatformen]
host = "sftp.serviceplatformen.dk"
port = 70000
user = "KY SIMPELSFTP"
passphrase = "hunter2"
host_keys = ["SHA256:short", "SHA256:INVENTED/REPLACE/ME/BY/THE/REAL/HOST/KEY/AA", "SHA256:INVENTED/REPLACE/ME/BY/THE/REAL/HOST/KEY/AA"]
out = "../OUT"
pol = "60s"
trigger = "renam"

[endpoint.Other]
host = "192.0.2.7"
user = "KY"
identity = "id_rsa"
host_keys = []
out = "IN"
settle = "10s"

[exchange.sf2530]
endpoint = "serviceplatform"
transfer = "managed"
recipient = "UDK_DEBITOR"
outbox = "/var/spool/sluse/box"
inbox = "/var/spool/sluse/box/in"
municipalities = ["0751", "0752", "0751"]
settle = "10m"
unfit_after = "10m"
receipt_within = "0s"
reply_within = "12 parsecs"
end_guard = "120%"
hand_over_command = ["notify-send"]
"#;

    let told = told(text);

    assert_lines(
        &told,
        &[
            r#"2:7 `url` is "postgres://localhost/sluse", expected "sqlite:" and an absolute path (in [store])"#,
            r#"5:9 `state` is "~/sluse", expected an absolute path (in [folders])"#,
            r#"6:7 `run` is 7, expected an absolute path of at most 94 bytes (in [folders])"#,
            r#"7:1 unknown key `extra`, expected one of state, run (in [folders])"#,
            r#"9:2 unknown section `calender`, did you mean `calendar`?"#,
            r#"12:1 missing key `identity`, expected an absolute path, or "credential:" and a name (in [endpoint.serviceplatformen])"#,
            r#"14:8 `port` is 70000, expected a number from 1 to 65535 (in [endpoint.serviceplatformen])"#,
            r#"15:8 `user` is "KY SIMPELSFTP", expected an SFTP user (A-Z, a-z, 0-9, _, - and .) (in [endpoint.serviceplatformen])"#,
            r#"16:14 `passphrase` is something else, expected the absolute path of a file that holds it, or "credential:" and a name (in [endpoint.serviceplatformen])"#,
            r#"17:14 `host_keys` is "SHA256:short", expected at least one "SHA256:" and 43 characters of base64, each once (in [endpoint.serviceplatformen])"#,
            r#"17:84 `host_keys` holds "SHA256:INVENTED/REPLACE/ME/BY/THE/REAL/HOST/KEY/AA" twice, expected once (in [endpoint.serviceplatformen])"#,
            r#"18:7 `out` is "../OUT", expected a folder's name there, without . or .. and without a slash at its end (in [endpoint.serviceplatformen])"#,
            r#"19:1 unknown key `pol`, did you mean `poll`? (in [endpoint.serviceplatformen])"#,
            r#"20:11 `trigger` is "renam", expected "rename" or "write" (in [endpoint.serviceplatformen])"#,
            r#"22:1 `in` is the same folder as `out`, expected another one (in [endpoint.Other])"#,
            r#"22:11 the name "Other" in [endpoint.Other] is not fit, expected 1 to 32 characters out of a-z, 0-9 and -"#,
            r#"25:12 `identity` is "id_rsa", expected an absolute path, or "credential:" and a name (in [endpoint.Other])"#,
            r#"26:13 `host_keys` is an empty list, expected at least one "SHA256:" and 43 characters of base64, each once (in [endpoint.Other])"#,
            r#"28:1 unknown key `settle`, which belongs in [exchange.NAME] (in [endpoint.Other])"#,
            r#"31:12 `endpoint` refers to [endpoint.serviceplatform], which is not there, did you mean "serviceplatformen"? (in [exchange.sf2530])"#,
            r#"32:12 `transfer` is "managed", which this version does not have yet, expected "simple" (in [exchange.sf2530])"#,
            r#"35:9 `inbox` lies inside `outbox` in [exchange.sf2530], expected a folder of its own (in [exchange.sf2530])"#,
            r#"36:27 `municipalities` is "0752", expected "all", or a list of municipality codes such as ["0751", "0101"], each once (in [exchange.sf2530])"#,
            r#"36:35 `municipalities` holds "0751" twice, expected once (in [exchange.sf2530])"#,
            r#"38:15 `unfit_after` is not longer than `settle`, expected a time from 2s to 7d, longer than `settle`, such as "10m" (in [exchange.sf2530])"#,
            r#"39:18 `receipt_within` is "0s", expected a time from 1s to 7d, such as "30m" (in [exchange.sf2530])"#,
            r#"40:16 `reply_within` is "12 parsecs", expected a time from 1s to 60d, such as "12h" (in [exchange.sf2530])"#,
            r#"41:13 `end_guard` is "120%", expected a share from 0% to 100%, such as "20%" (in [exchange.sf2530])"#,
            r#"42:22 `hand_over_command` is "notify-send", expected a list of strings: a program by its absolute path, then its arguments; or an empty list (in [exchange.sf2530])"#,
        ],
    );
    assert!(!parse(text).unwrap_err().to_string().contains("hunter2"));
}

/// Line by line, so that a difference shows itself and not the whole list.
fn assert_lines(told: &[String], expected: &[&str]) {
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn broken_syntax_is_told_beside_other_mistakes_and_what_may_follow_from_it_is_not() {
    let text = "[store]\nurl = sqlite\n\n[folders]\nstate = \"/a\"\nstate = \"/b\"\nrun = 1\n";

    assert_lines(
        &told(text),
        &[
            "2:7 string values must be quoted, expected literal string",
            "6:1 `state` is here a second time, expected once",
            "7:7 `run` is 1, expected an absolute path of at most 94 bytes (in [folders])",
        ],
    );
}

#[test]
fn a_section_that_is_missing_or_no_table_is_told() {
    assert_lines(
        &told("store = 3\n[[endpoint]]\n[exchange]\nendpoint = \"x\"\n"),
        &[
            "file missing section [folders]",
            "1:1 `store` is 3, expected [store]",
            "2:3 `endpoint` is a list, expected [endpoint.NAME]",
            "4:12 `endpoint` in [exchange] is \"x\", expected [exchange.NAME]",
        ],
    );
}

#[test]
fn what_is_kept_is_the_houses_or_the_exchanges_own_and_files_go_first() {
    let with = |house: &str, own: &str| {
        let shipped = shipped::file().replace("#keep_archive = \"5y\"", own);
        parse(&shipped.replace("\n[retention]\n", &format!("\n[retention]\n{house}\n")))
    };
    let of = |settings: Settings| {
        let periods = settings.exchanges.values().next().unwrap().retention;
        [periods.archive, periods.journal, periods.register].map(|kept| kept.map(|kept| kept.to_string()))
    };
    let some = |text: &str| Some(text.to_owned());
    let house = "archive = \"1y\"\njournal = \"5y\"\n";

    assert_eq!(of(with("", "").unwrap()), [None, None, None]);
    assert_eq!(of(with(house, "").unwrap()), [some("1y"), some("5y"), None]);
    let own = "keep_archive = \"30d\"\nkeep_journal = \"forever\"\nkeep_register = \"18mo\"";
    assert_eq!(of(with(house, own).unwrap()), [some("30d"), None, some("18mo")]);

    let told = |house, own| told_one(&with(house, own).unwrap_err().mistakes[0]);
    let shorter = told("archive = \"5y\"\njournal = \"1y\"", "");
    assert!(
        shorter.ends_with(
            "`journal` is 1y, and shorter than `archive`, which is 5y: expected the same or longer (in [retention])"
        ),
        "{shorter}"
    );
    let for_ever = told("register = \"1y\"", "");
    assert!(for_ever.contains("shorter than `archive`, which is for ever"), "{for_ever}");
    let own = told(house, "keep_archive = \"10y\"");
    assert!(own.contains("`keep_journal` is 5y, and shorter than `keep_archive`, which is 10y"), "{own}");
}

#[test]
fn two_exchanges_never_share_a_folder() {
    let first = shipped::file();
    let exchange = first.split("[exchange.sf2530]").nth(1).unwrap();
    let second = format!("{first}\n[exchange.other]\n{}", exchange.replace("sluse/inbox", "sluse"));

    let told = told(&second).join("\n");

    assert!(told.contains("`outbox` is the same folder as `outbox` in [exchange.other]"), "{told}");
    assert!(told.contains("`inbox` lies inside `inbox` in [exchange.other]"), "{told}");
}

#[test]
fn two_exchanges_of_one_endpoint_never_share_a_municipality() {
    let shipped = shipped::file();
    let (before, exchange) = shipped.split_once("[exchange.sf2530]").unwrap();
    let exchange = exchange.split("\n# When a query is expected").next().unwrap();
    // The names are against the order of the file: the later one is told.
    let three = |first: &str, second: &str, third: &str, thirds_endpoint: &str| {
        let one = |name: &str, municipalities: &str, endpoint: &str| {
            exchange
                .replace("\nmunicipalities = \"all\"", &format!("\nmunicipalities = {municipalities}"))
                .replace("/sluse/", &format!("/{name}/"))
                .replace("\"serviceplatformen\"", &format!("\"{endpoint}\""))
        };
        let endpoint = before.split_once("[endpoint.serviceplatformen]").unwrap().1;
        let endpoint = endpoint.replace("\n#in = \"IN\"", "\nin = \"ANOTHER\"");
        assert!(endpoint.contains("ANOTHER"));
        format!(
            "{before}\n[endpoint.other]\n{endpoint}\n[exchange.z]\n{}\n[exchange.y]\n{}\n[exchange.x]\n{}",
            one("z", first, "serviceplatformen"),
            one("y", second, "serviceplatformen"),
            one("x", third, thirds_endpoint),
        )
    };
    let place = |text: &str, nth: usize| {
        let lines = text.lines().enumerate().filter(|(_, line)| line.starts_with("municipalities = "));
        let line = lines.map(|(index, _)| index + 1).nth(nth).unwrap();
        format!("{line}:18 `municipalities` holds")
    };
    let why = "on the same endpoint: their replies could not be told apart, expected each municipality in one \
               exchange of an endpoint";

    let overlapping = three(r#""all""#, r#"["0751", "0101"]"#, r#""all""#, "serviceplatformen");
    let apart = three(r#"["0101"]"#, r#"["0751"]"#, r#""all""#, "other");

    assert_lines(
        &told(&overlapping),
        &[
            &format!(r#"{} "0101", "0751", as in [exchange.z] {why} (in [exchange.y])"#, place(&overlapping, 1)),
            &format!(
                r#"{} "0101", "0147", "0151" and 95 more, as in [exchange.z] {why} (in [exchange.x])"#,
                place(&overlapping, 2)
            ),
            &format!(r#"{} "0101", "0751", as in [exchange.y] {why} (in [exchange.x])"#, place(&overlapping, 2)),
        ],
    );
    assert_eq!(parse(&apart).unwrap().exchanges.len(), 3);

    // Two names for one place are one endpoint, however it is written
    let alike = apart.replace("ANOTHER", "IN").replacen("sftp.serviceplatformen.dk", "SFTP.Serviceplatformen.dk", 1);
    let told = told(&alike).join("\n");
    assert_eq!(told.matches("on the same server, user and folder").count(), 2, "{told}");
}

#[test]
fn a_missing_file_or_one_open_to_others_is_a_mistake_where_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("key");
    let text = settings_in(folder.path(), identity.to_str().unwrap());
    let line = text.lines().position(|line| line.starts_with("identity")).unwrap() + 1;
    let check = || Settings::parse("f", &text, &nothing, Depth::Files);

    let missing = check().unwrap_err();
    fs::write(&identity, "key").unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o644)).unwrap();
    let open = check().unwrap_err();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    let right = check().unwrap();

    let shown = |mistakes: &Mistakes| mistakes.mistakes.iter().map(told_one).collect::<String>();
    let path = identity.display();
    assert_eq!(
        shown(&missing),
        format!(
            "{line}:12 `identity` names {path}, which cannot be looked at: there is no such file; expected a file \
             (in [endpoint.serviceplatformen])"
        )
    );
    assert!(shown(&open).contains("open to others (mode 0644), expected mode 0600"), "{open}");
    // State, run, outbox and inbox are made by the service, so that they are not there is only noted.
    let noted = right.notes.iter().filter(|note| note.message.contains("is not there yet")).count();
    assert_eq!(noted, 4, "{:?}", right.notes);
}

#[test]
fn a_credential_is_looked_for_where_the_service_has_it_and_only_there() {
    let folder = tempfile::tempdir().unwrap();
    let text = settings_in(folder.path(), "credential:sftp-key");
    let directory = folder.path().to_str().unwrap().to_owned();
    let service = move |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| directory.clone());

    let by_hand = Settings::parse("f", &text, &nothing, Depth::Files).unwrap();
    let missing = Settings::parse("f", &text, &service, Depth::Files).unwrap_err();
    fs::write(folder.path().join("sftp-key"), "key").unwrap();
    let right = Settings::parse("f", &text, &service, Depth::Files).unwrap();

    assert!(by_hand.notes.iter().any(|note| note.message.contains("only the service can see")));
    assert!(missing.to_string().contains("expected LoadCredential=sftp-key:"), "{missing}");
    let endpoint = right.endpoints.values().next().unwrap();
    assert_eq!(endpoint.identity, folder.path().join("sftp-key"));
}

#[test]
fn folders_with_personal_data_are_not_open_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    for (name, mode) in [("state", 0o755), ("outbox", 0o777), ("inbox", 0o755)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let text = settings_in(folder.path(), "credential:sftp-key");

    let mistakes = Settings::parse("f", &text, &nothing, Depth::Files).unwrap_err();

    let shown = mistakes.to_string();
    assert_eq!(mistakes.mistakes.len(), 2, "{shown}");
    assert!(shown.contains("state, which is open to others (mode 0755), expected mode 0700"), "{shown}");
    assert!(shown.contains("outbox, in which anyone can write (mode 0777)"), "{shown}");
    assert!(shown.contains("note: `inbox` is"), "{shown}");
}

#[test]
fn an_outbox_on_another_mount_than_the_state_is_only_noted() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    let outbox = folder.path().join("outbox");
    let text = settings_in(folder.path(), "credential:sftp-key")
        .replace(outbox.to_str().unwrap(), elsewhere.path().to_str().unwrap());

    let settings = Settings::parse("f", &text, &nothing, Depth::Files).unwrap();

    let spool = format!("claims go through {}", elsewhere.path().join(".spool").display());
    assert!(settings.notes.iter().any(|note| note.message.contains(&spool)), "{:?}", settings.notes);
}

#[test]
fn a_file_that_cannot_be_read_or_is_no_text_is_a_mistake_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluse.toml");
    let read = || Settings::read(&path, &nothing, Depth::Values).unwrap_err();

    let missing = read();
    fs::write(&path, b"[store]\nurl = \"\xff\"\n").unwrap();
    let binary = read();
    fs::write(&path, "#".repeat(300 * 1024)).unwrap();
    let long = read();

    assert!(missing.to_string().contains("the settings cannot be read: No such file"), "{missing}");
    assert_eq!(told_one(&binary.mistakes[0]), "2:8 this is not UTF-8, expected text in UTF-8");
    assert!(long.to_string().contains("longer than 256 KiB"), "{long}");
}

#[test]
fn the_shipped_file_has_no_mistake_and_says_what_the_program_does() {
    let settings = parse(&shipped::file()).unwrap();
    let endpoint = settings.endpoints.values().next().unwrap();
    let exchange = settings.exchanges.values().next().unwrap();

    assert_eq!(settings.folders.control_socket(), Path::new("/run/sluse/control.sock"));
    assert_eq!(settings.store.path, Path::new("/var/lib/sluse/sluse.db"));
    assert_eq!(endpoint.identity, Path::new("/run/credentials/sluse.service/sftp-key"));
    assert_eq!((endpoint.port, endpoint.poll, endpoint.trigger), (22, Duration::from_secs(60), TriggerWay::Rename));
    assert_eq!(exchange.municipalities.len(), 98);
    assert_eq!((exchange.end_guard.value(), exchange.amount_guard.value()), (20, 30));
    assert_eq!(exchange.reply_within, Duration::from_secs(12 * 3600));
    let calendar = settings.calendar.as_ref().unwrap();
    assert_eq!(calendar.payments, Payments::LastBankDay);
    assert_eq!(calendar.query_by.to_string(), "2 bank days before, 12:00");
    assert!(settings.alarm.command.is_empty() && settings.alarm.webhook.is_none());
    assert_eq!(settings.alarm.over_after, Duration::from_secs(60));
    assert_eq!(settings.notes.len(), 1, "{:?}", settings.notes);
    assert!(settings.notes[0].message.contains("holds an invented key"));
}

#[test]
fn the_defaults_that_the_shipped_file_shows_are_the_ones_that_hold() {
    let silent = parse(&shipped::file()).unwrap();
    let mut spoken = shipped::file();
    for key in table::SECTIONS.iter().flat_map(|section| section.keys) {
        if let key::Presence::Default { .. } = key.presence {
            spoken = spoken.replace(&format!("\n#{} = ", key.name), &format!("\n{} = ", key.name));
        }
    }

    assert_ne!(spoken, shipped::file());
    let said = parse(&spoken).unwrap();
    // Only what is written differs.
    assert_eq!(Settings { written: silent.written.clone(), ..said }, silent);
    // Optional keys as well are shown in a form that is read.
    let optional = ["passphrase", "layouts", "webhook", "repeat", "heartbeat"];
    let all = optional.iter().fold(spoken, |text, key| text.replace(&format!("\n#{key} = "), &format!("\n{key} = ")));
    let settings = parse(&all).unwrap();
    assert!(settings.alarm.webhook.is_some() && settings.alarm.repeat.is_some() && settings.alarm.heartbeat.is_some());
    assert!(settings.endpoints.values().all(|endpoint| endpoint.passphrase.is_some()));
    assert!(settings.exchanges.values().all(|exchange| exchange.layouts.is_some()));
}

#[test]
fn what_is_wrong_with_calendar_and_alarm_is_told_and_an_address_that_may_be_a_secret_is_not() {
    let text =
        shipped::file().replace("payments = \"last bank day\"", "payments = [2026-12-30, \"2026-12-30\", \"30.12.\"]");
    let text =
        text.replace("#query_from = \"5 bank days before, 08:00\"", "query_from = \"2 bank days before, 12:00\"");
    let text = text.replace("#service_windows = [", "service_windows = [\"daily 06:00-05:00\", ");
    let text = text.replace("#least = \"warning\"", "least = \"error\"");
    let text = text.replace("#webhook = \"https://", "webhook = \"ftp://hunter2.");
    let text = text.replace("#repeat = \"4h\"", "repeat = \"1s\"");

    let told = told(&text).join("\n");

    for words in [
        "`payments` holds 2026-12-30 behind a later date or itself",
        "`payments` is \"30.12.\", expected \"last bank day\"",
        "`query_from` is not earlier than `query_by`",
        "`service_windows` is \"daily 06:00-05:00\", expected a list of texts such as",
        "`least` is \"error\", expected \"warning\" or \"alarm\" (in [alarm])",
        "`webhook` is something else, expected an address",
        "`repeat` is \"1s\", expected a time from 1m to 30d",
    ] {
        assert!(told.contains(words), "{words} in {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let dates = "payments = [2026-12-30, \"2027-01-29\"]";
    let settings = parse(&shipped::file().replace("payments = \"last bank day\"", dates)).unwrap();
    assert_eq!(settings.calendar.unwrap().payments.end(), Some(jiff::civil::date(2027, 1, 29)));
    assert!(!format!("{:?}", Webhook::Address("https://hunter2.example".into())).contains("hunter2"));
}

#[test]
fn without_calendar_and_alarm_nothing_is_expected_and_nobody_told() {
    let text = shipped::file();
    let text = &text[..text.find("[calendar]").unwrap()];

    let settings = parse(text).unwrap();

    assert_eq!((settings.calendar, settings.alarm), (None, AlarmSettings::default()));
}

#[test]
fn who_is_told_is_known_also_where_the_rest_of_the_settings_is_no_toml() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sluse.toml");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        AlarmSettings::read(&path, &nothing)
    };
    let alarm = "[alarm]\ncommand = [\n    \"/usr/bin/mail\",\n    \"root\",\n]\nrepeat = \"4h\"\n";

    let broken = read(&format!("[store]\nurl = sqlite\n[store]\n{alarm}[folders\nx\n")).unwrap();
    fs::write(&path, "[store\n[folders]\nstate = \"/var/lib/sluse\"\n[alarm\n").unwrap();
    let folders = Folders::read(&path, &nothing).unwrap();
    let none = read("[store\n").unwrap();
    let wrong = read("[alarm]\ncommand = [\"mail\"]\n").unwrap_err();

    assert_eq!((broken.command.len(), broken.repeat), (2, Some(Duration::from_secs(4 * 3600))));
    assert_eq!(none, AlarmSettings::default());
    assert_eq!(folders.state, Path::new("/var/lib/sluse"));
    assert!(wrong.to_string().contains("`command` is \"mail\""), "{wrong}");
}

#[test]
fn no_setting_in_the_table_is_left_unread() {
    for section in table::SECTIONS {
        for key in section.keys {
            let wrong = format!("{} = {{ x = 1 }}", key.name);
            let heading =
                section.example_name.map_or(section.name.to_owned(), |name| format!("{}.{name}", section.name));
            let told = told(&format!("[{heading}]\n{wrong}\n")).join("\n");
            assert!(told.contains(&format!("2:{} `{}` is ", key.name.len() + 4, key.name)), "{told}");
        }
    }
}

#[test]
fn the_bounds_that_a_time_is_documented_with_are_the_ones_that_hold() {
    for (section, key) in table::SECTIONS.iter().flat_map(|section| section.keys.iter().map(move |key| (section, key)))
    {
        let Some(bounds) = key.expected.strip_prefix("a time from ") else { continue };
        let (least, rest) = bounds.split_once(" to ").unwrap();
        let most = rest.split_once(',').unwrap().0;
        let unfit = |time: &str| {
            let heading =
                section.example_name.map_or(format!("[{}]", section.name), |_| format!("[{}.x]", section.name));
            told(&format!("{heading}\n{} = \"{time}\"\n", key.name))
                .iter()
                .any(|told| told.contains(&format!("`{}` is \"", key.name)))
        };
        assert!(unfit(&format!("{most} 1s")) && unfit("0.9s"), "{}", key.name);
        // `unfit_after` is longer than `settle`, which has its default of 10 s here.
        assert!(!unfit(most) && (key.name == "unfit_after" || !unfit(least)), "{}", key.name);
    }
}

#[test]
fn a_page_that_other_machines_reach_needs_a_token_and_without_a_place_to_listen_there_is_none() {
    let page = |lines: &str| format!("{}\n[page]\n{lines}\n", shipped::file().replace("\n[page]\n", "\n"));
    let read = |lines: &str| parse(&page(lines)).unwrap().page;

    assert_eq!(read(""), None);
    assert_eq!(parse(&shipped::file().replace("\n[page]\n", "\n")).unwrap().page, None);
    let listen = |text: &str| text.parse::<Listen>().unwrap();
    let local = PageSettings { listen: listen("127.0.0.1:8530"), token: None };
    assert_eq!(read("listen = \"127.0.0.1:8530\""), Some(local));
    let token = PathBuf::from("/run/credentials/sluse.service/page-token");
    let open = PageSettings { listen: listen("192.0.2.7:8530"), token: Some(token) };
    assert_eq!(read("listen = \"192.0.2.7:8530\"\ntoken = \"credential:page-token\""), Some(open));
    let told = told(&page("listen = \"0.0.0.0:8530\""));
    assert!(
        told[0].ends_with("`listen` is an address that other machines reach, expected a `token` beside it (in [page])"),
        "{told:?}"
    );
}

/// The generated documents and where they are kept.
#[test]
fn the_shipped_file_and_the_reference_are_as_the_table_of_settings_makes_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (path, made) in [("config/sluse.toml", shipped::file()), ("docs/settings.md", shipped::reference())] {
        if std::env::var_os("SLUSE_UPDATE").is_some() {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), &made).unwrap();
        }
        let kept = fs::read_to_string(root.join(path)).unwrap_or_default();
        assert!(kept == made, "{path} is not as the table makes it; write it anew by SLUSE_UPDATE=1 cargo test config");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let _ = parse(&text).map_err(|mistakes| mistakes.to_string());
    }

    /// Pieces of real settings in any order are more likely to get far.
    #[test]
    fn no_shuffled_settings_make_the_reader_panic(
        pieces in proptest::collection::vec(prop_oneof![
            "[\\[\\]\\.\"'=,{}#\n æ\u{0}-\u{20}]{0,6}",
            proptest::sample::select(shipped::file().split_inclusive([' ', '=', '\n', ']', '"']).map(str::to_owned).collect::<Vec<_>>()),
        ], 0..60)
    ) {
        let _ = parse(&pieces.concat()).map_err(|mistakes| mistakes.to_string());
    }

    /// One change in a good file: what comes out is settings, or mistakes with a place in the file.
    #[test]
    fn one_wrong_character_is_told_inside_the_file(at in 0usize..10_000, wrong in any::<char>()) {
        let good = shipped::file();
        let at = at % good.chars().count();
        let text: String = good.chars().enumerate().map(|(i, c)| if i == at { wrong } else { c }).collect();
        if let Err(mistakes) = parse(&text) {
            prop_assert!(!mistakes.mistakes.is_empty());
            for spot in mistakes.mistakes.iter().filter_map(|mistake| mistake.place.spot.as_ref()) {
                prop_assert!((1..=text.lines().count() + 1).contains(&spot.line));
            }
        }
    }
}
