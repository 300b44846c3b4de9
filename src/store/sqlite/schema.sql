-- Layout version 1. Dates are integers CCYYMMDD; moments are microseconds since 1970 UTC; amounts are øre.
-- Facts and history are only ever appended to: the triggers refuse anything else, INSERT OR REPLACE too.

-- Everything that happened. The chain of hashes is documented in src/store/chain.rs. AUTOINCREMENT makes
-- SQLite remember the highest number ever given, so that a last entry that was removed is missed.
CREATE TABLE journal (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    version  INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    exchange TEXT,                  -- the file id; NULL: the house
    kind     TEXT NOT NULL,
    body     TEXT NOT NULL,         -- JSON
    previous BLOB NOT NULL,
    hash     BLOB NOT NULL
) STRICT;

-- Each reply that the register holds, by the journal entry that says so.
CREATE TABLE applied (
    seq          INTEGER PRIMARY KEY REFERENCES journal (seq),
    exchange     TEXT NOT NULL,     -- the exchange's name in the settings
    municipality TEXT NOT NULL,
    known_at     INTEGER NOT NULL,
    as_of        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX applied_of_route ON applied (exchange, municipality, seq);

-- What an applied reply made known of one agreement. It speaks about asserts_from (NULL: the beginning of
-- time) and every later day: in force until valid_to, or not at all where it ended. What an ended one holds
-- of the agreement is what was known before.
CREATE TABLE statement (
    exchange     TEXT NOT NULL,
    municipality TEXT NOT NULL,
    agreement    TEXT NOT NULL,     -- the key
    seq          INTEGER NOT NULL REFERENCES applied (seq),
    known_at     INTEGER NOT NULL,
    change       TEXT NOT NULL CHECK (change IN ('new', 'changed', 'ended', 'resumed')),
    asserts_from INTEGER,
    payer        TEXT,              -- CPR, ten digits
    valid_from   INTEGER,
    valid_to     INTEGER,
    amount_oere  INTEGER,
    other        TEXT NOT NULL,     -- JSON object
    PRIMARY KEY (exchange, municipality, agreement, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX statement_of_reply ON statement (seq);

-- An index only: the last statement of each agreement. It can be made again from the history.
CREATE TABLE latest (
    exchange     TEXT NOT NULL,
    municipality TEXT NOT NULL,
    agreement    TEXT NOT NULL,
    seq          INTEGER NOT NULL,
    PRIMARY KEY (exchange, municipality, agreement)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER journal_grows_at_its_end BEFORE INSERT ON journal
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
BEGIN SELECT RAISE(ABORT, 'the journal only grows at its end'); END;
CREATE TRIGGER journal_is_never_updated BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is never updated'); END;
CREATE TRIGGER journal_is_never_deleted BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is never deleted from'); END;

CREATE TRIGGER applied_grows_at_its_end BEFORE INSERT ON applied
WHEN NEW.seq IS NOT (SELECT max(seq) FROM journal) OR EXISTS (SELECT 1 FROM applied WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the history only grows at its end'); END;
CREATE TRIGGER applied_is_never_updated BEFORE UPDATE ON applied
BEGIN SELECT RAISE(ABORT, 'the history is never updated'); END;
CREATE TRIGGER applied_is_never_deleted BEFORE DELETE ON applied
BEGIN SELECT RAISE(ABORT, 'the history is never deleted from'); END;

CREATE TRIGGER statement_grows_at_its_end BEFORE INSERT ON statement
WHEN NEW.seq IS NOT (SELECT max(seq) FROM journal) OR EXISTS (
    SELECT 1 FROM statement
    WHERE exchange = NEW.exchange AND municipality = NEW.municipality
      AND agreement = NEW.agreement AND seq = NEW.seq
)
BEGIN SELECT RAISE(ABORT, 'the history only grows at its end'); END;
CREATE TRIGGER statement_is_never_updated BEFORE UPDATE ON statement
BEGIN SELECT RAISE(ABORT, 'the history is never updated'); END;
CREATE TRIGGER statement_is_never_deleted BEFORE DELETE ON statement
BEGIN SELECT RAISE(ABORT, 'the history is never deleted from'); END;
