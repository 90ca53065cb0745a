-- What happened in an organization, numbered without gaps in the order of commit, and who is owed word of it.
CREATE TABLE event_counters (
    org TEXT    NOT NULL PRIMARY KEY,
    -- The number of the newest event.
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    org   TEXT    NOT NULL,
    seq   INTEGER NOT NULL,
    kind  TEXT    NOT NULL,
    -- No reference: what happened to a job is told for some time after its row is gone.
    job   TEXT,
    -- Whose it is; NULL: the organization's.
    owner TEXT,
    at    INTEGER NOT NULL,
    -- JSON.
    data  TEXT    NOT NULL,
    PRIMARY KEY (org, seq)
) STRICT;

CREATE INDEX events_of_job ON events (job, seq) WHERE job IS NOT NULL;

CREATE TABLE notifications (
    id          TEXT    NOT NULL PRIMARY KEY,
    org         TEXT    NOT NULL,
    channel     TEXT    NOT NULL CHECK (channel IN ('email', 'webhook')),
    address     TEXT    NOT NULL,
    -- What it is about.
    event       INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    -- Counted when somebody takes it, so that one who dies of it is counted too.
    tries       INTEGER NOT NULL DEFAULT 0,
    -- Whoever takes it moves this to the end of the time they have for it.
    due_at      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    worker      TEXT,
    fence       INTEGER NOT NULL DEFAULT 0,
    last_answer TEXT,
    FOREIGN KEY (org, event) REFERENCES events (org, seq)
) STRICT;

CREATE INDEX notifications_due ON notifications (due_at, id) WHERE state = 'pending';
CREATE INDEX notifications_of_org ON notifications (org, id);
CREATE INDEX notifications_of_event ON notifications (org, event);
CREATE INDEX notifications_ended ON notifications (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE notification_tries (
    notification TEXT    NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    number       INTEGER NOT NULL,
    org          TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    answer       TEXT    NOT NULL,
    -- Microseconds.
    took         INTEGER NOT NULL,
    PRIMARY KEY (notification, number)
) STRICT, WITHOUT ROWID;

-- What is wrong with the installation, and whom that was told: once when it begins and once when it is over.
CREATE TABLE alarms (
    org      TEXT    NOT NULL,
    code     TEXT    NOT NULL,
    is_on    INTEGER NOT NULL,
    begun_at INTEGER NOT NULL,
    -- Who saw it last, and when: nobody else says that it is over.
    seen_by  TEXT    NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (org, code)
) STRICT, WITHOUT ROWID;
