-- Tickets by which browsers open live sockets. A row goes when its ticket is spent.
CREATE TABLE live_tickets (
    -- SHA-256 of the ticket, in hex.
    hash        TEXT    NOT NULL PRIMARY KEY,
    org         TEXT    NOT NULL,
    sub         TEXT    NOT NULL,
    email       TEXT,
    -- JSON: what its maker could do.
    permissions TEXT    NOT NULL,
    -- When the token ends that it was asked for with.
    holds_until INTEGER,
    -- The session that it was asked for with.
    session     TEXT,
    expires_at  INTEGER NOT NULL
) STRICT;
