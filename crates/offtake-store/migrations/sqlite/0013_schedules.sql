-- Schedules, their runs, buckets of the organizations' own, and what is delivered there.
-- Moments are microseconds since the epoch.

CREATE TABLE schedules (
    id            TEXT    NOT NULL PRIMARY KEY,
    org           TEXT    NOT NULL,
    owner         TEXT    NOT NULL,
    owner_email   TEXT,
    needs         TEXT    NOT NULL,
    sees_all      INTEGER NOT NULL,
    content       TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'paused')),
    pause_reason  TEXT,
    pause_detail  TEXT,
    -- Where the next window begins.
    position      TEXT,
    next_run_at   INTEGER,
    last_run_at   INTEGER,
    errors        INTEGER NOT NULL DEFAULT 0,
    last_error    TEXT,
    version       INTEGER NOT NULL DEFAULT 1,
    -- Who evaluates it, until when; the number voids every earlier claim when it moves.
    fence         INTEGER NOT NULL DEFAULT 0,
    claimed_until INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    CHECK ((state = 'active') = (next_run_at IS NOT NULL)),
    CHECK ((state = 'paused') = (pause_reason IS NOT NULL))
) STRICT;

CREATE INDEX schedules_of_org ON schedules (org, id);
CREATE INDEX schedules_due ON schedules (next_run_at) WHERE state = 'active';

CREATE TABLE schedule_runs (
    job         TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    org         TEXT    NOT NULL,
    schedule    TEXT    NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    kind        TEXT    NOT NULL CHECK (kind IN ('scheduled', 'asked', 'backfill')),
    -- What makes the window one: no two jobs export it.
    window_key  TEXT    NOT NULL,
    window_from TEXT,
    window_to   TEXT,
    due_at      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    -- The attempt whose end was noted.
    noted       INTEGER NOT NULL DEFAULT 0,
    ended       INTEGER NOT NULL DEFAULT 0,
    UNIQUE (schedule, window_key)
) STRICT;

CREATE INDEX schedule_runs_open ON schedule_runs (job) WHERE ended = 0;

CREATE TABLE destinations (
    id         TEXT    NOT NULL PRIMARY KEY,
    org        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    content    TEXT    NOT NULL,
    secret     TEXT    NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    probed_at  INTEGER NOT NULL,
    UNIQUE (org, name)
) STRICT;

-- One for each job that is to be delivered, from the moment it is asked for; owed as soon as the job is completed.
CREATE TABLE deliveries (
    job           TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    org           TEXT    NOT NULL,
    destination   TEXT    NOT NULL,
    object_key    TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    tries         INTEGER NOT NULL DEFAULT 0,
    due_at        INTEGER NOT NULL,
    fence         INTEGER NOT NULL DEFAULT 0,
    claimed_until INTEGER,
    error         TEXT,
    delivered_at  INTEGER
) STRICT;

CREATE INDEX deliveries_owed ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_to ON deliveries (destination);
