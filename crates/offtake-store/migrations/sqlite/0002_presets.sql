-- What organizations ask for again and again, under a name.
CREATE TABLE presets (
    org        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    dataset    TEXT    NOT NULL,
    -- JSON: what it says of an export.
    says       TEXT    NOT NULL,
    version    INTEGER NOT NULL DEFAULT 1,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (org, name)
) WITHOUT ROWID;
