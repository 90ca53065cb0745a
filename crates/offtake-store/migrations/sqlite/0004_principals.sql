-- Who asks: principals as they were seen, and what is withheld from them whatever their tokens say.
CREATE TABLE principals (
    org         TEXT    NOT NULL,
    sub         TEXT    NOT NULL,
    email       TEXT,
    -- NULL: somebody spoke of it before it came.
    first_seen  INTEGER,
    last_seen   INTEGER,
    disabled_at INTEGER,
    -- JSON: permissions.
    withheld    TEXT    NOT NULL DEFAULT '[]',
    PRIMARY KEY (org, sub)
) STRICT, WITHOUT ROWID;

-- Keys of machines. A row stays when the key is revoked: what it asked for before belongs to it.
CREATE TABLE api_keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    org         TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    -- SHA-256 of the key, in hex.
    hash        TEXT    NOT NULL,
    -- JSON: permissions.
    permissions TEXT    NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER,
    revoked_at  INTEGER
) STRICT;

CREATE INDEX api_keys_of_org ON api_keys (org, id);

-- Links to sign in by. A row goes when its ticket is spent.
CREATE TABLE sign_in_tickets (
    -- SHA-256 of the ticket, in hex.
    hash        TEXT    NOT NULL PRIMARY KEY,
    org         TEXT    NOT NULL,
    sub         TEXT    NOT NULL,
    email       TEXT,
    permissions TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    -- SHA-256 of what the cookie holds, in hex.
    hash        TEXT    NOT NULL PRIMARY KEY,
    org         TEXT    NOT NULL,
    sub         TEXT    NOT NULL,
    email       TEXT,
    permissions TEXT    NOT NULL,
    last_used   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL
) STRICT;

-- JSON: the permissions that whoever asked had to have, and must still have while the job runs.
ALTER TABLE jobs ADD COLUMN needs TEXT NOT NULL DEFAULT '[]';
