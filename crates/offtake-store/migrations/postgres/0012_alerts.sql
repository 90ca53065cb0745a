-- What organizations want to be told about their own traces.
CREATE TABLE alerts (
    id         text COLLATE "C" NOT NULL PRIMARY KEY,
    org        text COLLATE "C" NOT NULL,
    -- JSON: what the rule says.
    content    text   NOT NULL,
    version    bigint NOT NULL DEFAULT 1,
    created_by text   NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    -- JSON: how things stand.
    state      text   NOT NULL
);

CREATE INDEX alerts_org ON alerts (org, id);

-- What was counted for a rule: of a metric in slots of its window, of a budget in its periods. What it says is for whoever
-- counts.
CREATE TABLE alert_tallies (
    alert text COLLATE "C" NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    org   text COLLATE "C" NOT NULL,
    slot  bigint NOT NULL,
    tally text   NOT NULL,
    PRIMARY KEY (alert, slot)
);

-- How far the spans were counted, and who counts: one row, of no organization.
CREATE TABLE alert_watch (
    id          integer NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Up to here everything is in the tallies, and was there at that moment.
    position    bigint,
    seen_at     bigint,
    -- Grows with every change of a rule.
    rules       bigint NOT NULL DEFAULT 0,
    holder      text,
    holds_until bigint NOT NULL DEFAULT 0,
    fence       bigint NOT NULL DEFAULT 0
);

INSERT INTO alert_watch (id) VALUES (1);

SELECT raise_wall('alerts');
SELECT raise_wall('alert_tallies');
