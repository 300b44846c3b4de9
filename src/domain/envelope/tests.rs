//! Envelopes as they are met and as they are written.

use super::document::root_of;
use super::*;

const SIMPLE_TRIGGER: &str = include_str!("../../../tests/fixtures/simple.trigger");
const DYNAMIC_TRIGGER: &str = include_str!("../../../tests/fixtures/dynamic.trigger");
const SCHEMA_METADATA: &str = include_str!("../../../tests/fixtures/schema-root.metadata");
const FIELD_METADATA: &str = include_str!("../../../tests/fixtures/field-root.metadata");
const SUCCESS_RECEIPT: &str = include_str!("../../../tests/fixtures/success.sftpreceipt");
const ERROR_RECEIPT: &str = include_str!("../../../tests/fixtures/error.sftpreceipt");
const BUSINESS_RECEIPT: &str = include_str!("../../../tests/fixtures/business.receipt.xml");

fn trigger() -> Trigger {
    Trigger {
        file_name: "BETADM_FORESP_0751_20261201_0042.txt".parse().unwrap(),
        size: 366,
        sender: "KY_SIMPELSFTP".parse().unwrap(),
        senders_file_id: Some("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".to_owned()),
        recipients: vec!["UDK_DEBITOR".parse().unwrap()],
    }
}

fn metadata() -> FileMetadata {
    FileMetadata {
        transfer: "9c1d2f60-2a51-4d0b-8f0e-5b7a4c1e7d33".parse().unwrap(),
        file_name: "BETADM_SVAR_0751_20261201_0042.txt".parse().unwrap(),
        size: 610,
        sender: "UDK_DEBITOR".parse().unwrap(),
        senders_file_id: None,
        recipients: vec!["KY_SIMPELSFTP".parse().unwrap()],
    }
}

#[test]
fn a_trigger_is_written_byte_for_byte_as_the_sample() {
    assert_eq!(String::from_utf8(trigger().to_xml()).unwrap(), SIMPLE_TRIGGER);
    assert_eq!(String::from_utf8(metadata().to_xml()).unwrap(), SCHEMA_METADATA);
}

#[test]
fn the_samples_read_strictly_and_leniently_alike() {
    let dynamic = Trigger { recipients: vec!["ROUTING_V1_0_0".parse().unwrap()], ..trigger() };

    for (sample, expected) in [(SIMPLE_TRIGGER, trigger()), (DYNAMIC_TRIGGER, dynamic)] {
        assert_eq!(Trigger::read(sample.as_bytes()), Ok(expected.clone()));
        assert_eq!(Trigger::read_strictly(sample.as_bytes()), Ok(expected));
    }
}

#[test]
fn metadata_reads_with_either_root_and_without_a_content_descriptor() {
    assert_eq!(FileMetadata::read(SCHEMA_METADATA.as_bytes()), Ok(metadata()));
    assert_eq!(FileMetadata::read(FIELD_METADATA.as_bytes()), Ok(metadata()));
}

#[test]
fn any_prefix_a_default_namespace_a_byte_order_mark_and_latin_1_are_all_read() {
    let default = SIMPLE_TRIGGER.replace("ns2:", "").replace("xmlns:ns2", "xmlns");
    let latin_1 =
        SIMPLE_TRIGGER.replace("UTF-8", "iso-8859-1").replace("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11", "bl\u{e5}");
    let latin_1_bytes: Vec<u8> = latin_1.chars().map(|c| c as u8).collect();

    assert_eq!(Trigger::read(SIMPLE_TRIGGER.replace("ns2", "hub").as_bytes()), Ok(trigger()));
    assert_eq!(Trigger::read(default.as_bytes()), Ok(trigger()));
    assert_eq!(Trigger::read(format!("\u{FEFF}{SIMPLE_TRIGGER}").as_bytes()), Ok(trigger()));
    assert_eq!(Trigger::read(&latin_1_bytes).unwrap().senders_file_id.as_deref(), Some("bl\u{e5}"));
    assert_eq!(Trigger::read(SIMPLE_TRIGGER.replace("UTF-8", "EBCDIC").as_bytes()), Err(EnvelopeTrouble::Encoding));
}

#[test]
fn a_default_namespace_is_off_the_contract_as_it_draws_the_children_in() {
    let default = SIMPLE_TRIGGER.replace("ns2:", "").replace("xmlns:ns2", "xmlns");
    let no_content = SIMPLE_TRIGGER.replace("<FileContentDescriptor/>", "");
    let swapped =
        SIMPLE_TRIGGER.replace("SizeInBytes", "Swap").replace("Sender>", "SizeInBytes>").replace("Swap", "Sender");

    assert!(matches!(Trigger::read_strictly(default.as_bytes()), Err(EnvelopeTrouble::OffContract { .. })));
    assert!(matches!(Trigger::read_strictly(swapped.as_bytes()), Err(EnvelopeTrouble::OffContract { .. })));
    assert_eq!(
        Trigger::read_strictly(no_content.as_bytes()),
        Err(EnvelopeTrouble::Missing { element: "FileContentDescriptor" })
    );
    assert_eq!(Trigger::read(no_content.as_bytes()), Ok(trigger()));
}

#[test]
fn a_receipt_is_a_success_only_when_it_says_so_and_nothing_else() {
    let id = SendersFileId::Uuid("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11".parse().unwrap());
    let success = TechnicalReceipt::read(SUCCESS_RECEIPT.as_bytes()).unwrap();
    let error = TechnicalReceipt::read(ERROR_RECEIPT.as_bytes()).unwrap();

    assert_eq!((success.senders_file_id, success.outcome), (id, ReceiptOutcome::Success));
    let ReceiptOutcome::Failure { errors } = error.outcome else { panic!("an error receipt read as a success") };
    assert_eq!((errors[0].code, errors[0].title.as_str()), (Some(42), "Unknown recipient"));

    let both = ERROR_RECEIPT.replace("<ErrorMessage>", "<Receipt><Message>SUCCESS</Message></Receipt><ErrorMessage>");
    for (other, code) in [
        (both, Some(42)),
        (SUCCESS_RECEIPT.replace("SUCCESS", "success"), None),
        (SUCCESS_RECEIPT.replace("SUCCESS", ""), None),
        // Nor one that is a success only when it is cleaned.
        (SUCCESS_RECEIPT.replace("SUCCESS", "\u{7f}SUCCESS"), None),
        (SUCCESS_RECEIPT.replace("<Receipt><Message>SUCCESS</Message></Receipt>", ""), None),
    ] {
        let outcome = TechnicalReceipt::read(other.as_bytes()).unwrap().outcome;
        let ReceiptOutcome::Failure { errors } = &outcome else { panic!("read as a success: {other}") };
        assert_eq!(errors[0].code, code);
        let (transfer, senders_file_id) = (success.transfer, SendersFileId::Absent);
        let written = TechnicalReceipt { transfer, senders_file_id, outcome };
        let again = TechnicalReceipt::read(&written.to_xml()).unwrap();
        assert_ne!(again.outcome, ReceiptOutcome::Success, "written as a success: {other}");
    }
}

#[test]
fn a_receipt_reads_back_what_it_writes() {
    let error = |code, title: &str| ReceiptError { code, title: title.to_owned(), text: String::new() };
    let failure = |errors| ReceiptOutcome::Failure { errors };
    for outcome in [
        ReceiptOutcome::Success,
        failure(vec![error(None, "not <today> & not tomorrow")]),
        failure(vec![error(Some(-7), "a"), error(Some(8), "\"b\"")]),
    ] {
        let receipt = TechnicalReceipt {
            transfer: "47570FC2-BE65-4AB1-8DA7-3BCC086BFEF9".parse().unwrap(),
            senders_file_id: SendersFileId::Absent,
            outcome,
        };
        assert_eq!(TechnicalReceipt::read(&receipt.to_xml()), Ok(receipt));
    }
}

#[test]
fn a_senders_uuid_is_written_in_lower_case_and_its_markup_escaped() {
    let written = |id: &str| {
        let trigger = Trigger { senders_file_id: Some(id.to_owned()), ..trigger() };
        (String::from_utf8(trigger.to_xml()).unwrap(), Trigger::read_strictly(&trigger.to_xml()).unwrap())
    };

    assert!(written("3F0F9A2E-6D0C-4B0E-9A9E-0D7F4F7F8A11").0.contains("3f0f9a2e-6d0c-4b0e-9a9e-0d7f4f7f8a11"));
    assert_eq!(written("a<b>&]]>").1.senders_file_id.as_deref(), Some("a<b>&]]>"));
}

#[test]
fn another_root_is_not_a_receipt() {
    assert_eq!(
        TechnicalReceipt::read(BUSINESS_RECEIPT.as_bytes()),
        Err(EnvelopeTrouble::Root { expected: "TechnicalReceipt" })
    );
    assert!(matches!(Trigger::read(SCHEMA_METADATA.as_bytes()), Err(EnvelopeTrouble::Root { .. })));
}

#[test]
fn nothing_that_could_grow_or_hide_is_read() {
    let bomb = "<!DOCTYPE t [<!ENTITY a \"aaaa\">]>";
    let with_type = SIMPLE_TRIGGER.replace("<ns2:Trigger ", &format!("{bomb}<ns2:Trigger "));
    let with_entity = SIMPLE_TRIGGER.replace("UDK_DEBITOR", "UDK&a;DEBITOR");
    let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
    let long = format!("<a>{}</a>", "x".repeat(DOCUMENT_BYTES_MAX));
    let wordy = SIMPLE_TRIGGER.replace("UDK_DEBITOR", &"U".repeat(TEXT_CHARS_MAX + 1));

    assert!(matches!(Trigger::read(with_type.as_bytes()), Err(EnvelopeTrouble::DocumentType { .. })));
    assert!(matches!(Trigger::read(with_entity.as_bytes()), Err(EnvelopeTrouble::UnknownEntity { .. })));
    assert!(matches!(Trigger::read(deep.as_bytes()), Err(EnvelopeTrouble::TooDeep { .. })));
    assert!(matches!(Trigger::read(long.as_bytes()), Err(EnvelopeTrouble::TooLong { .. })));
    assert_eq!(Trigger::read(wordy.as_bytes()), Err(EnvelopeTrouble::TextTooLong { element: "Recipients" }));
    assert_eq!(Trigger::read(SIMPLE_TRIGGER.replace("UDK_D", "UDK&#95;D").as_bytes()), Ok(trigger()));
}

#[test]
fn no_beginning_of_a_document_is_a_document() {
    for end in 0..SIMPLE_TRIGGER.trim_end().len() {
        let beginning = &SIMPLE_TRIGGER.as_bytes()[..end];
        assert!(root_of(beginning).is_err(), "{end} bytes");
    }
    let twice = format!("{SIMPLE_TRIGGER}<a/>");
    assert!(matches!(root_of(twice.as_bytes()), Err(EnvelopeTrouble::NotWellFormed { .. })));
}

#[test]
fn a_name_that_could_leave_its_folder_is_no_file_name_and_is_not_repeated() {
    let escaping = SIMPLE_TRIGGER.replace("BETADM_FORESP_0751_20261201_0042.txt", "../0707614285");

    let trouble = Trigger::read(escaping.as_bytes()).unwrap_err();

    assert_eq!(trouble.to_string(), "element FileName does not hold a file name");
}
