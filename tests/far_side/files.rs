//! Files that lie, alone or beside each other: names, markup, sizes, kinds. Each stays where it is.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use sluse::domain::envelope::FileMetadata;

use super::scene::{Case, Ends, Scene};
use crate::rig::{sorted_names, until};

/// A gigabyte in which nothing stands.
const GIGABYTE: u64 = 1 << 30;
/// So much takes long enough to be read for somebody to write to it meanwhile.
const LONG: u64 = 128 << 20;

const DATA: &[u8] = b"a reply, or what looks like one";

const ASK_UDK: &str = "asks the hub's operator or UDK for it once more";
const NOTHING: &str = "nothing";
const LOOK: &str = "nothing; if it should be ours, asks the sender for its right name";

const fn not_taken(comes: &'static str, steps: &'static [fn(&Scene<'_>)], words: &'static str) -> Case {
    Case { comes, steps, ends: Ends::NotTaken(words), foreign: 0, person: ASK_UDK }
}

const fn left_alone(comes: &'static str, foreign: u64, steps: &'static [fn(&Scene<'_>)]) -> Case {
    Case { comes, steps, ends: Ends::LeftAlone, foreign, person: LOOK }
}

/// Data with metadata in which one text was exchanged for another.
fn with_metadata(scene: &Scene<'_>, from: &str, to: &str) {
    let text = scene.metadata_text(&scene.stray(), DATA.len() as u64);
    assert!(text.contains(from), "{text}");
    scene.put_with(&scene.stray(), DATA, text.replacen(from, to, 1).as_bytes());
}

fn with_name(scene: &Scene<'_>, name: &str) {
    with_metadata(scene, &scene.stray(), name);
}

fn with_size(scene: &Scene<'_>, size: &str) {
    with_metadata(scene, &format!("<SizeInBytes>{}<", DATA.len()), &format!("<SizeInBytes>{size}<"));
}

fn with_document_type(scene: &Scene<'_>, document_type: &str, sender: &str) {
    let text = scene.metadata_text(&scene.stray(), DATA.len() as u64);
    let text = text.replacen("<ns2:", &format!("{document_type}<ns2:"), 1);
    let text = text.replacen("UDK_DEBITOR", sender, 1);
    scene.put_with(&scene.stray(), DATA, text.as_bytes());
}

fn nested(depth: usize) -> String {
    "<a>".repeat(depth) + &"</a>".repeat(depth)
}

/// Ten entities, each ten times the one before.
fn bomb() -> String {
    let line = |n: u32| format!("<!ENTITY e{} \"{}\">", n + 1, format!("&e{n};").repeat(10));
    format!("<!DOCTYPE t [<!ENTITY e0 \"0123456789\">{}]>", (0..9).map(line).collect::<String>())
}

fn outside(scene: &Scene<'_>, change: impl FnOnce(FileMetadata) -> FileMetadata) {
    let metadata = change(scene.metadata(&scene.stray(), DATA.len() as u64));
    scene.put_with(&scene.stray(), DATA, &metadata.to_xml());
}

pub const METADATA: &[Case] = &[
    not_taken(
        "metadata that names a file one folder up: `../…`",
        &[|scene| with_name(scene, &format!("../{}", scene.stray()))],
        "does not hold a file name",
    ),
    not_taken(
        "metadata that names a file by its whole path: `/etc/passwd`",
        &[|scene| with_name(scene, "/etc/passwd")],
        "does not hold a file name",
    ),
    not_taken(
        "metadata whose file name has a slash in it",
        &[|scene| with_name(scene, &format!("IN/{}", scene.stray()))],
        "does not hold a file name",
    ),
    not_taken(
        "metadata whose file name has a zero byte in it",
        &[|scene| with_name(scene, "BETADM\0.txt")],
        "does not hold a file name",
    ),
    not_taken(
        "metadata whose file name has a zero byte in it, written as `&#0;`",
        &[|scene| with_name(scene, "BETADM&#0;.txt")],
        "not well-formed XML",
    ),
    not_taken(
        "metadata whose file name is 5,000 characters long",
        &[|scene| with_name(scene, &"x".repeat(5_000))],
        "more than 255 characters",
    ),
    not_taken(
        "metadata that names another file than the one it lies beside",
        &[|scene| with_name(scene, &scene.reply_name(9999))],
        "names another file",
    ),
    not_taken(
        "metadata that names the file in lower case",
        &[|scene| with_name(scene, &scene.stray().to_lowercase())],
        "names another file",
    ),
    not_taken(
        "metadata with a document type (DTD)",
        &[|scene| with_document_type(scene, "<!DOCTYPE t SYSTEM \"file:///etc/passwd\">", "UDK_DEBITOR")],
        "document type declaration",
    ),
    not_taken(
        "metadata with an entity bomb: a text that would unfold to 10 GB",
        &[|scene| with_document_type(scene, &bomb(), "&e9;")],
        "document type declaration",
    ),
    not_taken(
        "metadata with an entity that nobody declared",
        &[|scene| with_document_type(scene, "", "&udk;")],
        "uses an entity",
    ),
    not_taken(
        "metadata in which 5,000 elements are nested",
        &[|scene| with_metadata(scene, "<FileContentDescriptor/>", &nested(5_000))],
        "nested too deeply",
    ),
    not_taken(
        "metadata of 1 GB",
        &[|scene| {
            scene.put(&scene.stray(), DATA);
            scene.put_sparse(&format!("{}.metadata", scene.stray()), GIGABYTE);
        }],
        "is longer than 65536 bytes",
    ),
    not_taken("empty metadata", &[|scene| scene.put_with(&scene.stray(), DATA, b"")], "not well-formed XML"),
    not_taken(
        "metadata that is not UTF-8",
        &[|scene| scene.put_with(&scene.stray(), DATA, b"<FileMetadata>\xE6\xF8\xE5</FileMetadata>")],
        "neither UTF-8 nor ISO-8859-1",
    ),
    not_taken(
        "metadata that breaks off in the middle",
        &[|scene| {
            let text = scene.metadata_text(&scene.stray(), DATA.len() as u64);
            scene.put_with(&scene.stray(), DATA, &text.as_bytes()[..text.len() / 2]);
        }],
        "not well-formed XML",
    ),
    not_taken(
        "metadata with another document in it: a receipt",
        &[|scene| {
            let receipt = "<TechnicalReceipt><FileTransferUUID/></TechnicalReceipt>";
            scene.put_with(&scene.stray(), DATA, receipt.as_bytes());
        }],
        "root element is another one",
    ),
    not_taken(
        "metadata without a transfer id",
        &[|scene| {
            let text = scene.metadata_text(&scene.stray(), DATA.len() as u64).replace("FileTransferUUID", "Other");
            scene.put_with(&scene.stray(), DATA, text.as_bytes());
        }],
        "element FileTransferUUID is missing",
    ),
];

pub const SIZES: &[Case] = &[
    not_taken(
        "a reply that is shorter than its metadata says",
        &[|scene| with_size(scene, "4711")],
        "its metadata says 4711 bytes",
    ),
    not_taken(
        "a reply that is longer than its metadata says",
        &[|scene| with_size(scene, "7")],
        "its metadata says 7 bytes",
    ),
    not_taken(
        "metadata that says 18,446,744,073,709,551,615 bytes",
        &[|scene| with_size(scene, "18446744073709551615")],
        "its metadata says 18446744073709551615 bytes",
    ),
    not_taken(
        "metadata that says more bytes than can be counted",
        &[|scene| with_size(scene, "99999999999999999999999")],
        "does not hold a number of bytes",
    ),
    not_taken("metadata that says -1 bytes", &[|scene| with_size(scene, "-1")], "does not hold a number of bytes"),
    not_taken(
        "a reply of more than 2 GB, as its metadata says",
        &[|scene| {
            scene.put_sparse(&scene.stray(), 2_000_000_001);
            let metadata = scene.metadata(&scene.stray(), 2_000_000_001);
            scene.put(&format!("{}.metadata", scene.stray()), &metadata.to_xml());
        }],
        "expected at most 2000000000",
    ),
    not_taken(
        "a reply that grows while it is read",
        &[|scene| {
            let file = scene.put_sparse(&scene.stray(), LONG);
            let metadata = scene.metadata(&scene.stray(), LONG);
            scene.put(&format!("{}.metadata", scene.stray()), &metadata.to_xml());
            let begun = scene.ground.path(&format!("state/archive/sf2530-0/{}/replies", scene.municipality));
            let parts = || sorted_names(&begun).into_iter().find(|name| name.ends_with(".part"));
            until("its fetching to begin", parts);
            file.set_len(LONG + 1).unwrap();
        }],
        "its metadata says 134217728 bytes, it has 134217729",
    ),
];

pub const ALONE: &[Case] = &[
    not_taken("a reply without metadata", &[|scene| scene.put(&scene.stray(), DATA)], "its metadata is not there"),
    not_taken(
        "metadata without a reply",
        &[|scene| scene.put(&format!("{}.metadata", scene.stray()), &scene.metadata(&scene.stray(), 7).to_xml())],
        "its data is not there",
    ),
    Case {
        foreign: 1,
        ..not_taken(
            "a reply whose metadata is called `.METADATA`",
            &[|scene| {
                scene.put(&scene.stray(), DATA);
                scene.put(&format!("{}.METADATA", scene.stray()), &scene.metadata(&scene.stray(), 7).to_xml());
            }],
            "its metadata is not there",
        )
    },
    Case {
        foreign: 1,
        ..not_taken(
            "a symbolic link with a reply's name, and metadata",
            &[|scene| {
                symlink("/etc/hostname", scene.place(&scene.stray())).unwrap();
                scene.put(&format!("{}.metadata", scene.stray()), &scene.metadata(&scene.stray(), 7).to_xml());
            }],
            "its data is not there",
        )
    },
    Case {
        foreign: 1,
        ..not_taken(
            "a folder with a reply's name, and metadata",
            &[|scene| {
                fs::create_dir(scene.place(&scene.stray())).unwrap();
                scene.put(&format!("{}.metadata", scene.stray()), &scene.metadata(&scene.stray(), 7).to_xml());
            }],
            "its data is not there",
        )
    },
    Case {
        foreign: 1,
        ..not_taken(
            "a reply whose metadata is a symbolic link",
            &[|scene| {
                scene.put(&scene.stray(), DATA);
                symlink("/etc/hostname", scene.place(&format!("{}.metadata", scene.stray()))).unwrap();
            }],
            "its metadata is not there",
        )
    },
];

pub const OTHERS: &[Case] = &[
    Case {
        person: NOTHING,
        ..left_alone(
            "files of other integrations: data, metadata, a receipt",
            3,
            &[|scene| {
                let name = format!("EINDKOMST_{}.xml", scene.number);
                scene.deliver(&name, DATA);
                scene.put(&format!("{name}.sftpreceipt"), b"<TechnicalReceipt/>");
            }],
        )
    },
    Case {
        person: NOTHING,
        ..left_alone(
            "a file with a reply's name from another sender",
            2,
            &[|scene| outside(scene, |plain| FileMetadata { sender: "SOMEBODY".parse().unwrap(), ..plain })],
        )
    },
    Case {
        person: NOTHING,
        ..left_alone(
            "a file with a reply's name for another recipient",
            2,
            &[|scene| outside(scene, |plain| FileMetadata { recipients: vec!["SOMEBODY".parse().unwrap()], ..plain })],
        )
    },
    Case {
        person: "adds the municipality to the settings, if it should be served here",
        ..left_alone(
            "a reply for a municipality that is not in the settings",
            2,
            &[|scene| drop(scene.deliver(&format!("BETADM_SVAR_0825_20260105_{}.txt", scene.number), DATA))],
        )
    },
    left_alone(
        "a reply whose name is in lower case",
        2,
        &[|scene| drop(scene.deliver(&scene.stray().to_lowercase(), DATA))],
    ),
    left_alone(
        "files of unknown kinds with our names: `.receipt`, `.trigger`, `.filepart`",
        3,
        &[|scene| {
            for kind in ["receipt", "trigger", "filepart"] {
                scene.put(&format!("{}.{kind}", scene.stray()), DATA);
            }
        }],
    ),
    left_alone(
        "a file whose name is not UTF-8, and one whose name begins with a dot",
        2,
        &[|scene| {
            let name = [b"BETADM_SVAR_\xE6_".as_slice(), scene.number.to_string().as_bytes()].concat();
            fs::write(scene.place("").join(OsStr::from_bytes(&name)), DATA).unwrap();
            scene.put(&format!(".{}", scene.stray()), DATA);
        }],
    ),
    left_alone(
        "a folder with a receipt's name",
        1,
        &[|scene| fs::create_dir(scene.place(&scene.stray_receipt())).unwrap()],
    ),
];

fn stray_receipt(scene: &Scene<'_>, bytes: &[u8]) {
    scene.put(&scene.stray_receipt(), bytes);
}

pub const RECEIPTS: &[Case] = &[
    not_taken("an empty receipt", &[|scene| stray_receipt(scene, b"")], "not well-formed XML"),
    not_taken(
        "a receipt that is not UTF-8",
        &[|scene| stray_receipt(scene, b"<TechnicalReceipt>\xE6</TechnicalReceipt>")],
        "neither UTF-8 nor ISO-8859-1",
    ),
    not_taken(
        "a receipt that breaks off in the middle",
        &[|scene| stray_receipt(scene, b"<TechnicalReceipt><FileTransferUUID>7b0c7c36-5b6c")],
        "not well-formed XML",
    ),
    not_taken(
        "a receipt with a document type (DTD)",
        &[|scene| stray_receipt(scene, format!("{}<TechnicalReceipt/>", bomb()).as_bytes())],
        "document type declaration",
    ),
    not_taken(
        "a receipt of 1 GB",
        &[|scene| drop(scene.put_sparse(&scene.stray_receipt(), GIGABYTE))],
        "is longer than 65536 bytes",
    ),
    not_taken(
        "a receipt with another document in it",
        &[|scene| stray_receipt(scene, b"<BusinessReceipt/>")],
        "root element is another one",
    ),
    not_taken(
        "a receipt for a file that was never sent",
        &[|scene| {
            let transfer = uuid::Uuid::new_v4();
            let text =
                format!("<FileTransferUUID>{transfer}</FileTransferUUID><SendersFileId>{transfer}</SendersFileId>");
            let said = "<Receipt><Message>SUCCESS</Message></Receipt>";
            stray_receipt(scene, format!("<TechnicalReceipt>{text}{said}</TechnicalReceipt>").as_bytes());
        }],
        "never sent from here",
    ),
];
