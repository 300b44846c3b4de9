//! The settings of retention: for the house, and for one exchange.

use crate::config::key::{About, Key, Presence, SectionAbout};
use crate::config::value::{Keep, keep};

const fn key(name: &'static str, meaning: &'static str, presence: Presence) -> Key<Keep> {
    let expected = "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"";
    Key { about: About { name, meaning, expected, presence, secret: false }, read: keep }
}

/// The same for one exchange.
const fn of_exchange(name: &'static str, meaning: &'static str) -> Key<Keep> {
    key(name, meaning, Presence::Optional { example: "\"5y\"", absent: "as [retention] says" })
}

pub(in crate::config) static KEEP_ARCHIVE: Key<Keep> =
    of_exchange("keep_archive", "As `archive` in [retention], for this exchange.");

pub(in crate::config) static KEEP_JOURNAL: Key<Keep> =
    of_exchange("keep_journal", "As `journal` in [retention], for this exchange.");

pub(in crate::config) static KEEP_REGISTER: Key<Keep> =
    of_exchange("keep_register", "As `register` in [retention], for this exchange.");

pub(in crate::config) static RETENTION: SectionAbout = SectionAbout {
    name: "retention",
    example_name: None,
    meaning: "For how long what is over is kept; see docs/retention.md. Without it, everything is kept for ever. What is \
              open, held or under a legal hold always stays.",
    keys: &[&ARCHIVE.about, &JOURNAL.about, &REGISTER.about],
};

pub(in crate::config) static ARCHIVE: Key<Keep> = key(
    "archive",
    "The files of an exchange that is over: queries, replies, receipts, refused files. Their sizes and keyed hashes \
     stay.",
    Presence::Optional { example: "\"5y\"", absent: "for ever" },
);

pub(in crate::config) static JOURNAL: Key<Keep> = key(
    "journal",
    "The story of an exchange that is over, not shorter than `archive`. What a duplicate is known by stays: names, \
     numbers, ids, keyed hashes.",
    Presence::Optional { example: "\"10y\"", absent: "for ever" },
);

pub(in crate::config) static REGISTER: Key<Keep> = key(
    "register",
    "What the register knows of an agreement that has ended, not shorter than `archive`. Agreements that the last \
     reply holds stay with all of their history.",
    Presence::Optional { example: "\"10y\"", absent: "for ever" },
);
