//! The settings of what is expected by when, and of who is told when it does not come.

use std::time::Duration;

use super::super::key::{About, Key, Presence, SectionAbout};
use super::super::value::{Target, command, parsed, payments, severity, time};
use super::{DAY, HOUR};
use crate::domain::calendar::payments::{Payments, Term};
use crate::domain::patience::Severity;

pub(in crate::config) static CALENDAR: SectionAbout = SectionAbout {
    name: "calendar",
    example_name: None,
    meaning: "When a query is expected of each municipality. Bank days are as Danmarks Nationalbank lists them, times are \
              Danish local time. Without this section no query is expected, and none is missed.",
    keys: &[&PAYMENTS.about, &QUERY_FROM.about, &QUERY_BY.about],
};

pub(in crate::config) static PAYMENTS: Key<Payments> = Key {
    about: About {
        name: "payments",
        meaning: "The days that are paid on. Each municipality should have sent a query for each of them, before it.",
        expected: "\"last bank day\" (of each month), or a list of dates such as [\"2026-12-30\", \"2027-01-29\"], each later \
                   than the one before it",
        presence: Presence::Required { example: "\"last bank day\"" },
        secret: false,
    },
    read: payments,
};

pub(in crate::config) static QUERY_FROM: Key<Term> = Key {
    about: About {
        name: "query_from",
        meaning: "From when on a query for a payment is expected. A warning comes when 80 % of the time from here to \
                  `query_by` are gone and no query was sent.",
        expected: "a text such as \"5 bank days before, 08:00\", with at most 30 bank days, earlier than `query_by`",
        presence: Presence::Default {
            value: "\"5 bank days before, 08:00\"",
            reason: "the warning then comes about a day before the alarm",
        },
        secret: false,
    },
    read: parsed,
};

pub(in crate::config) static QUERY_BY: Key<Term> = Key {
    about: About {
        name: "query_by",
        meaning: "Until when the query for a payment must have been sent; from then on it is an alarm.",
        expected: "a text such as \"2 bank days before, 12:00\", with at most 30 bank days",
        presence: Presence::Default {
            value: "\"2 bank days before, 12:00\"",
            reason: "the reply then comes with a day to spare",
        },
        secret: false,
    },
    read: parsed,
};

pub(in crate::config) static ALARM: SectionAbout = SectionAbout {
    name: "alarm",
    example_name: None,
    meaning: "Who is told when a person is needed. What alarms there are, and what a receiver gets, is in docs/alarms.md. \
              Without a receiver alarms stand in the log and in `sluse status` alone.",
    keys: &[
        &COMMAND.about,
        &WEBHOOK.about,
        &LEAST.about,
        &REPEAT.about,
        &OVER_AFTER.about,
        &HEARTBEAT.about,
        &HEARTBEAT_COMMAND.about,
        &HEARTBEAT_EVERY.about,
    ],
};

pub(in crate::config) static COMMAND: Key<Vec<String>> = Key {
    about: About {
        name: "command",
        meaning: "A program and its arguments that is run with each notice: JSON on its standard input, the most important of \
                  it in its environment (SLUSE_EVENT, SLUSE_SUBJECT, SLUSE_TEXT and others). No shell is involved. It has \
                  60 s, and ends with exit status 0 if the notice has reached somebody; otherwise it is run again.",
        expected: "a list of strings: a program by its absolute path, then its arguments; or an empty list",
        presence: Presence::Default { value: "[]", reason: "whom to tell is different everywhere" },
        secret: false,
    },
    read: command,
};

const WEBHOOK_EXPECTED: &str = "an address that begins with \"https://\" or \"http://\"; or, where it is a secret, the \
                                absolute path of a file whose first line is the address, or \"credential:\" and a name";

pub(in crate::config) static WEBHOOK: Key<Target> = Key {
    about: About {
        name: "webhook",
        meaning: "An address to which each notice is sent as JSON, by POST; it is told when it is answered with a status from \
                  200 to 299, and sent again otherwise. Certificates are checked against those that this machine trusts.",
        expected: WEBHOOK_EXPECTED,
        presence: Presence::Optional { example: "\"https://alarm.example/sluse\"", absent: "there is no webhook" },
        secret: true,
    },
    read: parsed,
};

pub(in crate::config) static LEAST: Key<Severity> = Key {
    about: About {
        name: "least",
        meaning: "The least that receivers are told of: warnings (80 % of the time are gone, or it may end by itself) and \
                  alarms, or alarms alone. What is told is told once, and once more when it is over.",
        expected: "\"warning\" or \"alarm\"",
        presence: Presence::Default { value: "\"warning\"", reason: "a warning is in time, an alarm may be late" },
        secret: false,
    },
    read: severity,
};

pub(in crate::config) static REPEAT: Key<Duration> = Key {
    about: About {
        name: "repeat",
        meaning: "How often an alarm is told again for as long as it lasts. Warnings are not.",
        expected: "a time from 1m to 30d, such as \"4h\"",
        presence: Presence::Optional { example: "\"4h\"", absent: "each alarm is told once" },
        secret: false,
    },
    read: |given| time(given, 60, 30 * DAY),
};

pub(in crate::config) static OVER_AFTER: Key<Duration> = Key {
    about: About {
        name: "over_after",
        meaning: "How long what was told must have been gone before it is told to be over: what comes and goes within that \
                  time is told once.",
        expected: "a time from 1s to 1d, such as \"1m\"",
        presence: Presence::Default {
            value: "\"1m\"",
            reason: "after a new start everything has been looked at by then",
        },
        secret: false,
    },
    read: |given| time(given, 1, DAY),
};

pub(in crate::config) static HEARTBEAT: Key<Target> = Key {
    about: About {
        name: "heartbeat",
        meaning: "An address that is asked for (GET) again and again while the engine turns and can write its journal, and \
                  not otherwise: a service that misses it tells you that the daemon, or its machine, is dead.",
        expected: WEBHOOK_EXPECTED,
        presence: Presence::Optional { example: "\"https://heartbeat.example/ping/sluse\"", absent: "there is none" },
        secret: true,
    },
    read: parsed,
};

pub(in crate::config) static HEARTBEAT_COMMAND: Key<Vec<String>> = Key {
    about: About {
        name: "heartbeat_command",
        meaning: "The same by a program and its arguments. It has 60 s.",
        expected: "a list of strings: a program by its absolute path, then its arguments; or an empty list",
        presence: Presence::Default { value: "[]", reason: "most such services have an address" },
        secret: false,
    },
    read: command,
};

pub(in crate::config) static HEARTBEAT_EVERY: Key<Duration> = Key {
    about: About {
        name: "heartbeat_every",
        meaning: "How often. What watches for it should wait for three of them to be missing.",
        expected: "a time from 1s to 1h, such as \"5m\"",
        presence: Presence::Default {
            value: "\"5m\"",
            reason: "a dead daemon is then known within a quarter of an hour",
        },
        secret: false,
    },
    read: |given| time(given, 1, HOUR),
};
