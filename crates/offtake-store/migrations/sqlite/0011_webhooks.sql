-- Endpoints that are told of events by webhook.
CREATE TABLE webhooks (
    id              TEXT    NOT NULL PRIMARY KEY,
    org             TEXT    NOT NULL,
    url             TEXT    NOT NULL,
    -- JSON: types of events.
    events          TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    enabled         INTEGER NOT NULL,
    -- Why Offtake itself disabled it.
    disabled_reason TEXT,
    -- What messages are signed with, sealed.
    scheme          TEXT    NOT NULL,
    secret          TEXT    NOT NULL,
    public_key      TEXT,
    -- The key before, which signs along until then.
    previous_scheme TEXT,
    previous_secret TEXT,
    previous_until  INTEGER,
    -- Notifications in a row that were given up.
    given_up        INTEGER NOT NULL DEFAULT 0,
    created_by      TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX webhooks_of_org ON webhooks (org, id);
