-- Sample data, the same on every load: everything that looks random is drawn from a hash.

BEGIN;
SET LOCAL TIME ZONE 'UTC';
SET LOCAL jit = off;

-- 0 <= draw(n, seed) < n
CREATE FUNCTION pg_temp.draw(n bigint, seed text) RETURNS bigint IMMUTABLE LANGUAGE sql
    AS $$ SELECT ('x' || substr(md5(seed), 1, 8))::bit(32)::bigint % n $$;
CREATE FUNCTION pg_temp.pick(among text[], seed text) RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT among[1 + ('x' || substr(md5(seed), 1, 8))::bit(32)::bigint % cardinality(among)] $$;

INSERT INTO workspaces VALUES (101, 'Shop & Söhne', 'eu'), (102, 'Loja do Zé', 'sa'), (103, 'Nobody yet', 'us');

INSERT INTO users
SELECT w.id, md5('user' || w.id || ':' || n)::uuid,
       CASE WHEN n % 11 <> 0 THEN 'ext-' || w.id || '-' || lpad(n::text, 6, '0') END,
       CASE WHEN n % 9 <> 0 THEN lower(translate(given, 'éøåüñ', 'eoaun')) || '.' || n || '@' || pg_temp.pick('{example.com,example.org,Example.NET}', 'host' || n) END,
       CASE WHEN n % 17 <> 0 THEN given || ' ' || family END,
       country, zone, CASE WHEN n % 5 <> 0 THEN locale END,
       CASE WHEN n % 4 = 0 THEN date '1950-02-28' + pg_temp.draw(20000, 'born' || w.id || n)::int END,
       pg_temp.pick('{free,free,free,team,business}', 'plan' || w.id || n),
       (ARRAY[true, false, NULL])[1 + pg_temp.draw(3, 'consent' || w.id || n)],
       CASE WHEN n % 3 = 0 THEN 0 ELSE pg_temp.draw(5000000, 'value' || w.id || n) / 100.0 END,
       jsonb_strip_nulls(jsonb_build_object(
           'company', CASE WHEN n % 6 = 0 THEN family || ', "Ltd." & Co' END,
           'seats', CASE WHEN n % 7 = 0 THEN pg_temp.draw(400, 'seats' || n) END,
           'score', round(pg_temp.draw(1000000, 'score' || w.id || n) / 1000000.0, 6),
           'tags', CASE WHEN n % 8 = 0 THEN '["vip", "früh", "🙂"]'::jsonb END,
           'nested', CASE WHEN n % 10 = 0 THEN '{"a": {"b": [1, 2.50, null, "x\ny"]}}'::jsonb END)),
       first_seen, 
       CASE WHEN n % 13 <> 0 THEN first_seen + make_interval(secs => pg_temp.draw(20000000, 'seen' || w.id || n)) END,
       first_seen + make_interval(secs => 60 + pg_temp.draw(20000000, 'seen' || w.id || n))
  FROM workspaces w, generate_series(1, 1500) n,
       LATERAL (SELECT pg_temp.pick('{Ada,José,Zoë,Søren,Ana,Müslüm,美咲,Олег,"O''Neil","=cmd|calc"}', 'given' || w.id || n),
                       pg_temp.pick('{Lovelace,"da Silva",Müller,Ångström,"Nguyễn",佐藤,Кузнецов,"von der Leyen"}', 'family' || w.id || n),
                       -- A hundred people a day came at the same moment, with an import.
                       CASE WHEN n <= 100 THEN timestamptz '2025-06-01 00:00:00+00'
                            ELSE timestamptz '2025-06-01 00:00:00+00' + make_interval(secs => pg_temp.draw(30000000, 'first' || w.id || n))
                                 + make_interval(secs => pg_temp.draw(1000000, 'micros' || w.id || n) / 1e6) END,
                       1 + pg_temp.draw(5, 'place' || w.id || n)) d (given, family, first_seen, place),
       LATERAL (SELECT (ARRAY['DE', 'BR', 'JP', NULL, 'US'])[place],
                       (ARRAY['Europe/Berlin', 'America/Sao_Paulo', 'Asia/Tokyo', NULL, 'America/Los_Angeles'])[place],
                       (ARRAY['de-DE', 'pt-BR', 'ja-JP', 'en', 'en-US'])[place]) p (country, zone, locale)
 WHERE w.id <> 103;

INSERT INTO segments VALUES
    (101, 1, 'Big spenders',        'computed', '{"all": [{"field": "lifetime_value", "op": ">=", "value": 25000}]}', '2025-06-02 08:00:00+00'),
    (101, 2, 'Dormant, 90 days',    'computed', '{"all": [{"field": "last_seen_at", "op": "older", "days": 90}]}',    '2025-06-02 08:05:00+00'),
    (101, 3, 'Händler (Handarbeit)','manual',   NULL,                                                                 '2025-08-15 12:30:00+00'),
    (102, 4, 'Clientes fiéis',      'computed', '{"any": [{"field": "plan", "op": "in", "value": ["team", "business"]}]}', '2025-07-01 10:00:00+00'),
    (102, 5, 'Teste; "não usar"',   'manual',   '{}',                                                                 '2025-09-09 09:09:09.009009+00'),
    (103, 6, 'Everybody',           'manual',   NULL,                                                                 '2026-01-01 00:00:00+00');

-- Up to three stays of a user in a segment; the last one may go on.
INSERT INTO segment_assignments
SELECT u.workspace_id, s.id, u.user_id, entered,
       CASE WHEN stay < stays OR pg_temp.draw(10, 'over' || seed) < 3
            THEN entered + make_interval(secs => 1 + pg_temp.draw(2000000, 'left' || seed)) END,
       CASE s.kind WHEN 'manual' THEN pg_temp.pick('{"added by Ada","Liste vom 3. März, Blatt 2",imported}', 'why' || seed) END
  FROM users u
  JOIN segments s USING (workspace_id),
       LATERAL (SELECT pg_temp.draw(4, 'stays' || u.user_id || s.id)) d (stays),
       LATERAL generate_series(1, stays) stay,
       LATERAL (SELECT u.user_id::text || s.id || ':' || stay,
                       -- The job that computes segments runs at full hours, so many enter at one moment.
                       date_trunc('hour', u.first_seen_at) + make_interval(hours => (700 * stay + pg_temp.draw(30, 'hour' || u.user_id || s.id))::int)) e (seed, entered);

INSERT INTO events (workspace_id, event, user_id, anonymous_id, occurred_at, received_at, revenue, currency, ip, properties, labels)
SELECT workspace_id, event, CASE WHEN n % 6 <> 0 THEN md5('user' || workspace_id || ':' || 1 + pg_temp.draw(1500, 'who' || n))::uuid END,
       CASE WHEN n % 2 = 0 THEN md5('device' || pg_temp.draw(900, 'device' || n)) END,
       occurred, occurred + make_interval(secs => pg_temp.draw(4000000, 'late' || n) / 1e6),
       CASE WHEN event = 'Order Completed' THEN 1 + pg_temp.draw(30000, 'revenue' || n) / 100.0 END,
       CASE WHEN event = 'Order Completed' THEN CASE workspace_id WHEN 101 THEN 'EUR' ELSE 'BRL' END END,
       CASE WHEN n % 5 = 0 THEN ('2001:db8::' || to_hex(n))::inet WHEN n % 5 < 4 THEN ('192.0.2.' || n % 256)::inet END,
       CASE event
           WHEN 'Page Viewed' THEN jsonb_build_object('path', '/p/' || n % 50, 'title', pg_temp.pick('{"Größe & Form","カート","He said \"hi\""}', 'title' || n), 'ms', pg_temp.draw(3000, 'ms' || n))
           WHEN 'Order Completed' THEN jsonb_build_object('order', 'A-' || n, 'lines', jsonb_build_array(jsonb_build_object('sku', 'S' || n % 30, 'quantity', 1 + n % 3)))
           ELSE '{}' END,
       (ARRAY['{}', '{web}', '{web,beta}', '{ios,"übergroß, mit Komma"}']::text[])[1 + n % 4]::text[]
  FROM generate_series(1, 12000) n,
       LATERAL (SELECT 101 + (n % 3 = 0)::int, pg_temp.pick('{"Page Viewed","Page Viewed","Page Viewed",Signed Up,"Order Completed","Logged Out"}', 'event' || n),
                       -- Sorted by arrival; what occurred is a little disordered, as it is with phones.
                       timestamptz '2026-01-01 00:00:00+00' + make_interval(secs => n * 1800 - pg_temp.draw(90000, 'disorder' || n) + pg_temp.draw(1000000, 'micros' || n) / 1e6)) e (workspace_id, event, occurred)
 ORDER BY n;

COMMIT;
ANALYZE;
