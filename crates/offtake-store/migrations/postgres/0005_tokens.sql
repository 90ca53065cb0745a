-- One-time tokens: of each only the SHA-256 of the chance in it. There is one at most for a job, a subject and a purpose;
-- a fresh one takes the place of the one before.
CREATE TABLE tokens (
    job        text COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    subject    text COLLATE "C" NOT NULL,
    purpose    text COLLATE "C" NOT NULL,
    org        text COLLATE "C" NOT NULL,
    sha256     text COLLATE "C" NOT NULL UNIQUE,
    -- Which secret it is signed with, so that one can see when a former secret is no longer needed.
    key_id     text   NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    spent_at   bigint,
    PRIMARY KEY (job, subject, purpose)
);

CREATE INDEX tokens_expiring ON tokens (expires_at);
