//! `[page]`: the status page and the metrics.

use crate::config::key::{About, Key, Presence, SectionAbout};
use crate::config::value::{Listen, SecretFile, parsed};

pub(in crate::config) static PAGE: SectionAbout = SectionAbout {
    name: "page",
    example_name: None,
    meaning: "The status page and the metrics: read-only, and without personal data.",
    keys: &[&LISTEN.about, &TOKEN.about],
};

pub(in crate::config) static LISTEN: Key<Listen> = Key {
    about: About {
        name: "listen",
        meaning: "Where the page and the metrics are served: on a socket that its folder and group sluse protect, or on an \
                  address. An address that other machines reach needs a token, and best a proxy with TLS before it.",
        expected: "\"unix:\" and an absolute path of at most 107 bytes, or an IP address and a port",
        presence: Presence::Optional {
            example: "\"unix:/run/sluse/page.sock\"",
            absent: "there is neither page nor metrics",
        },
        secret: false,
    },
    read: parsed,
};

pub(in crate::config) static TOKEN: Key<SecretFile> = Key {
    about: About {
        name: "token",
        meaning: "The file whose first line callers must know, at least 16 characters: programs send it as a bearer token, \
                  people give it once. In the same two forms as identity, never the token itself.",
        expected: "the absolute path of a file that holds it, or \"credential:\" and a name",
        presence: Presence::Optional {
            example: "\"credential:page-token\"",
            absent: "whoever reaches the socket or the address of this machine may look",
        },
        secret: true,
    },
    read: parsed,
};
