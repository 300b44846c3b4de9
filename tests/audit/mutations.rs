//! Everything that somebody could do to one entry of a journal, or to its end, as a list of changes with what must be
//! found of each. Start with [`all`].

use std::path::Path;

use rusqlite::{Connection, params};
use sluse::store::SqliteStore;
use sluse::store::chain::Stored;

use super::forge::{Found, insert, rechain};

type Change = Box<dyn Fn(&Connection) + Send + Sync>;

/// One change of a store.
pub struct Mutation {
    /// As a person would say it.
    pub fault: &'static str,
    /// Which one it is.
    pub case: String,
    /// The entry that must be named; None: something must be found.
    pub entry: Option<i64>,
    /// Whether it can be found without an anchor.
    pub without_anchor: bool,
    pub change: Change,
}

/// Of a text, so many letters are changed, one at a time.
const LETTERS: usize = 14;

/// And of a short one, so many.
const LETTERS_OF_NAME: usize = 6;

/// Every change of these entries.
pub fn all(entries: &[Found]) -> Vec<Mutation> {
    let mut all = Vec::new();
    for (i, found) in entries.iter().enumerate() {
        edits(&mut all, &found.stored, found);
        removals(&mut all, found.stored.seq, entries.len() as u64);
        insertions(&mut all, found, entries.len() as u64);
        if let Some(next) = entries.get(i + 1) {
            swaps(&mut all, &found.stored, &next.stored);
        }
        cuts(&mut all, found.stored.seq, entries.len() as u64);
        all.push(Mutation {
            fault: "an entry edited, and every hash from there on made anew",
            case: format!("entry {}", found.stored.seq),
            entry: Some(signed(found.stored.seq)),
            without_anchor: false,
            change: {
                let seq = found.stored.seq;
                Box::new(move |conn| {
                    set(conn, seq, "body", "body || ' '");
                    rechain(conn, seq);
                })
            },
        });
    }
    all
}

fn edits(all: &mut Vec<Mutation>, stored: &Stored, found: &Found) {
    let seq = stored.seq;
    let mut edit = |fault, case: String, change: Change| {
        let case = format!("entry {seq}: {case}");
        all.push(Mutation { fault, case, entry: Some(signed(seq)), without_anchor: true, change });
    };
    for to in ["seq + 1000", "0", "-seq"] {
        let change: Change = Box::new(move |conn| set(conn, seq, "seq", to));
        edit("an entry given another number", format!("number {to}"), change);
    }
    for to in ["version + 1", "0", "version | 0x10000000", "-1"] {
        edit("an entry's version edited", to.into(), Box::new(move |conn| set(conn, seq, "version", to)));
    }
    for bit in [0, 1, 20, 50] {
        let flipped = stored.at_micros ^ (1_i64 << bit);
        let change: Change = Box::new(move |conn| put(conn, seq, "at", flipped));
        edit("one bit of an entry's moment flipped", format!("bit {bit}"), change);
    }
    if let Some(exchange) = &stored.exchange {
        letters(exchange, LETTERS_OF_NAME, &mut |case, text| {
            let change: Change = Box::new(move |conn| put(conn, seq, "exchange", text.clone()));
            edit("one letter of an entry's exchange changed", case, change);
        });
        let change: Change = Box::new(move |conn| set(conn, seq, "exchange", "NULL"));
        edit("an entry's exchange taken away", "NULL".into(), change);
        let change: Change = Box::new(move |conn| set(conn, seq, "exchange", "upper(exchange)"));
        edit("one letter of an entry's exchange changed", "all in capitals".into(), change);
    }
    if stored.exchange.is_none() {
        let other = "'11111111-2222-4333-8444-555555555555'";
        let change: Change = Box::new(move |conn| set(conn, seq, "exchange", other));
        edit("an entry of the house given to an exchange", "one that is not there".into(), change);
    }
    letters(&stored.kind, LETTERS_OF_NAME, &mut |case, text| {
        let change: Change = Box::new(move |conn| put(conn, seq, "kind", text.clone()));
        edit("one letter of an entry's kind changed", case, change);
    });
    letters(&stored.body, LETTERS, &mut |case, text| {
        let change: Change = Box::new(move |conn| put(conn, seq, "body", text.clone()));
        edit("one letter of an entry's content changed", case, change);
    });
    for to in ["''", "body || ' '", "substr(body, 2)", "'no JSON'"] {
        edit("an entry's content replaced", to.into(), Box::new(move |conn| set(conn, seq, "body", to)));
    }
    for column in ["previous", "hash"] {
        let whole = match column {
            "hash" => found.hash.as_bytes().to_vec(),
            _ => vec![0xA5; 32],
        };
        for bit in [0, 100, 255] {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let change: Change = Box::new(move |conn| put(conn, seq, column, flipped.clone()));
            edit("an entry's hash or link edited", format!("{column}, bit {bit}"), change);
        }
        for to in ["x''", "substr(previous, 1, 31)", "hash || x'00'"] {
            let change: Change = Box::new(move |conn| set(conn, seq, column, &format!("CAST({to} AS BLOB)")));
            edit("an entry's hash or link edited", format!("{column} {to}"), change);
        }
    }
}

fn removals(all: &mut Vec<Mutation>, seq: u64, last: u64) {
    let mut removal = |fault, change: Change| {
        all.push(Mutation {
            fault,
            case: format!("entry {seq}"),
            entry: Some(signed(seq)),
            without_anchor: true,
            change,
        });
    };
    removal("an entry removed", Box::new(move |conn| remove(conn, "= ?1", seq)));
    // The last one, with nothing behind it, is a cut.
    if seq == last {
        return;
    }
    removal(
        "an entry removed, and those behind it numbered anew",
        Box::new(move |conn| {
            remove(conn, "= ?1", seq);
            renumber(conn, seq + 1, -1);
            remember_last(conn, None);
        }),
    );
}

fn insertions(all: &mut Vec<Mutation>, found: &Found, last: u64) {
    let (seq, stored, hash) = (found.stored.seq, found.stored.clone(), found.hash);
    let mut insertion = |fault, entry: u64, change: Change| {
        let case = format!("entry {seq}");
        all.push(Mutation { fault, case, entry: Some(signed(entry)), without_anchor: true, change });
    };
    let copy = stored.clone();
    insertion(
        "an entry put in a second time at the end",
        last + 1,
        Box::new(move |conn| insert(conn, &Stored { seq: last + 1, ..copy.clone() }, hash, hash)),
    );
    let copy = stored.clone();
    insertion(
        "an entry put in a second time behind itself, and those behind it numbered anew",
        seq + 1,
        Box::new(move |conn| {
            renumber(conn, seq + 1, 1);
            insert(conn, &Stored { seq: seq + 1, ..copy.clone() }, hash, hash);
        }),
    );
    if seq < last {
        insertion(
            "an invented entry with a fitting hash put in, and those behind it numbered anew",
            seq + 2,
            Box::new(move |conn| {
                renumber(conn, seq + 1, 1);
                let invented = Stored { seq: seq + 1, body: r#"{"fact":"handed_over"}"#.into(), ..stored.clone() };
                insert(conn, &invented, hash, invented.hash(hash));
            }),
        );
    }
}

fn swaps(all: &mut Vec<Mutation>, one: &Stored, other: &Stored) {
    let (first, second) = (one.seq, other.seq);
    let exchanged = |with: &'static str| -> Change {
        Box::new(move |conn| {
            conn.execute("UPDATE journal SET seq = -1 WHERE seq = ?1", [first]).unwrap();
            conn.execute("UPDATE journal SET seq = ?2 WHERE seq = ?1", [second, first]).unwrap();
            conn.execute("UPDATE journal SET seq = ?1 WHERE seq = -1", [second]).unwrap();
            if with == "their links" {
                conn.execute_batch("CREATE TEMP TABLE link AS SELECT seq, previous FROM journal").unwrap();
                for (to, from) in [(first, second), (second, first)] {
                    let sql = "UPDATE journal SET previous = (SELECT previous FROM link WHERE seq = ?2) WHERE seq = ?1";
                    conn.execute(sql, [to, from]).unwrap();
                }
            }
        })
    };
    for with in ["nothing else", "their links"] {
        all.push(Mutation {
            fault: "an entry swapped with the one behind it",
            case: format!("entries {first} and {second}, {with} changed"),
            entry: Some(signed(first)),
            without_anchor: true,
            change: exchanged(with),
        });
    }
}

/// The journal cut so that `seq` and all behind it are gone.
fn cuts(all: &mut Vec<Mutation>, seq: u64, last: u64) {
    let case = format!("cut at entry {seq} of {last}");
    all.push(Mutation {
        fault: "the journal's end cut off",
        case: case.clone(),
        entry: Some(signed(seq)),
        without_anchor: true,
        change: Box::new(move |conn| remove(conn, ">= ?1", seq)),
    });
    all.push(Mutation {
        fault: "the journal's end cut off, with its rows of the register and every trace",
        case,
        entry: Some(signed(last)),
        without_anchor: false,
        change: Box::new(move |conn| {
            conn.execute("DELETE FROM statement WHERE number >= ?1 << 32", [seq]).unwrap();
            conn.execute("DELETE FROM applied WHERE seq >= ?1", [seq]).unwrap();
            remove(conn, ">= ?1", seq);
            remember_last(conn, Some(seq - 1));
            // Whoever knows the journal's form knows the index's, too.
            conn.execute_batch("COMMIT").unwrap();
            SqliteStore::open(Path::new(conn.path().unwrap())).unwrap().rebuild_index().unwrap();
            conn.execute_batch("BEGIN").unwrap();
        }),
    });
}

/// The text with one letter changed, at so many places, in several ways.
fn letters(text: &str, places: usize, each: &mut dyn FnMut(String, String)) {
    assert!(text.is_ascii(), "what the journal writes here is plain");
    let places = places.min(text.len());
    for place in (0..places).map(|i| i * text.len() / places) {
        let mut bytes = text.as_bytes().to_vec();
        bytes[place] ^= 1 << (place % 7);
        each(format!("letter {place}"), String::from_utf8(bytes).expect("seven bits are plain"));
    }
}

fn set(conn: &Connection, seq: u64, column: &str, to: &str) {
    conn.execute(&format!("UPDATE journal SET {column} = {to} WHERE seq = ?1"), [seq]).unwrap();
}

fn put(conn: &Connection, seq: u64, column: &str, value: impl rusqlite::ToSql) {
    conn.execute(&format!("UPDATE journal SET {column} = ?2 WHERE seq = ?1"), params![seq, value]).unwrap();
}

fn remove(conn: &Connection, which: &str, seq: u64) {
    conn.execute(&format!("DELETE FROM journal WHERE seq {which}"), [seq]).unwrap();
}

/// Entries from this one on get numbers that are so much higher, or lower.
fn renumber(conn: &Connection, from: u64, by: i64) {
    conn.execute("UPDATE journal SET seq = -seq WHERE seq >= ?1", [from]).unwrap();
    conn.execute("UPDATE journal SET seq = -seq + ?1 WHERE seq < 0", [by]).unwrap();
}

/// SQLite's memory of the last number, as if it had never been higher.
fn remember_last(conn: &Connection, last: Option<u64>) {
    conn.execute(
        "UPDATE sqlite_sequence SET seq = coalesce(?1, (SELECT coalesce(max(seq), 0) FROM journal)) WHERE name = 'journal'",
        [last],
    )
    .unwrap();
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap()
}
