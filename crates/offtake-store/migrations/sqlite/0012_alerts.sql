-- What organizations want to be told about their own traces.
CREATE TABLE alerts (
    id         TEXT    NOT NULL PRIMARY KEY,
    org        TEXT    NOT NULL,
    -- JSON: what the rule says.
    content    TEXT    NOT NULL,
    version    INTEGER NOT NULL DEFAULT 1,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- JSON: how things stand.
    state      TEXT    NOT NULL
) WITHOUT ROWID;

CREATE INDEX alerts_org ON alerts (org, id);

-- What was counted for a rule: of a metric in slots of its window, of a budget in its periods. What it says is for whoever
-- counts.
CREATE TABLE alert_tallies (
    alert TEXT    NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    org   TEXT    NOT NULL,
    slot  INTEGER NOT NULL,
    tally TEXT    NOT NULL,
    PRIMARY KEY (alert, slot)
) WITHOUT ROWID;

-- How far the spans were counted, and who counts: one row.
CREATE TABLE alert_watch (
    id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Up to here everything is in the tallies, and was there at that moment.
    position    INTEGER,
    seen_at     INTEGER,
    -- Grows with every change of a rule.
    rules       INTEGER NOT NULL DEFAULT 0,
    holder      TEXT,
    holds_until INTEGER NOT NULL DEFAULT 0,
    fence       INTEGER NOT NULL DEFAULT 0
);

INSERT INTO alert_watch (id) VALUES (1);
