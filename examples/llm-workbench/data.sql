-- Sample data, the same on every load: everything that looks random is drawn from a hash.

BEGIN;
SET LOCAL TIME ZONE 'UTC';
SET LOCAL jit = off;

-- 0 <= draw(n, seed) < n
CREATE FUNCTION pg_temp.draw(n bigint, seed text) RETURNS bigint IMMUTABLE LANGUAGE sql
    AS $$ SELECT ('x' || substr(md5(seed), 1, 8))::bit(32)::bigint % n $$;

INSERT INTO workspaces VALUES
    (md5('workspace acme')::uuid, 'acme', 'Acme'),
    (md5('workspace zürich')::uuid, 'zürich', 'Zürcher Sprachlabor'),
    (md5('workspace empty')::uuid, 'empty', 'Nothing yet');

INSERT INTO projects VALUES
    (1, md5('workspace acme')::uuid, 'Support bot'), (2, md5('workspace acme')::uuid, 'Summaries'),
    (3, md5('workspace zürich')::uuid, 'Übersetzer');

INSERT INTO documents
SELECT md5('document' || p.id || path)::uuid, p.id, path
  FROM projects p, unnest('{answer,"triage/urgent","müll/alt, kaputt"}'::text[]) path;

INSERT INTO commits
SELECT md5('commit' || p.id || ':' || n)::uuid, p.id, CASE WHEN n < 4 THEN n END,
       (ARRAY['First version', 'Shorter; says "please"', 'Höflicher auf Deutsch', 'Draft: try chain of thought'])[n],
       CASE WHEN n < 4 THEN timestamptz '2026-08-01 09:00:00+00' + make_interval(days => 10 * n) END
  FROM projects p, generate_series(1, 4) n;

INSERT INTO experiments
SELECT md5('experiment' || p.id || ':' || n)::uuid, p.id, md5('document' || p.id || 'answer')::uuid,
       md5('commit' || p.id || ':' || n + 1)::uuid, 'Experiment ' || n || CASE n WHEN 2 THEN ' – höhere Temperatur' ELSE '' END,
       jsonb_build_object('temperature', 0.1 * n, 'rows', 250, 'dataset', 'golden.csv'),
       (ARRAY['{exactness}', '{exactness,"tone, politeness"}', '{}']::text[])[n]::text[],
       timestamptz '2026-09-10 08:00:00+00' + make_interval(days => n),
       CASE WHEN n < 3 THEN timestamptz '2026-09-10 08:41:07.25+00' + make_interval(days => n) END
  FROM projects p, generate_series(1, 3) n;

INSERT INTO test_deployments
SELECT 10 * p.id + n, p.id, md5('commit' || p.id || ':' || n + 1)::uuid, 'Rollout ' || n,
       (ARRAY['shadow', 'ab'])[n], (ARRAY[100, 12.5])[n]
  FROM projects p, generate_series(1, 2) n;

-- Runs: an agent span, prompts below it, for each prompt a completion below that (a few were never answered), and tools.
CREATE TEMP TABLE runs ON COMMIT DROP AS
SELECT p.id AS project_id, p.workspace_id, n, md5('trace' || p.id || ':' || n) AS trace_id,
       (ARRAY['answer', 'triage/urgent', 'müll/alt, kaputt'])[1 + pg_temp.draw(3, 'path' || p.id || n)] AS path,
       1 + pg_temp.draw(4, 'commit' || p.id || n)::int AS commit_number,
       CASE WHEN n % 4 = 0 THEN 1 + pg_temp.draw(3, 'experiment' || p.id || n)::int END AS experiment,
       CASE WHEN n % 4 = 1 THEN 1 + pg_temp.draw(2, 'deployment' || p.id || n)::int END AS deployment,
       -- Every tenth starts at the same moment as the one before it.
       timestamptz '2026-09-01 00:00:00+00' + make_interval(secs => 3000 * (n - (n % 10 = 0)::int)
           + pg_temp.draw(1000000000, 'start' || p.id || n - (n % 10 = 0)::int) / 1e6) AS started_at,
       1 + pg_temp.draw(3, 'prompts' || p.id || n)::int AS prompts
  FROM projects p, generate_series(1, 700) n;

CREATE TEMP TABLE prompts ON COMMIT DROP AS
SELECT r.*, i, substr(md5('prompt' || trace_id || i), 1, 16) AS span_id,
       substr(md5('completion' || trace_id || i), 1, 16) AS completion_span_id,
       started_at + make_interval(secs => (i - 1) * 0.75) AS prompted_at,
       make_interval(secs => 0.2 + pg_temp.draw(9000000, 'took' || trace_id || i) / 1e6) AS took,
       pg_temp.draw(100, 'answered' || trace_id || i) >= 4 AS is_answered
  FROM runs r, generate_series(1, prompts) i;

INSERT INTO spans
SELECT workspace_id, trace_id, substr(md5('root' || trace_id), 1, 16), NULL, project_id, NULL, NULL, NULL, NULL, 'agent'::span_type,
       'run', 'UNSET'::span_status, NULL, started_at, started_at + interval '12 seconds'
  FROM runs
UNION ALL
SELECT workspace_id, trace_id, span_id, substr(md5('root' || trace_id), 1, 16), project_id, md5('document' || project_id || path)::uuid,
       md5('commit' || project_id || ':' || commit_number)::uuid, md5('experiment' || project_id || ':' || experiment)::uuid,
       10 * project_id + deployment, 'prompt', path || ' #' || i,
       CASE WHEN is_answered THEN 'OK' ELSE 'ERROR' END::span_status,
       CASE WHEN NOT is_answered THEN E'429 Too Many Requests\nretry after 20 s' END,
       prompted_at, CASE WHEN is_answered THEN prompted_at + took END
  FROM prompts
UNION ALL
SELECT workspace_id, trace_id, completion_span_id, span_id, project_id, NULL, NULL, NULL, NULL, 'completion', 'chat', 'OK', NULL,
       prompted_at + interval '3 milliseconds', prompted_at + took
  FROM prompts WHERE is_answered;

INSERT INTO completions
SELECT workspace_id, trace_id, span_id, completion_span_id,
       CASE WHEN k.model LIKE 'claude%' THEN 'anthropic' ELSE 'openai' END, k.model,
       CASE WHEN n % 20 <> 0 THEN k.input END, CASE WHEN n % 20 <> 0 THEN k.output END,
       CASE WHEN n % 20 <> 0 THEN k.input * 0.00000215 + k.output * 0.000008600 END,
       CASE WHEN n % 3 <> 0 THEN pg_temp.draw(20, 'temperature' || trace_id || i) / 10.0 END,
       CASE WHEN k.output > 780 THEN 'length' ELSE 'stop' END,
       jsonb_build_array(jsonb_build_object('role', 'system', 'content', 'You are a helpful assistant.'),
                         jsonb_build_object('role', 'user', 'content', E'Où est ma commande n° ' || n || E' ?\n"Bitte" & merci 🙏')),
       CASE n % 12 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN '=HYPERLINK("http://example.com","x")'
                   WHEN 3 THEN E'{"not": "parsed",\n "n": 1}' ELSE repeat('Ihre Bestellung ist unterwegs, 明日届きます. ', 1 + (n % 40)) || i END
  FROM prompts,
       LATERAL (SELECT (ARRAY['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4'])[1 + pg_temp.draw(3, 'model' || trace_id || i)],
                       40 + pg_temp.draw(3000, 'input' || trace_id || i), 1 + pg_temp.draw(800, 'output' || trace_id || i)) k (model, input, output)
 WHERE is_answered;

INSERT INTO span_metadata
SELECT workspace_id, trace_id, span_id, jsonb_build_object('language', (ARRAY['de', 'fr', 'ja'])[1 + n % 3], 'order', n, 'vip', n % 9 = 0),
       CASE WHEN n % 5 <> 0 THEN ('{ "http.host":"api.example.com",  "attempt":' || i || ', "ratio": 1.50, "user.name":"Zoë \"Z\" O''Neil" }')::json END,
       (ARRAY['{}', '{vip}', '{vip,"übersetzt, geprüft"}']::text[])[1 + n % 3]::text[]
  FROM prompts WHERE n % 15 <> 0;

COMMIT;
ANALYZE;
