-- Endpoints that are told of events by webhook.
CREATE TABLE webhooks (
    id              text COLLATE "C" NOT NULL PRIMARY KEY,
    org             text COLLATE "C" NOT NULL,
    url             text NOT NULL,
    -- JSON: types of events.
    events          text NOT NULL,
    description     text NOT NULL,
    enabled         bigint NOT NULL,
    -- Why Offtake itself disabled it.
    disabled_reason text,
    -- What messages are signed with, sealed.
    scheme          text NOT NULL,
    secret          text NOT NULL,
    public_key      text,
    -- The key before, which signs along until then.
    previous_scheme text,
    previous_secret text,
    previous_until  bigint,
    -- Notifications in a row that were given up.
    given_up        bigint NOT NULL DEFAULT 0,
    created_by      text COLLATE "C" NOT NULL,
    created_at      bigint NOT NULL,
    changed_at      bigint NOT NULL
);

CREATE INDEX webhooks_of_org ON webhooks (org, id);

SELECT raise_wall('webhooks');
