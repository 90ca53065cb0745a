-- What is left of jobs whose rows were pruned, for statistics. Days are counted since the epoch, in UTC.
CREATE TABLE pruned_jobs (
    org        text COLLATE "C" NOT NULL,
    day        bigint NOT NULL,
    dataset    text COLLATE "C" NOT NULL,
    status     text COLLATE "C" NOT NULL,
    jobs       bigint NOT NULL,
    rows_done  bigint NOT NULL,
    bytes_done bigint NOT NULL,
    PRIMARY KEY (org, day, dataset, status)
);
