//! What we write, judged by somebody else: `xmllint` (Debian: libxml2-utils) and the contract's schema.

#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails the test that asked for it")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use sluse::domain::envelope::{FileMetadata, ReceiptError, ReceiptOutcome, SendersFileId, TechnicalReceipt, Trigger};

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", name].iter().collect()
}

fn xmllint(document: &[u8]) -> Output {
    let mut child = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(fixture("sftp-types.xsd"))
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("xmllint judges the envelopes and must be installed (Debian: libxml2-utils)");
    child.stdin.take().unwrap().write_all(document).unwrap();
    child.wait_with_output().unwrap()
}

fn assert_valid(document: &[u8]) {
    let verdict = xmllint(document);
    let complaint = String::from_utf8_lossy(&verdict.stderr).into_owned();
    assert!(verdict.status.success(), "{complaint}\n{}", String::from_utf8_lossy(document));
}

fn trigger() -> Trigger {
    Trigger {
        file_name: "BETADM_FORESP_0751_20261201_0042.txt".parse().unwrap(),
        size: u64::MAX,
        sender: "KY_SIMPELSFTP".parse().unwrap(),
        senders_file_id: Some("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".to_owned()),
        recipients: vec!["UDK_DEBITOR".parse().unwrap(), "ANOTHER".parse().unwrap()],
    }
}

#[test]
fn a_trigger_that_we_write_is_valid_against_the_contract() {
    assert_valid(&trigger().to_xml());
    assert_valid(&Trigger { senders_file_id: None, ..trigger() }.to_xml());
    let hostile = format!("<&>\u{1}{}", "æ".repeat(300));
    assert_valid(&Trigger { senders_file_id: Some(hostile), ..trigger() }.to_xml());
}

#[test]
fn metadata_and_receipts_that_we_write_are_valid_against_the_contract() {
    let Trigger { file_name, size, sender, senders_file_id, recipients } = trigger();
    let transfer = "9C1D2F60-2A51-4D0B-8F0E-5B7A4C1E7D33".parse().unwrap();
    let error = ReceiptError { code: None, title: "no".to_owned(), text: "\u{7}".repeat(300) };

    assert_valid(&FileMetadata { transfer, file_name, size, sender, senders_file_id, recipients }.to_xml());
    for outcome in [
        ReceiptOutcome::Success,
        ReceiptOutcome::Failure { errors: vec![error.clone()] },
        ReceiptOutcome::Failure { errors: vec![error.clone(), ReceiptError { code: Some(42), ..error }] },
    ] {
        let id = SendersFileId::Uuid("3F0F9A2E-6D0C-4B0E-9A9E-0D7F4F7F8A11".parse().unwrap());
        assert_valid(&TechnicalReceipt { transfer, senders_file_id: id, outcome }.to_xml());
    }
}

#[test]
fn a_default_namespace_makes_a_trigger_invalid() {
    let prefixed = String::from_utf8(trigger().to_xml()).unwrap();
    let default = prefixed.replace("ns2:", "").replace("xmlns:ns2", "xmlns");

    let verdict = xmllint(default.as_bytes());

    assert_eq!(verdict.status.code(), Some(3), "xmllint's status for a document that the schema refuses");
}

#[test]
fn every_sample_but_the_one_from_the_field_is_valid_against_the_contract() {
    for sample in ["simple.trigger", "dynamic.trigger", "schema-root.metadata", "success.sftpreceipt"] {
        assert_valid(&std::fs::read(fixture(sample)).unwrap());
    }
    assert_valid(&std::fs::read(fixture("error.sftpreceipt")).unwrap());
    assert_valid(&std::fs::read(fixture("business.receipt.xml")).unwrap());

    let field = xmllint(&std::fs::read(fixture("field-root.metadata")).unwrap());
    assert_eq!(field.status.code(), Some(3));
}
