-- What is left of jobs whose rows were pruned, for statistics. Days are counted since the epoch, in UTC.
CREATE TABLE pruned_jobs (
    org        TEXT    NOT NULL,
    day        INTEGER NOT NULL,
    dataset    TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    jobs       INTEGER NOT NULL,
    rows_done  INTEGER NOT NULL,
    bytes_done INTEGER NOT NULL,
    PRIMARY KEY (org, day, dataset, status)
) STRICT, WITHOUT ROWID;
