-- Spans, as they came in. Rows are only ever added.
--
-- Texts compare by their bytes (COLLATE "C"), whatever the database does otherwise, so that they have the order they have
-- in SQLite. Those that come from outside are escaped: Postgres' text has no place for U+0000 (src/escape.rs).

-- Whoever adds spans takes an advisory lock before it is given numbers, and holds it until its transaction is over: one
-- transaction at a time adds spans, on however many machines, so numbers are commit-ordered. Whoever sees N sees every
-- span up to N, because the next transaction is let in only when the one before is over for every new snapshot (ADR 11).
-- A sequence, because it gives no number twice, even after the newest rows were deleted.
CREATE SEQUENCE spans_numbers MINVALUE 0 START 0;

CREATE TABLE spans (
    ingest_seq         bigint PRIMARY KEY,
    org_id             text COLLATE "C" NOT NULL,
    trace_id           text COLLATE "C" NOT NULL,   -- 32 hex digits, lower case
    span_id            text COLLATE "C" NOT NULL,   -- 16 hex digits, lower case
    parent_span_id     text COLLATE "C",
    project_id         text COLLATE "C",
    document_uuid      text COLLATE "C",
    commit_uuid        text COLLATE "C",
    experiment_uuid    text COLLATE "C",
    test_deployment_id text COLLATE "C",
    type               text COLLATE "C" NOT NULL,   -- prompt, completion, embedding, tool, agent, other
    name               text COLLATE "C" NOT NULL,
    service            text COLLATE "C",
    provider           text COLLATE "C",
    model              text COLLATE "C",
    environment        text COLLATE "C",
    user_id            text COLLATE "C",
    session_id         text COLLATE "C",
    status_code        text COLLATE "C" NOT NULL,   -- OK, ERROR, UNSET
    status_message     text COLLATE "C",
    started_at         timestamptz NOT NULL,        -- rounded down to the microsecond
    ended_at           timestamptz,
    duration_ms        double precision,            -- from the nanoseconds
    prompt_tokens      bigint,
    completion_tokens  bigint,
    total_tokens       bigint,
    cost_usd           numeric(18, 9),
    started_ns         smallint NOT NULL,           -- the nanoseconds that started_at leaves out, 0 to 999
    ended_ns           smallint,
    input              text COLLATE "C",
    output             text COLLATE "C",
    attributes         json NOT NULL,
    resource           json NOT NULL,
    events             json NOT NULL
);

-- The first span with an identity wins.
CREATE UNIQUE INDEX spans_identity ON spans (org_id, trace_id, span_id);
-- The key, of spans and of prompts, and what a pass over it looks at beside.
CREATE INDEX spans_key ON spans (org_id, started_at, trace_id, span_id) INCLUDE (ingest_seq, type);
-- From a prompt to its completion.
CREATE INDEX spans_completions ON spans (org_id, trace_id, parent_span_id, started_at, span_id) INCLUDE (ingest_seq)
    WHERE type = 'completion';

-- Long texts are compressed while they come in: by the quick method, where the server has it.
DO $$
BEGIN
    ALTER TABLE spans ALTER COLUMN input SET COMPRESSION lz4, ALTER COLUMN output SET COMPRESSION lz4,
        ALTER COLUMN attributes SET COMPRESSION lz4, ALTER COLUMN resource SET COMPRESSION lz4,
        ALTER COLUMN events SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END
$$;

-- What the spans of a trace add up to, kept by the transaction that adds spans. Columns that hold a text chosen among the
-- spans begin with 37 characters that say how well placed the span is ('0' if it has no parent, else '1'; its start in 20
-- digits; its id), so that the better of two is the lesser (last_output: the greater). Texts that may be long are named
-- by the ingest_seq of the span that holds them.
CREATE TABLE traces (
    org_id             text COLLATE "C" NOT NULL,
    trace_id           text COLLATE "C" NOT NULL,
    settled_seq        bigint NOT NULL,             -- the last number of the transaction that brought the first spans
    last_seq           bigint NOT NULL,             -- the last number that went into this row
    started_at         timestamptz NOT NULL,
    ended_at           timestamptz,
    span_count         bigint NOT NULL,
    error_count        bigint NOT NULL,
    prompt_tokens      bigint,
    completion_tokens  bigint,
    total_tokens       bigint,
    cost_usd           numeric,                     -- of any number of digits
    first_name         text COLLATE "C" NOT NULL,
    first_type         text COLLATE "C" NOT NULL,
    first_status       text COLLATE "C" NOT NULL,
    first_project      text COLLATE "C",
    first_document     text COLLATE "C",
    first_commit       text COLLATE "C",
    first_experiment   text COLLATE "C",
    first_deployment   text COLLATE "C",
    first_service      text COLLATE "C",
    first_provider     text COLLATE "C",
    first_model        text COLLATE "C",
    first_environment  text COLLATE "C",
    first_user         text COLLATE "C",
    first_session      text COLLATE "C",
    first_input        text COLLATE "C",
    last_output        text COLLATE "C",
    PRIMARY KEY (org_id, trace_id)
);

CREATE INDEX traces_key ON traces (org_id, started_at, trace_id) INCLUDE (last_seq);
-- Traces that more than one transaction brought spans for: the ones that may differ at an older cut-off.
CREATE INDEX traces_grown ON traces (org_id, last_seq, settled_seq) WHERE last_seq > settled_seq;
