-- What organizations ask for again and again, under a name.
CREATE TABLE presets (
    org        text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    dataset    text   NOT NULL,
    -- JSON, in the order it was said.
    says       text   NOT NULL,
    version    bigint NOT NULL,
    created_by text   NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (org, name)
);
