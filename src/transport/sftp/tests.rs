//! The verbs against servers that OpenSSH is not: each test plays the server by hand, packet by packet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cut::{Cuttable, Leftover};
use super::flight::Flight;
use super::pace::Pace;
use super::session::{Folders, SftpSession};
use super::wire::Wire;
use crate::transport::{FarSide, Folder, RemotePath, Trouble};

const INIT: u8 = 1;
const OPEN: u8 = 3;
const CLOSE: u8 = 4;
const READ: u8 = 5;
const WRITE: u8 = 6;
const LSTAT: u8 = 7;
const FSTAT: u8 = 8;
const OPENDIR: u8 = 11;
const READDIR: u8 = 12;
const REMOVE: u8 = 13;
const STAT: u8 = 17;
const EXTENDED: u8 = 200;

const STATUS: u8 = 101;
const HANDLE: u8 = 102;
const DATA: u8 = 103;
const NAME: u8 = 104;
const ATTRS: u8 = 105;
const EXTENDED_REPLY: u8 = 201;

const OK: u32 = 0;
const EOF: u32 = 1;
const NO_SUCH_FILE: u32 = 2;
const FAILURE: u32 = 4;
const CONNECTION_LOST: u32 = 7;
const OP_UNSUPPORTED: u32 = 8;
/// A code of SFTP's later drafts, which some servers send in version 3, too.
const QUOTA_EXCEEDED: u32 = 15;

/// A deadline that nothing here reaches.
const PATIENT: Duration = Duration::from_secs(60);
/// A deadline for a server that says nothing.
const SHORT: Duration = Duration::from_millis(200);

/// What a server answers to a request, given its kind and what follows the request id; none: it says nothing.
type Answer = Option<(u8, Vec<u8>)>;

fn status(code: u32) -> Answer {
    status_with_words(code, "words")
}

fn status_with_words(code: u32, words: &str) -> Answer {
    Some((STATUS, [&code.to_be_bytes()[..], &string(words.as_bytes()), &string(b"en")].concat()))
}

fn handle(bytes: &[u8]) -> Answer {
    Some((HANDLE, string(bytes)))
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

/// The offset and the length that a READ asks for; its handle is one byte here.
fn asked(read: &[u8]) -> (usize, usize) {
    let offset = u64::from_be_bytes(read[5..13].try_into().unwrap());
    let length = u32::from_be_bytes(read[13..17].try_into().unwrap());
    (offset as usize, length as usize)
}

/// What OpenSSH and its kin offer.
const PLAIN: [&str; 3] = ["posix-rename@openssh.com", "fsync@openssh.com", "limits@openssh.com"];

/// The limits that OpenSSH tells, if it is them that are asked for.
fn limits(kind: u8, body: &[u8]) -> Answer {
    let told = [262_144_u64, 261_120, 261_120, 1000].map(u64::to_be_bytes).concat();
    (kind == EXTENDED && body.ends_with(b"limits@openssh.com")).then_some((EXTENDED_REPLY, told))
}

/// The attributes of a regular file, or of which nothing but the size is told.
fn size(bytes: u64) -> Answer {
    Some((ATTRS, [&1u32.to_be_bytes()[..], &bytes.to_be_bytes()].concat()))
}

/// A page of a listing with one regular file in it.
fn page_of(name: &str) -> Answer {
    let size_alone = [1u32.to_be_bytes().to_vec(), 5u64.to_be_bytes().to_vec()].concat();
    Some((NAME, [1u32.to_be_bytes().to_vec(), string(name.as_bytes()), string(b"-rw"), size_alone].concat()))
}

/// A server whose listings name the same again and again.
fn endless_pages_of(name: &'static str) -> impl FnMut(u8, &[u8]) -> Answer + Send + 'static {
    move |kind, _| match kind {
        OPENDIR => handle(b"h"),
        READDIR => page_of(name),
        _ => status(OK),
    }
}

/// A session with a server that offers these extensions and answers like this. The server's task returns the
/// kinds of the requests that it saw.
async fn session_with(
    extensions: &[&str],
    deadline: Duration,
    mut answer: impl FnMut(u8, &[u8]) -> Answer + Send + 'static,
) -> (SftpSession, JoinHandle<Vec<u8>>) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let mut hello = 3u32.to_be_bytes().to_vec();
    for extension in extensions {
        hello.extend([string(extension.as_bytes()), string(b"1")].concat());
    }
    let server = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some((kind, body)) = packet(&mut far).await {
            if kind == INIT {
                send(&mut far, 2, &hello).await;
                continue;
            }
            seen.push(kind);
            if let Some((answer_kind, answer_body)) = answer(kind, &body[4..]) {
                send(&mut far, answer_kind, &[&body[..4], &answer_body[..]].concat()).await;
            }
        }
        seen
    });
    let cut = CancellationToken::new();
    let tasks = TaskTracker::new();
    let stream = Cuttable::new(near, &cut, Leftover::Read, tasks.token());
    let session = SftpSession {
        wire: Wire::over(stream, cut.clone(), deadline, Arc::new(Flight::new())).await.unwrap(),
        more: OnceCell::new(),
        folders: Folders { out: "OUT".to_owned(), r#in: "/".to_owned() },
        connection: None,
        tasks,
        _cut_on_drop: cut.drop_guard(),
    };
    (session, server)
}

async fn packet(stream: &mut DuplexStream) -> Option<(u8, Vec<u8>)> {
    let length = stream.read_u32().await.ok()?;
    let kind = stream.read_u8().await.ok()?;
    let mut body = vec![0; length as usize - 1];
    stream.read_exact(&mut body).await.ok()?;
    Some((kind, body))
}

async fn send(stream: &mut DuplexStream, kind: u8, body: &[u8]) {
    let packet = [&(body.len() as u32 + 1).to_be_bytes()[..], &[kind], body].concat();
    // The client may be gone already.
    let _ = stream.write_all(&packet).await;
}

fn path(name: &str) -> RemotePath {
    RemotePath { folder: Folder::Out, name: name.parse().unwrap() }
}

async fn is_spent(session: &SftpSession) -> bool {
    matches!(session.size(&path("any")).await, Err(Trouble::Unreachable(_)))
}

#[tokio::test]
async fn a_status_of_a_later_draft_leaves_the_outcome_uncertain_and_ends_the_session() {
    let (session, _server) = session_with(&[], PATIENT, |_, _| status(QUOTA_EXCEEDED)).await;

    let removed = session.remove(&path("part")).await;

    assert!(matches!(removed, Err(Trouble::Uncertain(_))), "{removed:?}");
    assert!(is_spent(&session).await);
}

#[tokio::test]
async fn a_gateway_that_lost_its_own_connection_has_not_refused() {
    let (session, _server) = session_with(&["posix-rename@openssh.com"], PATIENT, |_, _| status(CONNECTION_LOST)).await;

    let renamed = session.rename(&path("part"), &path("final")).await;

    assert!(matches!(renamed, Err(Trouble::Uncertain(_))), "{renamed:?}");
    assert!(is_spent(&session).await);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_leaves_the_outcome_uncertain() {
    let (session, _server) = session_with(&["posix-rename@openssh.com"], PATIENT, |_, _| handle(b"h")).await;

    let renamed = session.rename(&path("part"), &path("final")).await;

    assert!(matches!(renamed, Err(Trouble::Uncertain(_))), "{renamed:?}");
}

#[tokio::test]
async fn a_missing_file_is_only_believed_once_its_folder_was_seen() {
    let answers = [
        ((ATTRS, [4u32.to_be_bytes(), 0o040_755u32.to_be_bytes()].concat()), "missing"),
        ((ATTRS, [4u32.to_be_bytes(), 0o100_644u32.to_be_bytes()].concat()), "refused"),
        (status(NO_SUCH_FILE).unwrap(), "refused"),
    ];
    for (folder, expected) in answers {
        let answer = move |kind, _: &[u8]| if kind == STAT { Some(folder.clone()) } else { status(NO_SUCH_FILE) };
        let (session, server) = session_with(&[], PATIENT, answer).await;

        let removed = session.remove(&path("part")).await;

        match expected {
            "missing" => assert_eq!(removed, Err(Trouble::Missing)),
            _ => assert!(matches!(removed, Err(Trouble::Refused(_))), "{removed:?}"),
        }
        drop(session);
        assert_eq!(server.await.unwrap(), [REMOVE, STAT]);
    }
    let answer = |kind, _: &[u8]| if kind == STAT { None } else { status(NO_SUCH_FILE) };
    let (session, _server) = session_with(&[], SHORT, answer).await;
    let removed = session.remove(&path("part")).await;
    assert!(matches!(removed, Err(Trouble::Uncertain(_))), "{removed:?}");
}

#[tokio::test]
async fn a_rename_between_folders_never_says_which_name_is_missing() {
    let (session, server) = session_with(&["posix-rename@openssh.com"], PATIENT, |_, _| status(NO_SUCH_FILE)).await;

    let renamed = session.rename(&path("part"), &RemotePath { folder: Folder::In, ..path("final") }).await;

    assert!(matches!(renamed, Err(Trouble::Refused(_))), "{renamed:?}");
    drop(session);
    assert_eq!(server.await.unwrap(), [EXTENDED], "one request");
}

#[tokio::test]
async fn a_server_that_answers_reads_with_less_is_read_whole() {
    let content: Vec<u8> = (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (at_a_time, extensions) in [(10_000, &PLAIN[..0]), (32_767, &PLAIN), (100_000, &PLAIN), (1 << 20, &PLAIN)] {
        let there = content.clone();
        let (session, _server) = session_with(extensions, PATIENT, move |kind, body| match kind {
            OPEN => handle(b"h"),
            READ => {
                let (offset, length) = asked(body);
                let rest = there.get(offset..).unwrap_or_default();
                let part = &rest[..rest.len().min(length).min(at_a_time)];
                if part.is_empty() { status(EOF) } else { Some((DATA, string(part))) }
            }
            EXTENDED => limits(kind, body),
            _ => status(OK),
        })
        .await;

        let mut sink = Vec::new();
        let read = session.read(&path("reply"), u64::MAX, &mut sink).await;

        assert_eq!(read, Ok(300_000), "{at_a_time} at a time");
        assert!(sink == content, "{at_a_time} at a time");
    }
}

#[tokio::test]
async fn a_server_that_answers_reads_with_nothing_or_too_much_is_not_read_for_ever() {
    for length in [0, 100_000] {
        let (session, _server) = session_with(&[], PATIENT, move |kind, _| match kind {
            OPEN => handle(b"h"),
            READ => Some((DATA, string(&vec![0; length]))),
            _ => status(OK),
        })
        .await;

        let mut sink = tokio::io::sink();
        let read = tokio::time::timeout(PATIENT / 6, session.read(&path("reply"), u64::MAX, &mut sink)).await;

        assert!(matches!(read, Ok(Err(Trouble::Uncertain(_)))), "{read:?}");
    }
}

/// More than one byte at a time can ever come to.
const BRISK: Pace = Pace { bytes_per_second: 1 << 30, window: SHORT };

#[tokio::test]
async fn a_download_of_one_byte_at_a_time_is_given_up_with_the_session() {
    let (mut session, _server) = session_with(&[], PATIENT, |kind, _| match kind {
        OPEN => handle(b"h"),
        READ => Some((DATA, string(b"x"))),
        _ => status(OK),
    })
    .await;
    session.wire.pace = BRISK;

    let mut sink = tokio::io::sink();
    let read = tokio::time::timeout(PATIENT / 6, session.read(&path("reply"), u64::MAX, &mut sink)).await;

    assert!(matches!(&read, Ok(Err(Trouble::Uncertain(why))) if why.contains("bytes a second")), "{read:?}");
    assert!(is_spent(&session).await);
}

#[tokio::test]
async fn an_upload_of_one_byte_at_a_time_is_given_up_with_the_session() {
    let (mut session, _server) = session_with(&[], PATIENT, |kind, _| match kind {
        OPEN => handle(b"h"),
        _ => status(OK),
    })
    .await;
    session.wire.pace = BRISK;
    // What a server may ask for by its limits.
    session.wire.write_chunk = 1;

    let mut source = tokio::io::repeat(b'x');
    let written = tokio::time::timeout(PATIENT / 6, session.write(&path("query"), &mut source)).await;

    assert!(matches!(&written, Ok(Err(Trouble::Uncertain(why))) if why.contains("bytes a second")), "{written:?}");
    assert!(is_spent(&session).await);
}

#[tokio::test]
async fn a_handle_that_is_not_text_is_noticed_before_it_is_used() {
    let (session, server) = session_with(&[], PATIENT, |_, _| handle(b"\0\0\0\xff")).await;

    let written = session.write(&path("query"), &mut &b"x"[..]).await;

    assert!(matches!(written, Err(Trouble::Uncertain(_))), "{written:?}");
    drop(session);
    assert_eq!(server.await.unwrap(), [OPEN], "no request went out with a garbled handle");
}

#[tokio::test]
async fn a_sync_that_is_offered_and_not_supported_does_not_fail_the_write() {
    let (session, server) = session_with(&["fsync@openssh.com"], PATIENT, |kind, _| match kind {
        OPEN => handle(b"h"),
        EXTENDED => status(OP_UNSUPPORTED),
        _ => status(OK),
    })
    .await;

    assert_eq!(session.write(&path("query"), &mut &b"x"[..]).await, Ok(1));
    drop(session);
    assert_eq!(server.await.unwrap(), [OPEN, WRITE, EXTENDED, CLOSE]);
}

#[tokio::test]
async fn a_small_file_is_written_synced_measured_and_closed_in_one_go_where_the_order_is_kept() {
    let nothing_after_the_open = |kind, body: &[u8]| if kind == OPEN { handle(b"h") } else { limits(kind, body) };
    for (extensions, expected) in
        [(&PLAIN[..], &[EXTENDED, OPEN, WRITE, EXTENDED, FSTAT, CLOSE][..]), (&PLAIN[..2], &[OPEN, WRITE])]
    {
        let (session, server) = session_with(extensions, SHORT, nothing_after_the_open).await;

        let written = session.write(&path("query"), &mut &b"x"[..]).await;

        assert!(matches!(written, Err(Trouble::Uncertain(_))), "{written:?}");
        drop(session);
        assert_eq!(server.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_request_that_fails_in_one_go_with_others_leaves_the_write_uncertain() {
    for failing in [WRITE, EXTENDED, CLOSE] {
        let (session, _server) = session_with(&PLAIN, PATIENT, move |kind, body| match kind {
            OPEN => handle(b"h"),
            FSTAT => size(1),
            _ if kind == failing => limits(kind, body).or_else(|| status(FAILURE)),
            _ => limits(kind, body).or_else(|| status(OK)),
        })
        .await;

        let written = session.write(&path("query"), &mut &b"x"[..]).await;

        assert!(matches!(written, Err(Trouble::Uncertain(_))), "{failing}: {written:?}");
        assert!(is_spent(&session).await);
    }
}

#[tokio::test]
async fn what_is_written_is_measured_on_the_way_or_else_by_its_name() {
    for (on_the_way, expected) in [(size(7), 7), (status(OP_UNSUPPORTED), 9)] {
        let (session, _server) = session_with(&PLAIN, PATIENT, move |kind, body| match kind {
            OPEN => handle(b"h"),
            FSTAT => on_the_way.clone(),
            LSTAT => size(9),
            _ => limits(kind, body).or_else(|| status(OK)),
        })
        .await;

        assert_eq!(session.write_and_measure(&path("query"), &mut &b"x"[..]).await, Ok(expected));
    }
}

#[tokio::test]
async fn a_written_file_whose_size_is_refused_is_not_taken_for_one_that_was_refused() {
    let (session, _server) = session_with(&[], PATIENT, |kind, _| match kind {
        OPEN => handle(b"h"),
        LSTAT => status(FAILURE),
        _ => status(OK),
    })
    .await;

    let measured = session.write_and_measure(&path("query"), &mut &b"x"[..]).await;

    assert!(matches!(measured, Err(Trouble::GaveUp(_))), "{measured:?}");
}

#[tokio::test]
async fn a_listing_with_pages_in_flight_is_whole() {
    for count in [0, 1, 2, 3, 100] {
        let mut pages = (0..count).map(|i| format!("reply-{i}"));
        let (session, _server) = session_with(&PLAIN, PATIENT, move |kind, body| match kind {
            OPENDIR => handle(b"h"),
            READDIR => pages.next().map_or_else(|| status(EOF), |name| page_of(&name)),
            _ => limits(kind, body).or_else(|| status(OK)),
        })
        .await;

        let listing = session.list(Folder::In, 1_000).await.unwrap();

        let names: Vec<String> = listing.files.iter().map(|file| file.name.to_string()).collect();
        assert_eq!(names, (0..count).map(|i| format!("reply-{i}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_close_that_fails_leaves_the_write_uncertain() {
    let (session, _server) = session_with(&[], PATIENT, |kind, _| match kind {
        OPEN => handle(b"h"),
        CLOSE => status(FAILURE),
        _ => status(OK),
    })
    .await;

    let written = session.write(&path("query"), &mut &b"x"[..]).await;

    assert!(matches!(written, Err(Trouble::Uncertain(_))), "{written:?}");
}

#[tokio::test]
async fn a_listing_that_never_ends_is_given_up() {
    let (session, _server) = session_with(&[], PATIENT, endless_pages_of("file")).await;

    let listing = session.list(Folder::In, 1_000).await;

    assert!(matches!(listing, Err(Trouble::GaveUp(_))), "{listing:?}");
}

#[tokio::test]
async fn a_listing_that_names_nothing_for_ever_is_given_up() {
    for idle in [".", ".."] {
        let (session, server) = session_with(&[], PATIENT, endless_pages_of(idle)).await;

        let listing = tokio::time::timeout(PATIENT / 6, session.list(Folder::In, 500_000)).await;

        assert!(matches!(listing, Ok(Err(Trouble::GaveUp(_)))), "{listing:?}");
        drop(session);
        let asked = server.await.unwrap().into_iter().filter(|kind| *kind == READDIR).count();
        assert!(asked < 20, "{asked} pages");
    }
}

#[tokio::test]
async fn the_folder_and_the_one_above_on_pages_of_their_own_do_not_end_a_listing() {
    let mut pages = [".", "..", "reply"].into_iter();
    let (session, _server) = session_with(&[], PATIENT, move |kind, _| match kind {
        OPENDIR => handle(b"h"),
        READDIR => pages.next().map_or_else(|| status(EOF), page_of),
        _ => status(OK),
    })
    .await;

    let listing = session.list(Folder::In, 1).await.unwrap();

    assert_eq!(listing.files.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(), ["reply"]);
}

#[tokio::test]
async fn a_listing_has_a_deadline_as_a_whole_however_quick_each_answer_is() {
    let (mut session, _server) = session_with(&[], PATIENT, endless_pages_of("file")).await;
    session.wire.listing = SHORT;

    let listing = tokio::time::timeout(PATIENT / 6, session.list(Folder::In, usize::MAX)).await;

    assert!(matches!(listing, Ok(Err(Trouble::Uncertain(_)))), "{:?}", listing.map(|listing| listing.err()));
    assert!(is_spent(&session).await);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_deadline() {
    let (session, server) = session_with(&[], SHORT, |_, _| None).await;
    let began = Instant::now();

    let written = session.write(&path("query"), &mut &b"x"[..]).await;

    assert!(matches!(written, Err(Trouble::Uncertain(_))), "{written:?}");
    assert!(began.elapsed() >= SHORT);
    assert!(is_spent(&session).await);
    session.close().await;
    assert_eq!(server.await.unwrap(), [OPEN], "nothing was sent after the deadline");
}

#[tokio::test]
async fn a_servers_words_never_show_a_cpr_number_a_control_character_or_a_long_text() {
    // The number stands where a cut before the masking would leave nine of its digits.
    let long = format!("{} 0707614285 {}", "æ".repeat(190), "x".repeat(10_000));
    for (words, shown) in [
        ("no room for 0707614285.txt", "no room for 070761xxxx.txt".to_owned()),
        ("\u{1b}[2Jdisk\r\nfull\u{202e}: 070761-4285\0", "[2Jdisk  full : 070761-xxxx".to_owned()),
        (&long, format!("{} 070761xxx…", "æ".repeat(190))),
    ] {
        let owned = words.to_owned();
        let (session, _server) = session_with(&[], PATIENT, move |_, _| status_with_words(FAILURE, &owned)).await;

        let removed = session.remove(&path("query")).await;

        let Err(Trouble::Refused(said)) = removed else { panic!("{removed:?}") };
        assert_eq!(said, format!("Failure: {shown}"));
    }
}
