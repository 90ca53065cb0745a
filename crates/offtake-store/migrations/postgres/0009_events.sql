-- What happened in an organization, numbered without gaps in the order of commit, and who is owed word of it.
CREATE TABLE event_counters (
    org text COLLATE "C" NOT NULL PRIMARY KEY,
    -- The number of the newest event.
    seq bigint NOT NULL
);

CREATE TABLE events (
    org   text COLLATE "C" NOT NULL,
    seq   bigint NOT NULL,
    kind  text COLLATE "C" NOT NULL,
    -- No reference: what happened to a job is told for some time after its row is gone.
    job   text COLLATE "C",
    -- Whose it is; NULL: the organization's.
    owner text COLLATE "C",
    at    bigint NOT NULL,
    -- JSON.
    data  text   NOT NULL,
    PRIMARY KEY (org, seq)
);

CREATE INDEX events_of_job ON events (job, seq) WHERE job IS NOT NULL;

CREATE TABLE notifications (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    org         text COLLATE "C" NOT NULL,
    channel     text COLLATE "C" NOT NULL CHECK (channel IN ('email', 'webhook')),
    address     text COLLATE "C" NOT NULL,
    -- What it is about.
    event       bigint NOT NULL,
    state       text COLLATE "C" NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    -- Counted when somebody takes it, so that one who dies of it is counted too.
    tries       bigint NOT NULL DEFAULT 0,
    -- Whoever takes it moves this to the end of the time they have for it.
    due_at      bigint NOT NULL,
    created_at  bigint NOT NULL,
    ended_at    bigint,
    worker      text,
    fence       bigint NOT NULL DEFAULT 0,
    last_answer text,
    FOREIGN KEY (org, event) REFERENCES events (org, seq)
);

CREATE INDEX notifications_due ON notifications (due_at, id) WHERE state = 'pending';
CREATE INDEX notifications_of_org ON notifications (org, id);
CREATE INDEX notifications_of_event ON notifications (org, event);
CREATE INDEX notifications_ended ON notifications (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE notification_tries (
    notification text COLLATE "C" NOT NULL REFERENCES notifications (id) ON DELETE CASCADE,
    number       bigint NOT NULL,
    org          text COLLATE "C" NOT NULL,
    at           bigint NOT NULL,
    answer       text   NOT NULL,
    -- Microseconds.
    took         bigint NOT NULL,
    PRIMARY KEY (notification, number)
);

-- What is wrong with the installation, and whom that was told: once when it begins and once when it is over.
CREATE TABLE alarms (
    org      text COLLATE "C" NOT NULL,
    code     text COLLATE "C" NOT NULL,
    is_on    boolean NOT NULL,
    begun_at bigint  NOT NULL,
    -- Who saw it last, and when: nobody else says that it is over.
    seen_by  text    NOT NULL,
    seen_at  bigint  NOT NULL,
    PRIMARY KEY (org, code)
);

SELECT raise_wall('alarms');
SELECT raise_wall('event_counters');
SELECT raise_wall('events');
SELECT raise_wall('notifications');
SELECT raise_wall('notification_tries');
