-- Schedules, their runs, buckets of the organizations' own, and what is delivered there.
-- Moments are microseconds since the epoch.

CREATE TABLE schedules (
    id            text COLLATE "C" NOT NULL PRIMARY KEY,
    org           text COLLATE "C" NOT NULL,
    owner         text COLLATE "C" NOT NULL,
    owner_email   text,
    needs         text    NOT NULL,
    sees_all      bigint NOT NULL,
    content       text    NOT NULL,
    state         text    NOT NULL CHECK (state IN ('active', 'paused')),
    pause_reason  text,
    pause_detail  text,
    -- Where the next window begins.
    "position"    text,
    next_run_at   bigint,
    last_run_at   bigint,
    errors        bigint  NOT NULL DEFAULT 0,
    last_error    text,
    version       bigint  NOT NULL DEFAULT 1,
    -- Who evaluates it, until when; the number voids every earlier claim when it moves.
    fence         bigint  NOT NULL DEFAULT 0,
    claimed_until bigint,
    created_at    bigint NOT NULL,
    updated_at    bigint NOT NULL,
    CHECK ((state = 'active') = (next_run_at IS NOT NULL)),
    CHECK ((state = 'paused') = (pause_reason IS NOT NULL))
);

CREATE INDEX schedules_of_org ON schedules (org, id);
CREATE INDEX schedules_due ON schedules (next_run_at) WHERE state = 'active';

CREATE TABLE schedule_runs (
    job         text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    org         text COLLATE "C" NOT NULL,
    schedule    text COLLATE "C" NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    kind        text    NOT NULL CHECK (kind IN ('scheduled', 'asked', 'backfill')),
    -- What makes the window one: no two jobs export it.
    window_key  text COLLATE "C" NOT NULL,
    window_from text,
    window_to   text,
    due_at      bigint NOT NULL,
    created_at  bigint NOT NULL,
    -- The attempt whose end was noted.
    noted       bigint  NOT NULL DEFAULT 0,
    ended       bigint  NOT NULL DEFAULT 0,
    UNIQUE (schedule, window_key)
);

CREATE INDEX schedule_runs_open ON schedule_runs (job) WHERE ended = 0;

CREATE TABLE destinations (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    org        text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    content    text    NOT NULL,
    secret     text    NOT NULL,
    created_by text    NOT NULL,
    created_at bigint NOT NULL,
    probed_at  bigint NOT NULL,
    UNIQUE (org, name)
);

-- One for each job that is to be delivered, from the moment it is asked for; owed as soon as the job is completed.
CREATE TABLE deliveries (
    job           text COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    org           text COLLATE "C" NOT NULL,
    destination   text COLLATE "C" NOT NULL,
    object_key    text COLLATE "C" NOT NULL,
    state         text    NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    tries         bigint  NOT NULL DEFAULT 0,
    due_at        bigint NOT NULL,
    fence         bigint  NOT NULL DEFAULT 0,
    claimed_until bigint,
    error         text,
    delivered_at  bigint
);

CREATE INDEX deliveries_owed ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_to ON deliveries (destination);

SELECT raise_wall('schedules');
SELECT raise_wall('schedule_runs');
SELECT raise_wall('destinations');
SELECT raise_wall('deliveries');
