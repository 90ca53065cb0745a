-- An LLM workbench: prompts kept as documents with commits, tried in experiments and test deployments, and the spans
-- of their runs. Completions and metadata are large and have tables of their own. PostgreSQL 15 or later.

BEGIN;

CREATE TYPE span_type   AS ENUM ('prompt', 'completion', 'tool', 'agent');
CREATE TYPE span_status AS ENUM ('OK', 'ERROR', 'UNSET');

-- A workspace is a tenant. Users know it by its slug, which is the organization in Offtake.
CREATE TABLE workspaces (
    id    uuid PRIMARY KEY,
    slug  text NOT NULL UNIQUE,
    name  text NOT NULL
);

CREATE TABLE projects (
    id            bigint PRIMARY KEY,
    workspace_id  uuid NOT NULL REFERENCES workspaces,
    name          text NOT NULL
);

CREATE TABLE documents (
    uuid        uuid PRIMARY KEY,
    project_id  bigint NOT NULL REFERENCES projects,
    path        text NOT NULL,
    UNIQUE (project_id, path)
);

CREATE TABLE commits (
    uuid        uuid PRIMARY KEY,
    project_id  bigint NOT NULL REFERENCES projects,
    version     integer,                           -- NULL: a draft
    title       text NOT NULL,
    merged_at   timestamptz
);

CREATE TABLE experiments (
    uuid           uuid PRIMARY KEY,
    project_id     bigint NOT NULL REFERENCES projects,
    document_uuid  uuid NOT NULL REFERENCES documents,
    commit_uuid    uuid NOT NULL REFERENCES commits,
    name           text NOT NULL,
    parameters     jsonb NOT NULL DEFAULT '{}',
    evaluations    text[] NOT NULL DEFAULT '{}',
    started_at     timestamptz NOT NULL,
    finished_at    timestamptz
);

CREATE TABLE test_deployments (
    id                      bigint PRIMARY KEY,
    project_id              bigint NOT NULL REFERENCES projects,
    challenger_commit_uuid  uuid NOT NULL REFERENCES commits,
    name                    text NOT NULL,
    kind                    text NOT NULL CHECK (kind IN ('shadow', 'ab')),
    traffic_percent         numeric(5,2) NOT NULL
);

CREATE TABLE spans (
    workspace_id        uuid NOT NULL REFERENCES workspaces,
    trace_id            text COLLATE "C" NOT NULL,
    span_id             text COLLATE "C" NOT NULL,
    parent_span_id      text COLLATE "C",
    project_id          bigint NOT NULL REFERENCES projects,
    document_uuid       uuid REFERENCES documents,
    commit_uuid         uuid REFERENCES commits,
    experiment_uuid     uuid REFERENCES experiments,
    test_deployment_id  bigint REFERENCES test_deployments,
    type                span_type NOT NULL,
    name                text NOT NULL,
    status              span_status NOT NULL,
    status_message      text,
    started_at          timestamptz NOT NULL,
    ended_at            timestamptz,
    PRIMARY KEY (workspace_id, trace_id, span_id)
);
-- The key of the dataset, within a workspace and for the spans it is about.
CREATE UNIQUE INDEX prompts_by_key ON spans (workspace_id, started_at, trace_id, span_id) WHERE type = 'prompt';
CREATE INDEX spans_by_commit       ON spans (commit_uuid);
CREATE INDEX spans_by_experiment   ON spans (experiment_uuid) WHERE experiment_uuid IS NOT NULL;

-- What a prompt was answered: of its child span of type completion.
CREATE TABLE completions (
    workspace_id       uuid NOT NULL,
    trace_id           text COLLATE "C" NOT NULL,
    prompt_span_id     text COLLATE "C" NOT NULL,
    span_id            text COLLATE "C" NOT NULL,
    provider           text NOT NULL,
    model              text NOT NULL,
    prompt_tokens      integer,
    completion_tokens  integer,
    cost_usd           numeric(18,9),
    temperature        real,
    finish_reason      text,
    messages           jsonb NOT NULL,
    response           text,
    PRIMARY KEY (workspace_id, trace_id, prompt_span_id),
    FOREIGN KEY (workspace_id, trace_id, prompt_span_id) REFERENCES spans (workspace_id, trace_id, span_id),
    FOREIGN KEY (workspace_id, trace_id, span_id) REFERENCES spans (workspace_id, trace_id, span_id)
);

CREATE TABLE span_metadata (
    workspace_id  uuid NOT NULL,
    trace_id      text COLLATE "C" NOT NULL,
    span_id       text COLLATE "C" NOT NULL,
    parameters    jsonb NOT NULL,
    attributes    json,                            -- as it was sent, spaces and order kept
    labels        text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (workspace_id, trace_id, span_id),
    FOREIGN KEY (workspace_id, trace_id, span_id) REFERENCES spans (workspace_id, trace_id, span_id)
);

-- Offtake reads as this role, which can do nothing else. Give it a password of your own.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'workbench_reader') THEN
        CREATE ROLE workbench_reader LOGIN PASSWORD 'change-me';
    END IF;
END
$$;
ALTER ROLE workbench_reader SET default_transaction_read_only = on;
GRANT USAGE ON SCHEMA public TO workbench_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO workbench_reader;

COMMIT;
