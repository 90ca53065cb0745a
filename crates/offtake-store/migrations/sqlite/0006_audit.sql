-- The audit trail: one chain of entries for each organization. ADR 15 says what it proves.
CREATE TABLE audit_entries (
    org         TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    actor       TEXT    NOT NULL,
    via         TEXT    NOT NULL,
    action      TEXT    NOT NULL,
    object_kind TEXT    NOT NULL,
    object_id   TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    address     TEXT,
    user_agent  TEXT,
    request_id  TEXT,
    detail      TEXT    NOT NULL,
    previous    TEXT    NOT NULL,
    hash        TEXT    NOT NULL,
    PRIMARY KEY (org, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_entries_by_object ON audit_entries (org, object_id, number);
CREATE INDEX audit_entries_by_moment ON audit_entries (org, at);

-- Where each chain ends, and where what is kept of it begins.
CREATE TABLE audit_heads (
    org    TEXT    NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    hash   TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    first  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_entries_are_appended BEFORE INSERT ON audit_entries
WHEN NOT EXISTS (SELECT 1 FROM audit_heads
                 WHERE org = NEW.org AND number = NEW.number - 1 AND hash = NEW.previous)
BEGIN SELECT raise(ABORT, 'audit entries are only appended'); END;

CREATE TRIGGER audit_entries_are_never_changed BEFORE UPDATE ON audit_entries
BEGIN SELECT raise(ABORT, 'audit entries are never changed'); END;

CREATE TRIGGER audit_entries_are_not_deleted BEFORE DELETE ON audit_entries
WHEN NOT EXISTS (SELECT 1 FROM audit_heads WHERE org = OLD.org AND first > OLD.number)
BEGIN SELECT raise(ABORT, 'audit entries are only pruned from the oldest on, behind an anchor'); END;

CREATE TRIGGER audit_heads_begin_once BEFORE INSERT ON audit_heads
WHEN NEW.number <> 0 OR NEW.first <> 1 OR EXISTS (SELECT 1 FROM audit_heads WHERE org = NEW.org)
BEGIN SELECT raise(ABORT, 'the head of a chain is made once'); END;

-- It only follows the entries; the beginning only moves when the last entry is an anchor.
CREATE TRIGGER audit_heads_follow_the_entries BEFORE UPDATE ON audit_heads
WHEN NEW.org <> OLD.org
  OR NEW.first < OLD.first
  OR NOT EXISTS (SELECT 1 FROM audit_entries WHERE org = NEW.org AND number = NEW.number AND hash = NEW.hash
                 AND number > OLD.number AND (NEW.first = OLD.first OR action = 'audit.prune'))
BEGIN SELECT raise(ABORT, 'the head of a chain only follows its entries'); END;

CREATE TRIGGER audit_heads_are_not_deleted BEFORE DELETE ON audit_heads
BEGIN SELECT raise(ABORT, 'the head of a chain is never deleted'); END;
