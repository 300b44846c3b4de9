-- Layout version 2. Dates are integers CCYYMMDD; moments are microseconds since 1970 UTC; amounts are øre.
-- Facts and history are only ever appended to: the triggers refuse anything else, INSERT OR REPLACE too. Only a checkpoint
-- of retention removes, with the triggers out of the way (src/store/sqlite/checkpoint.rs).
-- Layout 1 had no tables of retention, and a foreign key from applied to journal; see src/store/sqlite/database.rs.

-- Everything that happened. The chain of hashes is documented in src/store/chain.rs. AUTOINCREMENT makes
-- SQLite remember the highest number ever given, so that a last entry that was removed is missed.
CREATE TABLE IF NOT EXISTS journal (
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
CREATE TABLE IF NOT EXISTS applied (
    seq          INTEGER PRIMARY KEY,
    exchange     TEXT NOT NULL,     -- the exchange's name in the settings
    municipality TEXT NOT NULL,
    known_at     INTEGER NOT NULL,
    as_of        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS applied_of_route ON applied (exchange, municipality, seq);

-- What an applied reply made known of one agreement; the reply's route, moment and day stand in applied. An ended one
-- holds what was known before. The rows of a reply lie together, in the order of their agreements.
CREATE TABLE IF NOT EXISTS statement (
    number      INTEGER PRIMARY KEY, -- the reply's seq * 2^32 + its place among the reply's, from 0
    former      INTEGER,             -- the number of the agreement's statement before this one; NULL: it is the first
    agreement   TEXT NOT NULL,       -- the key
    change      TEXT NOT NULL,       -- new, changed, ended, resumed
    payer       TEXT,                -- CPR, ten digits
    valid_from  INTEGER,
    valid_to    INTEGER,
    amount_oere INTEGER,
    other       TEXT NOT NULL        -- JSON object
) STRICT;

-- The same for people and for what is slow: each statement with its reply. It speaks about asserts_from (NULL: the
-- beginning of time) and every later day: in force until valid_to, or not at all where it ended.
CREATE VIEW IF NOT EXISTS history AS
SELECT a.exchange, a.municipality, s.agreement, a.seq, a.known_at, s.change,
       iif(s.change = 'ended', a.as_of, s.valid_from) AS asserts_from,
       s.payer, s.valid_from, s.valid_to, s.amount_oere, s.other, s.number, s.former
FROM statement s JOIN applied a ON a.seq = s.number >> 32;

-- An index only: the last statement of each agreement of a route, in order, some hundreds to a leaf (written and read in
-- src/store/sqlite/leaf.rs). It can be made again from the history.
CREATE TABLE IF NOT EXISTS latest (
    exchange     TEXT NOT NULL,
    municipality TEXT NOT NULL,
    first        TEXT NOT NULL,     -- the leaf's first agreement
    leaf         BLOB NOT NULL,
    PRIMARY KEY (exchange, municipality, first)
) STRICT, WITHOUT ROWID;

-- What retention has taken out of the journal: number and hash, so that the chain can be followed, and where a story is
-- told on without its files, what the entry says now (all NULL: nothing).
CREATE TABLE IF NOT EXISTS removed (
    seq      INTEGER PRIMARY KEY,
    hash     BLOB NOT NULL,
    version  INTEGER,
    at       INTEGER,
    exchange TEXT,
    kind     TEXT,
    body     TEXT
) STRICT;

-- What every checkpoint has left behind (src/store/removal.rs), chained; its entry in the journal has the last link.
CREATE TABLE IF NOT EXISTS remains (
    number INTEGER PRIMARY KEY,
    seq    INTEGER NOT NULL,        -- the checkpoint's entry
    body   TEXT NOT NULL,           -- JSON
    link   BLOB NOT NULL
) STRICT;

-- Files that a checkpoint has given up and that are not known to be gone, below the state folder.
CREATE TABLE IF NOT EXISTS to_unlink (file TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

-- The key of the hashes of what was removed. One row, from the first checkpoint on.
CREATE TABLE IF NOT EXISTS secret (key BLOB NOT NULL) STRICT;

CREATE TRIGGER IF NOT EXISTS journal_grows_at_its_end BEFORE INSERT ON journal
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM journal)
BEGIN SELECT RAISE(ABORT, 'the journal only grows at its end'); END;
CREATE TRIGGER IF NOT EXISTS journal_is_never_updated BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is never updated'); END;
CREATE TRIGGER IF NOT EXISTS journal_is_never_deleted BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is never deleted from'); END;

CREATE TRIGGER IF NOT EXISTS applied_grows_at_its_end BEFORE INSERT ON applied
WHEN NEW.seq IS NOT (SELECT max(seq) FROM journal) OR EXISTS (SELECT 1 FROM applied WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the history only grows at its end'); END;
CREATE TRIGGER IF NOT EXISTS applied_is_never_updated BEFORE UPDATE ON applied
BEGIN SELECT RAISE(ABORT, 'the history is never updated'); END;
CREATE TRIGGER IF NOT EXISTS applied_is_never_deleted BEFORE DELETE ON applied
BEGIN SELECT RAISE(ABORT, 'the history is never deleted from'); END;

-- Whoever writes a whole reply looks once for all of its rows, see src/store/sqlite/compare.rs.
CREATE TRIGGER IF NOT EXISTS statement_grows_at_its_end BEFORE INSERT ON statement
WHEN NEW.number >> 32 IS NOT (SELECT max(seq) FROM journal)
  OR NEW.number <= (SELECT coalesce(max(number), 0) FROM statement)
BEGIN SELECT RAISE(ABORT, 'the history only grows at its end'); END;
CREATE TRIGGER IF NOT EXISTS statement_is_never_updated BEFORE UPDATE ON statement
BEGIN SELECT RAISE(ABORT, 'the history is never updated'); END;
CREATE TRIGGER IF NOT EXISTS statement_is_never_deleted BEFORE DELETE ON statement
BEGIN SELECT RAISE(ABORT, 'the history is never deleted from'); END;

CREATE TRIGGER IF NOT EXISTS remains_grow_at_their_end BEFORE INSERT ON remains
WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM remains)
BEGIN SELECT RAISE(ABORT, 'what is left behind only grows at its end'); END;
CREATE TRIGGER IF NOT EXISTS remains_are_never_updated BEFORE UPDATE ON remains
BEGIN SELECT RAISE(ABORT, 'what is left behind is never updated'); END;
CREATE TRIGGER IF NOT EXISTS remains_are_never_deleted BEFORE DELETE ON remains
BEGIN SELECT RAISE(ABORT, 'what is left behind is never deleted from'); END;
CREATE TRIGGER IF NOT EXISTS removed_is_never_deleted BEFORE DELETE ON removed
BEGIN SELECT RAISE(ABORT, 'what was removed is never deleted from'); END;
CREATE TRIGGER IF NOT EXISTS secret_is_never_updated BEFORE UPDATE ON secret
BEGIN SELECT RAISE(ABORT, 'the key stays as it is'); END;
CREATE TRIGGER IF NOT EXISTS secret_is_never_deleted BEFORE DELETE ON secret
BEGIN SELECT RAISE(ABORT, 'the key stays as it is'); END;
