-- Who asks: principals as they were seen, and what is withheld from them whatever their tokens say.
CREATE TABLE principals (
    org         text COLLATE "C" NOT NULL,
    sub         text COLLATE "C" NOT NULL,
    email       text,
    -- NULL: somebody spoke of it before it came.
    first_seen  bigint,
    last_seen   bigint,
    disabled_at bigint,
    -- JSON: permissions.
    withheld    text NOT NULL DEFAULT '[]',
    PRIMARY KEY (org, sub)
);

-- Keys of machines. A row stays when the key is revoked: what it asked for before belongs to it.
CREATE TABLE api_keys (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    org         text COLLATE "C" NOT NULL,
    name        text NOT NULL,
    -- SHA-256 of the key, in hex.
    hash        text NOT NULL,
    -- JSON: permissions.
    permissions text NOT NULL,
    created_by  text COLLATE "C" NOT NULL,
    created_at  bigint NOT NULL,
    expires_at  bigint,
    revoked_at  bigint
);

CREATE INDEX api_keys_of_org ON api_keys (org, id);

-- Links to sign in by. A row goes when its ticket is spent.
CREATE TABLE sign_in_tickets (
    -- SHA-256 of the ticket, in hex.
    hash        text COLLATE "C" NOT NULL PRIMARY KEY,
    org         text COLLATE "C" NOT NULL,
    sub         text COLLATE "C" NOT NULL,
    email       text,
    permissions text NOT NULL,
    expires_at  bigint NOT NULL
);

CREATE TABLE sessions (
    -- SHA-256 of what the cookie holds, in hex.
    hash        text COLLATE "C" NOT NULL PRIMARY KEY,
    org         text COLLATE "C" NOT NULL,
    sub         text COLLATE "C" NOT NULL,
    email       text,
    permissions text NOT NULL,
    last_used   bigint NOT NULL,
    expires_at  bigint NOT NULL
);

-- JSON: the permissions that whoever asked had to have, and must still have while the job runs.
ALTER TABLE jobs ADD COLUMN needs text NOT NULL DEFAULT '[]';
