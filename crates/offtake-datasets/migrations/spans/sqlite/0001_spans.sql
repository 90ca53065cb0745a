-- Spans, as they came in. Rows are only ever added.
--
-- ingest_seq is commit-ordered: SQLite lets one transaction write at a time, whatever the number of processes, and a
-- transaction of ours takes that right (BEGIN IMMEDIATE) before it is given a number. So every number of a transaction
-- that commits later is larger than all numbers committed before, and whoever sees N sees everything up to N.
-- AUTOINCREMENT: a number is never given twice, even after the newest rows were deleted.
CREATE TABLE spans (
    ingest_seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    org_id             TEXT    NOT NULL,
    trace_id           TEXT    NOT NULL,   -- 32 hex digits, lower case
    span_id            TEXT    NOT NULL,   -- 16 hex digits, lower case
    parent_span_id     TEXT,
    project_id         TEXT,
    document_uuid      TEXT,
    commit_uuid        TEXT,
    experiment_uuid    TEXT,
    test_deployment_id TEXT,
    type               TEXT    NOT NULL,   -- prompt, completion, embedding, tool, agent, other
    name               TEXT    NOT NULL,
    service            TEXT,
    provider           TEXT,
    model              TEXT,
    environment        TEXT,
    user_id            TEXT,
    session_id         TEXT,
    status_code        TEXT    NOT NULL,   -- OK, ERROR, UNSET
    status_message     TEXT,
    started_at         INTEGER NOT NULL,   -- microseconds since the epoch, rounded down
    ended_at           INTEGER,
    duration_ms        REAL,               -- from the nanoseconds
    prompt_tokens      INTEGER,
    completion_tokens  INTEGER,
    total_tokens       INTEGER,
    cost_usd           INTEGER,            -- nano-dollars
    started_ns         INTEGER NOT NULL,   -- the nanoseconds that started_at leaves out, 0 to 999
    ended_ns           INTEGER,
    input              TEXT,
    output             TEXT,
    attributes         TEXT    NOT NULL,
    resource           TEXT    NOT NULL,
    events             TEXT    NOT NULL
);

-- The first span with an identity wins.
CREATE UNIQUE INDEX spans_identity ON spans (org_id, trace_id, span_id);
-- The key, of spans and of prompts. The rowid is in every index, so the cut-off is covered.
CREATE INDEX spans_key ON spans (org_id, started_at, trace_id, span_id, type);
-- From a prompt to its completion.
CREATE INDEX completions ON spans (org_id, trace_id, parent_span_id, started_at, span_id) WHERE type = 'completion';

-- What the spans of a trace add up to, kept by the transaction that adds spans. Columns that hold a text chosen among the
-- spans begin with 34 characters that say how well placed the span is ('0' if it has no parent, else '1'; its start in 17
-- digits; its id), so that the better of two is their minimum (last_output: the maximum). Texts that may be long are named
-- by the ingest_seq of the span that holds them.
CREATE TABLE traces (
    org_id             TEXT    NOT NULL,
    trace_id           TEXT    NOT NULL,
    settled_seq        INTEGER NOT NULL,   -- the last sequence of the transaction that brought the first spans
    last_seq           INTEGER NOT NULL,   -- the last sequence that went into this row
    started_at         INTEGER NOT NULL,
    ended_at           INTEGER,
    span_count         INTEGER NOT NULL,
    error_count        INTEGER NOT NULL,
    prompt_tokens      INTEGER,
    completion_tokens  INTEGER,
    total_tokens       INTEGER,
    cost_dollars       INTEGER,            -- whole dollars of each span, and
    cost_nanos         INTEGER,            -- what is left of each, so that neither sum can overflow
    first_name         TEXT    NOT NULL,
    first_type         TEXT    NOT NULL,
    first_status       TEXT    NOT NULL,
    first_project      TEXT,
    first_document     TEXT,
    first_commit       TEXT,
    first_experiment   TEXT,
    first_deployment   TEXT,
    first_service      TEXT,
    first_provider     TEXT,
    first_model        TEXT,
    first_environment  TEXT,
    first_user         TEXT,
    first_session      TEXT,
    first_input        TEXT,
    last_output        TEXT
);

CREATE UNIQUE INDEX traces_identity ON traces (org_id, trace_id);
CREATE INDEX traces_key ON traces (org_id, started_at, trace_id, last_seq);
-- Traces that more than one transaction brought spans for: the ones that may differ at an older cut-off.
CREATE INDEX traces_grown ON traces (org_id, last_seq, settled_seq) WHERE last_seq > settled_seq;
