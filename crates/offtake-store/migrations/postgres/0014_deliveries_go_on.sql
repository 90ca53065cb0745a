-- Destinations are changed, deliveries go on where they were cut off, and addresses are looked up.

ALTER TABLE destinations ADD COLUMN version bigint NOT NULL DEFAULT 1;

-- JSON: the upload in parts that a try has begun, and what of it is there.
ALTER TABLE deliveries ADD COLUMN upload text;
-- Who tries it: a worker that comes back takes up at once what it held.
ALTER TABLE deliveries ADD COLUMN claimed_by text COLLATE "C";

CREATE INDEX principals_of_address ON principals (org, lower(email COLLATE "C"));
