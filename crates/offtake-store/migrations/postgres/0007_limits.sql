-- Organizations take turns: whose job was claimed longest ago is next, among those with the fewest jobs running.
ALTER TABLE jobs ADD COLUMN claimed_at bigint;

CREATE INDEX jobs_waiting ON jobs (org, run_at, id) WHERE status = 'pending' AND pinned_to IS NULL;
CREATE INDEX jobs_pinned ON jobs (pinned_to, run_at, id) WHERE status = 'pending' AND pinned_to IS NOT NULL;
CREATE INDEX jobs_running ON jobs (org, worker) WHERE status = 'processing';
CREATE INDEX jobs_served ON jobs (org, claimed_at) WHERE claimed_at IS NOT NULL;
-- What a user has under way.
CREATE INDEX jobs_active ON jobs (org, owner) WHERE status IN ('pending', 'processing') AND pinned_to IS NULL;
