-- Jobs, what belongs to them, and the rows of their files.
-- Names without a schema are in the schema of the session. Ids and names sort by their bytes (COLLATE "C"), whatever
-- the database's own order is, so that lists and pages are the same on every server.
-- Moments are microseconds since the epoch. Enumerations are spelled as in the API.

CREATE TABLE jobs (
    id                      text COLLATE "C" NOT NULL PRIMARY KEY,
    org                     text COLLATE "C" NOT NULL,
    owner                   text COLLATE "C" NOT NULL,
    owner_email             text,
    dataset                 text COLLATE "C" NOT NULL,
    name                    text    NOT NULL,
    file_name               text    NOT NULL,
    status                  text    NOT NULL
        CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')),
    phase                   text    NOT NULL,
    -- The lease: who works on it, until when, and the number that voids every earlier lease when it moves.
    attempt                 bigint NOT NULL DEFAULT 0,
    fence                   bigint NOT NULL DEFAULT 0,
    worker                  text COLLATE "C",
    lease_until             bigint,
    -- In a row without a checkpoint that reaches further than any before.
    failures                bigint NOT NULL DEFAULT 0,
    deaths                  bigint NOT NULL DEFAULT 0,
    -- Rows in the furthest checkpoint ever made, which survives the checkpoint itself; -1 before the first.
    furthest_rows           bigint NOT NULL DEFAULT -1,
    rows_done               bigint NOT NULL DEFAULT 0,
    bytes_done              bigint NOT NULL DEFAULT 0,
    rows_per_second         double precision NOT NULL DEFAULT 0,
    rows_matching           bigint,
    rows_expected           bigint,
    error_code              text,
    error_message           text,
    request_id              text,
    traceparent             text,
    idempotency_key         text,
    idempotency_fingerprint text,
    pinned_to               text COLLATE "C",
    created_at              bigint NOT NULL,
    run_at                  bigint NOT NULL,
    started_at              bigint,
    completed_at            bigint,
    expires_at              bigint,
    CHECK ((status = 'processing') = (worker IS NOT NULL)),
    CHECK ((status = 'processing') = (lease_until IS NOT NULL))
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX jobs_idempotency ON jobs (org, owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_of_org ON jobs (org, id);
CREATE INDEX jobs_of_owner ON jobs (org, owner, id);
CREATE INDEX jobs_of_request ON jobs (org, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE status = 'pending';
CREATE INDEX jobs_leased ON jobs (lease_until, id) WHERE status = 'processing';
CREATE INDEX jobs_of_worker ON jobs (worker) WHERE status = 'processing';
CREATE INDEX jobs_resting ON jobs (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_expiring ON jobs (expires_at) WHERE status = 'completed';

-- Apart from the jobs, because they can be large (10,000 identities, thousands of cuts) and a heartbeat
-- rewrites the whole row of its job.
CREATE TABLE job_specs (
    job  text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    spec text NOT NULL
);

CREATE TABLE job_plans (
    job  text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    plan text NOT NULL
);

CREATE TABLE artifacts (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    job         text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    org         text COLLATE "C" NOT NULL,
    attempt     bigint NOT NULL,
    object_key  text    NOT NULL UNIQUE,
    state       text    NOT NULL CHECK (state IN ('staged', 'ready', 'expired', 'deleted')),
    format      text    NOT NULL,
    compression text    NOT NULL,
    media_type  text    NOT NULL,
    file_name   text    NOT NULL,
    bytes       bigint,
    sha256      text,
    receipt     text,
    created_at  bigint NOT NULL
);

CREATE INDEX artifacts_of_job ON artifacts (job);
-- What the sweep looks at, in its order.
CREATE INDEX artifacts_to_sweep ON artifacts (id) WHERE state IN ('staged', 'expired');
-- At most one file of a job is for its owner.
CREATE UNIQUE INDEX artifacts_ready ON artifacts (job) WHERE state = 'ready';

CREATE TABLE job_checkpoints (
    job        text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    artifact   text COLLATE "C" NOT NULL REFERENCES artifacts (id) ON DELETE CASCADE,
    checkpoint text NOT NULL
);

CREATE INDEX job_checkpoints_of_artifact ON job_checkpoints (artifact);

CREATE TABLE performance (
    job             text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    org             text COLLATE "C" NOT NULL,
    dataset         text COLLATE "C" NOT NULL,
    format          text    NOT NULL,
    completed_at    bigint NOT NULL,
    rows_done       bigint NOT NULL,
    bytes_done      bigint NOT NULL,
    duration_ms     bigint NOT NULL,
    frame_ms_p50    double precision NOT NULL,
    frame_ms_p95    double precision NOT NULL,
    frame_ms_max    double precision NOT NULL,
    frame_bytes_p50 bigint NOT NULL,
    frame_bytes_p95 bigint NOT NULL,
    frame_bytes_max bigint NOT NULL,
    peak_memory     bigint NOT NULL
);

CREATE INDEX performance_of_org ON performance (org, completed_at, job);
