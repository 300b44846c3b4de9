//! Every setting there is, each documented where it is defined. The reader, the messages, the shipped
//! file and the reference in `docs` are made from this table, so a setting is added here and nowhere else
//! (and taken up in `sections`).

mod alarm;
mod kept;
mod page;

use std::path::PathBuf;
use std::time::Duration;

use super::key::{About, Key, Presence, SectionAbout};
use super::value::{
    Fingerprint, SecretFile, TriggerWay, absolute, command, host, host_keys, municipalities, parsed, percent, port,
    remote_folder, sqlite, text, time, transfer, windows,
};
use crate::domain::calendar::windows::Windows;
use crate::domain::change::Percent;
use crate::domain::identity::{EndpointName, UserName};
use crate::domain::municipality::MunicipalityCode;

pub(super) use alarm::*;
pub(super) use kept::{ARCHIVE, JOURNAL, KEEP_ARCHIVE, KEEP_JOURNAL, KEEP_REGISTER, REGISTER, RETENTION};
pub(super) use page::{LISTEN, PAGE, TOKEN};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// In the order of the shipped file.
pub(super) static SECTIONS: [&SectionAbout; 8] =
    [&STORE, &FOLDERS, &RETENTION, &ENDPOINT, &EXCHANGE, &CALENDAR, &ALARM, &PAGE];

pub(super) static STORE: SectionAbout = SectionAbout {
    name: "store",
    example_name: None,
    meaning: "Where the truth is kept: the journal of every exchange and the register of agreements, in one database.",
    keys: &[&URL.about, &ANCHOR.about],
};

pub(super) static URL: Key<PathBuf> = Key {
    about: About {
        name: "url",
        meaning: "The database. It is made on the first start. It holds CPR numbers: put it on a local disk, where \
                  only sluse can read it.",
        expected: "\"sqlite:\" and an absolute path",
        presence: Presence::Required { example: "\"sqlite:/var/lib/sluse/sluse.db\"" },
        secret: false,
    },
    read: |given| text(given, sqlite),
};

pub(super) static ANCHOR: Key<PathBuf> = Key {
    about: About {
        name: "anchor",
        meaning: "The file that says, outside the database, how far the journal was: a database that is behind it was put \
                  back from a backup, and nothing is sent until `sluse recover` has looked. It must not go back in time \
                  together with the database: put it on another file system if images of the whole machine are restored.",
        expected: "an absolute path in a folder that sluse may write to",
        presence: Presence::Optional {
            example: "\"/var/lib/sluse-anchor/journal.anchor\"",
            absent: "journal.anchor in the state folder",
        },
        secret: false,
    },
    read: |given| text(given, absolute),
};

pub(super) static FOLDERS: SectionAbout = SectionAbout {
    name: "folders",
    example_name: None,
    meaning: "Folders on this machine that belong to sluse alone.",
    keys: &[&STATE.about, &RUN.about],
};

pub(super) static STATE: Key<PathBuf> = Key {
    about: About {
        name: "state",
        meaning: "Spool, archive and refused files lie below it, with mode 0700. Best on the same mount as the \
                  outboxes: a file is claimed by a rename, which does not cross mounts. An outbox on another mount \
                  gets a spool of its own in it, .spool.",
        expected: "an absolute path",
        presence: Presence::Required { example: "\"/var/lib/sluse\"" },
        secret: false,
    },
    read: |given| text(given, absolute),
};

pub(super) static RUN: Key<PathBuf> = Key {
    about: About {
        name: "run",
        meaning: "Holds the control socket, control.sock, by which commands reach the daemon.",
        // A socket's path has at most 107 bytes, and the socket's name takes 13 of them.
        expected: "an absolute path of at most 94 bytes",
        presence: Presence::Default { value: "\"/run/sluse\"", reason: "what systemd makes for the shipped unit" },
        secret: false,
    },
    read: |given| text(given, |path| absolute(path).filter(|path| path.as_os_str().len() <= 94)),
};

pub(super) static ENDPOINT: SectionAbout = SectionAbout {
    name: "endpoint",
    example_name: Some("serviceplatformen"),
    meaning: "One SFTP server and one user there. NAME is 1 to 32 characters out of a-z, 0-9 and -.",
    keys: &[
        &HOST.about,
        &PORT.about,
        &USER.about,
        &IDENTITY.about,
        &PASSPHRASE.about,
        &HOST_KEYS.about,
        &OUT.about,
        &IN.about,
        &POLL.about,
        &POLL_WITHIN.about,
        &SERVICE_WINDOWS.about,
        &TRIGGER.about,
    ],
};

pub(super) static HOST: Key<String> = Key {
    about: About {
        name: "host",
        meaning: "The server.",
        expected: "a host name or an IP address",
        presence: Presence::Required { example: "\"sftp.serviceplatformen.dk\"" },
        secret: false,
    },
    read: |given| text(given, host),
};

pub(super) static PORT: Key<u16> = Key {
    about: About {
        name: "port",
        meaning: "Its TCP port.",
        expected: "a number from 1 to 65535",
        presence: Presence::Default { value: "22", reason: "the port of SSH" },
        secret: false,
    },
    read: port,
};

pub(super) static USER: Key<UserName> = Key {
    about: About {
        name: "user",
        meaning: "Our SFTP user there, one per IT system; it is also the sender in our triggers.",
        expected: "an SFTP user (A-Z, a-z, 0-9, _, - and .)",
        presence: Presence::Required { example: "\"KY_SIMPELSFTP\"" },
        secret: false,
    },
    read: parsed,
};

pub(super) static IDENTITY: Key<SecretFile> = Key {
    about: About {
        name: "identity",
        meaning: "The file with our private key (OpenSSH or PEM; RSA, ECDSA or Ed25519). \"credential:NAME\" is what \
                  LoadCredential=NAME:… in the systemd unit gives; a path must be readable by sluse alone (0600).",
        expected: "an absolute path, or \"credential:\" and a name",
        presence: Presence::Required { example: "\"credential:sftp-key\"" },
        secret: false,
    },
    read: parsed,
};

pub(super) static PASSPHRASE: Key<SecretFile> = Key {
    about: About {
        name: "passphrase",
        meaning: "The file whose first line opens the private key, in the same two forms as identity. Never the pass \
                  phrase itself: this file may be read by many.",
        expected: "the absolute path of a file that holds it, or \"credential:\" and a name",
        presence: Presence::Optional {
            example: "\"credential:sftp-passphrase\"",
            absent: "the private key is not encrypted",
        },
        secret: true,
    },
    read: parsed,
};

/// How the host keys of the shipped file begin, and no real one does.
pub(super) const INVENTED: &str = "SHA256:INVENTED/REPLACE/ME/";

pub(super) static HOST_KEYS: Key<Vec<Fingerprint>> = Key {
    about: About {
        name: "host_keys",
        meaning: "The server's keys, as `ssh-keygen -lf` shows them. A server with any other key is refused. A new key \
                  beside the old one is how a rotation is prepared. THE TWO IN THE SHIPPED FILE ARE INVENTED: REPLACE \
                  THEM BY THE REAL ONES, FROM A SOURCE THAT YOU TRUST.",
        expected: "at least one \"SHA256:\" and 43 characters of base64, each once",
        presence: Presence::Required {
            example: "[\n    \"SHA256:INVENTED/REPLACE/ME/BY/THE/REAL/HOST/KEY/AA\",\n    \
                      \"SHA256:INVENTED/REPLACE/ME/BY/THE/NEXT/HOST/KEY/AA\",\n]",
        },
        secret: false,
    },
    read: host_keys,
};

pub(super) static OUT: Key<String> = Key {
    about: About {
        name: "out",
        meaning: "The folder there into which we put data and triggers.",
        expected: "a folder's name there, without . or .. and without a slash at its end",
        presence: Presence::Default { value: "\"OUT\"", reason: "what Serviceplatformen calls it" },
        secret: false,
    },
    read: |given| text(given, remote_folder),
};

pub(super) static IN: Key<String> = Key {
    about: About {
        name: "in",
        meaning: "The folder there in which we find receipts and replies, and other integrations' files too.",
        expected: "a folder's name there, without . or .. and without a slash at its end",
        presence: Presence::Default { value: "\"IN\"", reason: "what Serviceplatformen calls it" },
        secret: false,
    },
    read: |given| text(given, remote_folder),
};

pub(super) static POLL: Key<Duration> = Key {
    about: About {
        name: "poll",
        meaning: "How often the folder is looked at.",
        expected: "a time from 1s to 1h, such as \"60s\"",
        presence: Presence::Default {
            value: "\"60s\"",
            reason: "a reply is hours in coming, and one listing a minute is no burden on the server",
        },
        secret: false,
    },
    read: |given| time(given, 1, HOUR),
};

pub(super) static POLL_WITHIN: Key<Duration> = Key {
    about: About {
        name: "poll_within",
        meaning: "How long the folder may go unlisted, because the server cannot be reached or does not answer, before a \
                  person is told.",
        expected: "a time from 1s to 7d, such as \"15m\"",
        presence: Presence::Default {
            value: "\"15m\"",
            reason: "a server that is started anew is back before, and service windows are added to it",
        },
        secret: false,
    },
    read: |given| time(given, 1, 7 * DAY),
};

pub(super) static SERVICE_WINDOWS: Key<Windows> = Key {
    about: About {
        name: "service_windows",
        meaning: "When the server may be down for its own reasons, in Danish local time. Time in them is added to \
                  `poll_within`, `receipt_within` and `reply_within`, so none of them raises an alarm by itself. Sluse works \
                  on in them as ever.",
        expected: "a list of texts such as \"daily 05:00-06:00\" or \"Sunday 22:00-Monday 06:00\" (Monday to Sunday); or an \
                   empty list",
        presence: Presence::Default {
            value: "[\"daily 05:00-06:00\", \"Monday 03:00-06:00\", \"Sunday 22:00-Monday 06:00\"]",
            reason: "Serviceplatformen's: weekly, up to monthly, and quarterly; on which days is not published",
        },
        secret: false,
    },
    read: windows,
};

pub(super) static TRIGGER: Key<TriggerWay> = Key {
    about: About {
        name: "trigger",
        meaning: "How the trigger becomes visible. \"rename\": in one step, where the server can \
                  (posix-rename@openssh.com); a lost connection is then settled without a person. \"write\": under its \
                  final name; a lost connection may leave a doubt that only a receipt or a person ends.",
        expected: "\"rename\" or \"write\"",
        presence: Presence::Default { value: "\"rename\"", reason: "it is the way that proves itself" },
        secret: false,
    },
    read: parsed,
};

pub(super) static EXCHANGE: SectionAbout = SectionAbout {
    name: "exchange",
    example_name: Some("sf2530"),
    meaning: "One kind of query and its replies, for some or all municipalities. NAME is 1 to 32 characters out of \
              a-z, 0-9 and -.",
    keys: &[
        &EXCHANGE_ENDPOINT.about,
        &TRANSFER.about,
        &RECIPIENT.about,
        &LAYOUTS.about,
        &OUTBOX.about,
        &INBOX.about,
        &MUNICIPALITIES.about,
        &SETTLE.about,
        &UNFIT_AFTER.about,
        &RECEIPT_WITHIN.about,
        &REPLY_WITHIN.about,
        &END_GUARD.about,
        &AMOUNT_GUARD.about,
        &HAND_OVER_COMMAND.about,
        &KEEP_ARCHIVE.about,
        &KEEP_JOURNAL.about,
        &KEEP_REGISTER.about,
    ],
};

pub(super) static EXCHANGE_ENDPOINT: Key<EndpointName> = Key {
    about: About {
        name: "endpoint",
        meaning: "The endpoint by which it travels.",
        expected: "the NAME of an [endpoint.NAME]",
        presence: Presence::Required { example: "\"serviceplatformen\"" },
        secret: false,
    },
    read: parsed,
};

pub(super) static TRANSFER: Key<()> = Key {
    about: About {
        name: "transfer",
        meaning: "How Serviceplatformen routes it. \"dynamic\" and \"managed\" are not in this version yet.",
        expected: "\"simple\"",
        presence: Presence::Default { value: "\"simple\"", reason: "the only way that this version has" },
        secret: false,
    },
    read: transfer,
};

pub(super) static RECIPIENT: Key<UserName> = Key {
    about: About {
        name: "recipient",
        meaning: "The receiver's SFTP user, to be had from Udbetaling Danmark. Replies are taken from it alone.",
        expected: "an SFTP user (A-Z, a-z, 0-9, _, - and .)",
        presence: Presence::Required { example: "\"UDK_DEBITOR\"" },
        secret: false,
    },
    read: parsed,
};

pub(super) static LAYOUTS: Key<PathBuf> = Key {
    about: About {
        name: "layouts",
        meaning: "The folder with the record layouts of query and reply: query.toml and reply.toml, both.",
        expected: "the absolute path of a folder",
        presence: Presence::Optional {
            example: "\"/etc/sluse/layouts\"",
            absent: "the layouts that sluse brings along, which are an assumption",
        },
        secret: false,
    },
    read: |given| text(given, absolute),
};

pub(super) static OUTBOX: Key<PathBuf> = Key {
    about: About {
        name: "outbox",
        meaning: "Queries are put here by the benefit system, in one folder per municipality (outbox/0751). Mode 2770, \
                  group sluse-exchange. No two folders of these settings may be the same or lie in each other.",
        expected: "an absolute path",
        presence: Presence::Required { example: "\"/var/spool/sluse/outbox\"" },
        secret: false,
    },
    read: |given| text(given, absolute),
};

pub(super) static INBOX: Key<PathBuf> = Key {
    about: About {
        name: "inbox",
        meaning: "Replies are handed over here, in one folder per municipality (inbox/0751). Mode 2750, group \
                  sluse-exchange.",
        expected: "an absolute path",
        presence: Presence::Required { example: "\"/var/spool/sluse/inbox\"" },
        secret: false,
    },
    read: |given| text(given, absolute),
};

pub(super) static MUNICIPALITIES: Key<Vec<MunicipalityCode>> = Key {
    about: About {
        name: "municipalities",
        meaning: "Whose queries travel. Replies for others are left alone. No two \
                  exchanges of one endpoint may name the same municipality: a reply is known by its file name, so \
                  theirs could not be told apart.",
        expected: "\"all\", or a list of municipality codes such as [\"0751\", \"0101\"], each once",
        presence: Presence::Required { example: "\"all\"" },
        secret: false,
    },
    read: municipalities,
};

pub(super) static SETTLE: Key<Duration> = Key {
    about: About {
        name: "settle",
        meaning: "How long a file must lie still before it is taken, where its layout cannot tell that it is whole.",
        expected: "a time from 1s to 1h, such as \"10s\"",
        presence: Presence::Default {
            value: "\"10s\"",
            reason: "longer than a writer pauses, shorter than anyone waits",
        },
        secret: false,
    },
    read: |given| time(given, 1, HOUR),
};

pub(super) static UNFIT_AFTER: Key<Duration> = Key {
    about: About {
        name: "unfit_after",
        meaning: "A file that has lain still this long and is still not whole is refused, with the rule it broke. One whose \
                  name says that it is not finished (a leading dot, .part, .tmp, .filepart) is shown in the status.",
        expected: "a time from 2s to 7d, longer than `settle`, such as \"10m\"",
        presence: Presence::Default { value: "\"10m\"", reason: "nothing waits in silence" },
        secret: false,
    },
    read: |given| time(given, 2, 7 * DAY),
};

pub(super) static RECEIPT_WITHIN: Key<Duration> = Key {
    about: About {
        name: "receipt_within",
        meaning: "How long after the trigger the technical receipt is waited for before a person is told.",
        expected: "a time from 1s to 7d, such as \"30m\"",
        presence: Presence::Default {
            value: "\"30m\"",
            reason: "a receipt takes minutes, and service windows are added to it",
        },
        secret: false,
    },
    read: |given| time(given, 1, 7 * DAY),
};

pub(super) static REPLY_WITHIN: Key<Duration> = Key {
    about: About {
        name: "reply_within",
        meaning: "How long after the trigger the reply is waited for before a person is told.",
        expected: "a time from 1s to 60d, such as \"12h\"",
        presence: Presence::Default { value: "\"12h\"", reason: "a query of the evening is answered in the morning" },
        secret: false,
    },
    read: |given| time(given, 1, 60 * DAY),
};

pub(super) static END_GUARD: Key<Percent> = Key {
    about: About {
        name: "end_guard",
        meaning: "A reply that ends more than 5 agreements and more than this share of a register is held for a person.",
        expected: "a share from 0% to 100%, such as \"20%\"",
        presence: Presence::Default { value: "\"20%\"", reason: "months differ by a few percent, a cut file by most" },
        secret: false,
    },
    read: percent,
};

pub(super) static AMOUNT_GUARD: Key<Percent> = Key {
    about: About {
        name: "amount_guard",
        meaning: "A reply that changes the monthly total by more than this share is held for a person. A municipality's \
                  first reply has nothing to be compared with: it is applied whatever its amounts are, so look at the first \
                  change list (and `sluse register`) yourself.",
        expected: "a share from 0% to 100%, such as \"30%\"",
        presence: Presence::Default { value: "\"30%\"", reason: "an amount a hundredfold too big must not pass" },
        secret: false,
    },
    read: percent,
};

pub(super) static HAND_OVER_COMMAND: Key<Vec<String>> = Key {
    about: About {
        name: "hand_over_command",
        meaning: "A program and its arguments, run after a reply was handed over, with the exchange's id as one more \
                  argument. It is run at least once, so after a crash perhaps twice. No shell is involved.",
        expected: "a list of strings: a program by its absolute path, then its arguments; or an empty list",
        presence: Presence::Default { value: "[]", reason: "most benefit systems look into their inbox themselves" },
        secret: false,
    },
    read: command,
};
