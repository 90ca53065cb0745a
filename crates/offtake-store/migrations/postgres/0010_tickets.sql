-- Tickets by which browsers open live sockets. A row goes when its ticket is spent.
CREATE TABLE live_tickets (
    -- SHA-256 of the ticket, in hex.
    hash        text COLLATE "C" NOT NULL PRIMARY KEY,
    org         text COLLATE "C" NOT NULL,
    sub         text COLLATE "C" NOT NULL,
    email       text,
    -- JSON: what its maker could do.
    permissions text NOT NULL,
    -- When the token ends that it was asked for with.
    holds_until bigint,
    -- The session that it was asked for with.
    session     text,
    expires_at  bigint NOT NULL
);

SELECT raise_wall('live_tickets');
