//! The settings of retention: for the house, and for one exchange.

use crate::config::key::{About, Key, Presence, SectionAbout};
use crate::config::value::{Keep, keep};

pub(in crate::config) static KEEP_ARCHIVE: Key<Keep> = Key {
    about: About {
        name: "keep_archive",
        meaning: "As `archive` in [retention], for this exchange.",
        expected: "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"",
        presence: Presence::Optional { example: "\"5y\"", absent: "as [retention] says" },
        secret: false,
    },
    read: keep,
};

pub(in crate::config) static KEEP_JOURNAL: Key<Keep> = Key {
    about: About {
        name: "keep_journal",
        meaning: "As `journal` in [retention], for this exchange.",
        expected: "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"",
        presence: Presence::Optional { example: "\"5y\"", absent: "as [retention] says" },
        secret: false,
    },
    read: keep,
};

pub(in crate::config) static KEEP_REGISTER: Key<Keep> = Key {
    about: About {
        name: "keep_register",
        meaning: "As `register` in [retention], for this exchange.",
        expected: "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"",
        presence: Presence::Optional { example: "\"5y\"", absent: "as [retention] says" },
        secret: false,
    },
    read: keep,
};

pub(in crate::config) static RETENTION: SectionAbout = SectionAbout {
    name: "retention",
    example_name: None,
    meaning: "For how long what is over is kept; see docs/retention.md. Without it, everything is kept for ever. What is \
              open, held or under a legal hold always stays.",
    keys: &[&ARCHIVE.about, &JOURNAL.about, &REGISTER.about],
};

pub(in crate::config) static ARCHIVE: Key<Keep> = Key {
    about: About {
        name: "archive",
        meaning: "The files of an exchange that is over: queries, replies, receipts, refused files. Their sizes and keyed hashes \
                  stay.",
        expected: "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"",
        presence: Presence::Optional { example: "\"5y\"", absent: "for ever" },
        secret: false,
    },
    read: keep,
};

pub(in crate::config) static JOURNAL: Key<Keep> = Key {
    about: About {
        name: "journal",
        meaning: "The story of an exchange that is over, not shorter than `archive`. What a duplicate is known by stays: names, \
                  numbers, ids, keyed hashes.",
        expected: "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"",
        presence: Presence::Optional { example: "\"10y\"", absent: "for ever" },
        secret: false,
    },
    read: keep,
};

pub(in crate::config) static REGISTER: Key<Keep> = Key {
    about: About {
        name: "register",
        meaning: "What the register knows of an agreement that has ended, not shorter than `archive`. Agreements that the last \
                  reply holds stay with all of their history.",
        expected: "a time in years, months and days from 1d to 100y, such as \"5y\" or \"18mo\", or \"forever\"",
        presence: Presence::Optional { example: "\"10y\"", absent: "for ever" },
        secret: false,
    },
    read: keep,
};
