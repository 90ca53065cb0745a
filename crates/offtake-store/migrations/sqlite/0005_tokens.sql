-- One-time tokens: of each only the SHA-256 of the chance in it. There is one at most for a job, a subject and a purpose;
-- a fresh one takes the place of the one before.
CREATE TABLE tokens (
    job        TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    subject    TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    org        TEXT    NOT NULL,
    sha256     TEXT    NOT NULL UNIQUE,
    -- Which secret it is signed with, so that one can see when a former secret is no longer needed.
    key_id     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    spent_at   INTEGER,
    PRIMARY KEY (job, subject, purpose)
) STRICT, WITHOUT ROWID;

CREATE INDEX tokens_expiring ON tokens (expires_at);
