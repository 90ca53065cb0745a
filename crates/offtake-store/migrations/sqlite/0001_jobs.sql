-- Jobs, what belongs to them, and the rows of their files.
-- Moments are microseconds since the epoch. Enumerations are spelled as in the API.

CREATE TABLE jobs (
    id                      TEXT    NOT NULL PRIMARY KEY,
    org                     TEXT    NOT NULL,
    owner                   TEXT    NOT NULL,
    owner_email             TEXT,
    dataset                 TEXT    NOT NULL,
    name                    TEXT    NOT NULL,
    file_name               TEXT    NOT NULL,
    status                  TEXT    NOT NULL
        CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    phase                   TEXT    NOT NULL,
    -- The lease: who works on it, until when, and the number that voids every earlier lease when it moves.
    attempt                 INTEGER NOT NULL DEFAULT 0,
    fence                   INTEGER NOT NULL DEFAULT 0,
    worker                  TEXT,
    lease_until             INTEGER,
    -- In a row without a checkpoint that reaches further than any before.
    failures                INTEGER NOT NULL DEFAULT 0,
    deaths                  INTEGER NOT NULL DEFAULT 0,
    -- Rows in the furthest checkpoint ever made, which survives the checkpoint itself; -1 before the first.
    furthest_rows           INTEGER NOT NULL DEFAULT -1,
    rows_done               INTEGER NOT NULL DEFAULT 0,
    bytes_done              INTEGER NOT NULL DEFAULT 0,
    rows_per_second         REAL    NOT NULL DEFAULT 0,
    rows_matching           INTEGER,
    rows_expected           INTEGER,
    error_code              TEXT,
    error_message           TEXT,
    request_id              TEXT,
    traceparent             TEXT,
    idempotency_key         TEXT,
    idempotency_fingerprint TEXT,
    pinned_to               TEXT,
    created_at              INTEGER NOT NULL,
    run_at                  INTEGER NOT NULL,
    started_at              INTEGER,
    completed_at            INTEGER,
    expires_at              INTEGER,
    CHECK ((status = 'processing') = (worker IS NOT NULL)),
    CHECK ((status = 'processing') = (lease_until IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX jobs_idempotency ON jobs (org, owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_of_org ON jobs (org, id);
CREATE INDEX jobs_of_owner ON jobs (org, owner, id);
CREATE INDEX jobs_of_request ON jobs (org, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE status = 'pending';
CREATE INDEX jobs_leased ON jobs (lease_until, id) WHERE status = 'processing';
CREATE INDEX jobs_resting ON jobs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE status = 'completed';

-- Apart from the jobs, because they can be large (10,000 identities, thousands of cuts) and a heartbeat
-- rewrites the whole row of its job.
CREATE TABLE job_specs (
    job  TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    spec TEXT NOT NULL
) STRICT;

CREATE TABLE job_plans (
    job  TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    plan TEXT NOT NULL
) STRICT;

CREATE TABLE artifacts (
    id          TEXT    NOT NULL PRIMARY KEY,
    job         TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    org         TEXT    NOT NULL,
    attempt     INTEGER NOT NULL,
    object_key  TEXT    NOT NULL UNIQUE,
    state       TEXT    NOT NULL CHECK (state IN ('staged', 'ready', 'expired', 'deleted')),
    format      TEXT    NOT NULL,
    compression TEXT    NOT NULL,
    media_type  TEXT    NOT NULL,
    file_name   TEXT    NOT NULL,
    bytes       INTEGER,
    sha256      TEXT,
    receipt     TEXT,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX artifacts_of_job ON artifacts (job);
CREATE INDEX artifacts_in_state ON artifacts (state, id);
-- At most one file of a job is for its owner.
CREATE UNIQUE INDEX artifacts_ready ON artifacts (job) WHERE state = 'ready';

CREATE TABLE job_checkpoints (
    job        TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    artifact   TEXT NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    checkpoint TEXT NOT NULL
) STRICT;

CREATE INDEX job_checkpoints_of_artifact ON job_checkpoints (artifact);

CREATE TABLE performance (
    job             TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    org             TEXT    NOT NULL,
    dataset         TEXT    NOT NULL,
    format          TEXT    NOT NULL,
    completed_at    INTEGER NOT NULL,
    rows_done       INTEGER NOT NULL,
    bytes_done      INTEGER NOT NULL,
    duration_ms     INTEGER NOT NULL,
    frame_ms_p50    REAL    NOT NULL,
    frame_ms_p95    REAL    NOT NULL,
    frame_ms_max    REAL    NOT NULL,
    frame_bytes_p50 INTEGER NOT NULL,
    frame_bytes_p95 INTEGER NOT NULL,
    frame_bytes_max INTEGER NOT NULL,
    peak_memory     INTEGER NOT NULL
) STRICT;

CREATE INDEX performance_of_org ON performance (org, completed_at, job);
