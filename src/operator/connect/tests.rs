//! Every thing that a check can find, and what is said of it. Invented servers.

use super::*;
use crate::transport::sftp::probe::Findings;

const OLD: &str = "SHA256:Nh0Me49Zh9fDw/VYUfq43IJmI1T+XrjiYONPND8GzaM";
const NEW: &str = "SHA256:uNiVztksCsDhcc0u9e8BrvJMTy7qGYfyGIVVhk9XUt8";

fn offers() -> Offers {
    Offers { posix_rename: true, fsync: true, limits: true, statvfs: true }
}

fn sound() -> Findings {
    Findings {
        step: "saying good-bye",
        host_key: Some(OLD.into()),
        session: Some(Ok(Duration::from_millis(210))),
        offers: Some(offers()),
        round_trip: Some(Duration::from_micros(20_340)),
        room: Some(12_345_678_901),
        left_over: Some(Ok(false)),
        written: Some(Ok(())),
        written_at: Some(1_790_000_000),
        renamed: Some(Ok(())),
        removed: Some(Ok(())),
        in_listed: Some(Ok(Listing::default())),
        out_listed: Some(Ok(Listing::default())),
    }
}

fn check(found: Findings) -> FarCheck {
    FarCheck {
        endpoint: "serviceplatformen".parse().unwrap(),
        host: "sftp.example.dk".into(),
        port: 22,
        user: "KY_SIMPELSFTP".into(),
        trigger: TriggerWay::Rename,
        host_keys: vec![OLD.into()],
        identity: Ok("SHA256:our (ssh-ed25519)".into()),
        found,
        is_out_of_time: false,
        clock_ahead_seconds: Some(0),
        in_out: Pending::default(),
        in_in: Pending { ours: 3, foreign: 1_200 },
    }
}

fn of(check: &FarCheck, what: &str) -> Line {
    lines(check).into_iter().find(|line| line.what == what).unwrap_or_else(|| panic!("no line of {what}"))
}

#[test]
fn a_sound_far_side_is_fine_and_says_what_is_not_tried() {
    let check = check(sound());

    assert!(is_fine(std::slice::from_ref(&check)));
    let shown = show(&[check], Look::PLAIN, &Called::with(None));
    assert!(
        shown.starts_with("\nEndpoint serviceplatformen: sftp.example.dk, port 22, user KY_SIMPELSFTP\n"),
        "{shown}"
    );
    for line in [
        "  ok         reach       connected and logged in within 210.0 ms.\n",
        "  ok         list IN     3 files of ours, 1,200 for others.\n",
        "  not tried  remove IN   whether files may be removed from IN, because that cannot be tried without\n",
        "  note       extensions  posix-rename, fsync, limits, statvfs.\n",
        "  note       room        OUT has room for 12,345 MB.\n",
        "  note       answer in   20.3 ms.\n",
    ] {
        assert!(shown.contains(line), "{line}{shown}");
    }
}

#[test]
fn a_strange_host_key_is_told_beside_the_old_one_with_the_line_to_write_and_a_warning() {
    let found = vec![ShownHostKey { fingerprint: NEW.into(), algorithm: "ssh-ed25519".into() }];
    let session = Some(Err(Trouble::HostKey { found, pinned: vec![OLD.into()] }));
    let check = check(Findings { session, ..Findings::default() });

    let line = of(&check, "host key");
    assert_eq!(line.copy, Some(format!("host_keys = [\"{OLD}\", \"{NEW}\"]")));
    assert!(line.said.contains(OLD) && line.said.contains(NEW), "{line:?}");
    assert!(line.to_do.unwrap().contains("by telephone"));
    let shown = show(&[check], Look::PLAIN, &Called::with(None));
    assert!(shown.contains(&format!("\n      host_keys = [\"{OLD}\", \"{NEW}\"]\n")), "not wrapped: {shown}");
}

#[test]
fn whatever_a_transfer_needs_and_is_not_there_is_wrong_and_has_a_next_step() {
    let refused = || Trouble::Refused("permission denied".into());
    let none = Findings::default;
    let table: Vec<(&str, Findings)> = vec![
        ("reach", Findings { session: Some(Err(Trouble::Unreachable("no address for x".into()))), ..none() }),
        ("reach", Findings { session: Some(Err(Trouble::Refused("this login may not use SFTP".into()))), ..none() }),
        ("reach", none()),
        ("login", Findings { session: Some(Err(Trouble::Login("the server does not take it".into()))), ..none() }),
        ("list IN", Findings { in_listed: Some(Err(refused())), ..sound() }),
        ("write", Findings { written: Some(Err(refused())), renamed: None, removed: None, ..sound() }),
        ("remove", Findings { removed: Some(Err(refused())), ..sound() }),
    ];
    for (what, found) in table {
        let check = check(found);
        let line = of(&check, what);
        assert!(line.verdict == Verdict::Wrong && line.to_do.is_some(), "{line:?}");
        assert!(!is_fine(&[check]), "{line:?}");
    }
    let unread =
        FarCheck { identity: Err("cannot read the key file /run/credentials/sluse.service/k".into()), ..check(none()) };
    assert!(of(&unread, "identity").copy.unwrap().starts_with("systemd-run "));
    let slow = FarCheck { is_out_of_time: true, ..check(Findings { step: "listing IN", ..sound() }) };
    assert!(of(&slow, "time").said.contains("while it was listing IN") && !is_fine(&[slow]));
}

#[test]
fn what_only_makes_it_slower_or_later_is_a_note() {
    let refused = || Some(Err(Trouble::Refused("permission denied".into())));
    let plain = Offers::default();
    let table: Vec<(&str, Findings, &str)> = vec![
        ("rename", Findings { renamed: refused(), ..sound() }, "written under its final name"),
        ("rename", Findings { renamed: None, offers: Some(plain), ..sound() }, "no posix-rename"),
        ("extensions", Findings { offers: Some(plain), ..sound() }, "none of those that Sluse uses"),
        ("list OUT", Findings { out_listed: Some(Err(Trouble::Refused("no".into()))), ..sound() }, "no transfer needs"),
        ("left over", Findings { left_over: Some(Ok(true)), ..sound() }, "was removed"),
        ("left over", Findings { removed: None, ..sound() }, "may lie in OUT"),
        ("remove", Findings { removed: Some(Err(Trouble::Missing)), ..sound() }, "another check"),
    ];
    for (what, found, words) in table {
        let check = check(found);
        let line = of(&check, what);
        assert!(line.verdict == Verdict::Note && line.said.contains(words), "{line:?}");
        assert!(is_fine(&[check]), "{line:?}");
    }
    let late = FarCheck { clock_ahead_seconds: Some(-125), ..check(sound()) };
    assert_eq!(of(&late, "clock").said, "the server's is 125 seconds behind ours");
    let writing = FarCheck { trigger: TriggerWay::Write, ..check(sound()) };
    assert!(of(&writing, "rename").said.contains("`trigger` says \"write\""));
}
