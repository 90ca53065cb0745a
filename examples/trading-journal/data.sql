-- Sample data, the same on every load: everything that looks random is drawn from a hash.

BEGIN;
SET LOCAL TIME ZONE 'UTC';
SET LOCAL jit = off;

-- 0 <= draw(n, seed) < n
CREATE FUNCTION pg_temp.draw(n bigint, seed text) RETURNS bigint IMMUTABLE LANGUAGE sql
    AS $$ SELECT ('x' || substr(md5(seed), 1, 8))::bit(32)::bigint % n $$;

INSERT INTO organizations VALUES
    ('acme',      'Acme Capital, LLC',        '2025-11-03 14:00:00+00'),
    ('nordlicht', 'Nordlicht Vermögen GmbH',  '2025-12-01 08:30:00+00'),
    ('tokyo',     '東京トレーディング',           '2026-01-15 01:00:00+00'),
    ('empty',     'Nobody trades here',       '2026-02-01 00:00:00+00');

INSERT INTO accounts VALUES
    (11, 'acme',      'Main',               'Interactive Brokers', 'USD', 'America/New_York', 250000.00),
    (12, 'acme',      'Prop challenge',     'Topstep',             'USD', 'America/Chicago',   50000.00),
    (21, 'nordlicht', 'Hauptkonto',         'Flatex "Classic"',    'EUR', 'Europe/Berlin',    120000.00),
    (22, 'nordlicht', 'Challenge, Stufe 1', 'FTMO',                'EUR', 'Europe/Berlin',    100000.00),
    (23, 'nordlicht', 'Challenge, Stufe 2', 'FTMO',                'EUR', 'Europe/Berlin',    100000.00),
    (31, 'tokyo',     '本口座',              'SBI',                 'JPY', 'Asia/Tokyo',      9000000.00);

INSERT INTO instruments VALUES
    (1, 'AAPL',    'Apple Inc.',                 'equity', 1,     0.01),
    (2, 'MSFT',    'Microsoft Corporation',      'equity', 1,     0.01),
    (3, 'MES',     'Micro E-mini S&P 500',       'future', 5,     0.25),
    (4, 'MNQ',     'Micro E-mini Nasdaq-100',    'future', 2,     0.25),
    (5, 'EURUSD',  'Euro / US dollar',           'forex',  1,     0.00001),
    (6, 'USDJPY',  'US dollar / yen',            'forex',  1,     0.001),
    (7, 'BTCUSDT', 'Bitcoin / Tether',           'crypto', 1,     0.01),
    (8, '7203.T',  'トヨタ自動車',                  'equity', 1,     0.5);

INSERT INTO tags
SELECT (row_number() OVER (ORDER BY o.n, t.n)) + 100, o.id, t.name, t.colour
  FROM (VALUES (1, 'acme'), (2, 'nordlicht'), (3, 'tokyo')) o (n, id),
       (VALUES (1, 'breakout', '#1f77b4'), (2, 'mean reversion', '#ff7f0e'), (3, 'news', NULL),
               (4, 'revenge 😡', '#d62728'), (5, 'A+ setup', '#2ca02c'), (6, 'übereilt', NULL)) t (n, name, colour);

-- Price levels and usual sizes, for the sample only.
CREATE TEMP TABLE market (instrument_id, price, quantity) ON COMMIT DROP AS VALUES
    (1, 231.40, 100), (2, 428.15, 50), (3, 6012.25, 2), (4, 21530.50, 1),
    (5, 1.08345, 20000), (6, 151.207, 200), (7, 97250.31, 0.0375), (8, 2731.5, 10);

WITH drawn AS MATERIALIZED (
    SELECT a.id AS account_id, a.organization_id, a.time_zone, n,
           1 + pg_temp.draw(8, 'instrument' || a.id || ':' || n)::int AS instrument_id,
           CASE WHEN pg_temp.draw(100, 'direction' || a.id || ':' || n) < 58 THEN 'long' ELSE 'short' END::direction AS direction,
           -- Two trades a weekday and account, from January on; every seventh together with the one before.
           date '2026-01-05' + (n / 10 * 7 + n % 10 / 2)::int AS day,
           make_interval(mins => (570 + pg_temp.draw(390, 'minute' || a.id || ':' || (n - (n % 7 = 1)::int)))::int)
             + make_interval(secs => pg_temp.draw(60000000, 'micros' || a.id || ':' || (n - (n % 7 = 1)::int)) / 1e6) AS of_day,
           make_interval(secs => 20 + pg_temp.draw(14000000000, 'held' || a.id || ':' || n) / 1e6) AS held,
           CASE WHEN n > 412 THEN 'open' WHEN pg_temp.draw(100, 'status' || a.id || ':' || n) < 3 THEN 'cancelled'
                ELSE 'closed' END::trade_status AS status,
           (pg_temp.draw(4001, 'drift' || a.id || ':' || n) - 1980) / 250000.0 AS drift,
           CASE a.id WHEN 12 THEN 1 ELSE 1 + pg_temp.draw(5, 'size' || a.id || ':' || n) END AS lots
      FROM accounts a, generate_series(0, 419) n
     WHERE a.id <> 23       -- nothing was traded there yet
), priced AS MATERIALIZED (
    SELECT d.*, (d.day + d.of_day) AT TIME ZONE d.time_zone AS opened_at, i.tick_size, i.point_value,
           (m.quantity * d.lots)::numeric(18,8) AS quantity,
           (round(m.price * (1 + sin(d.n / 60.0)::numeric / 20) / i.tick_size) * i.tick_size)::numeric(18,8) AS entry_price
      FROM drawn d JOIN instruments i ON i.id = d.instrument_id JOIN market m ON m.instrument_id = i.id
), settled AS MATERIALIZED (
    SELECT p.*,
           CASE WHEN status = 'closed' THEN (round(entry_price * (1 + drift) / tick_size) * tick_size)::numeric(18,8) END AS exit_price,
           CASE WHEN pg_temp.draw(10, 'stop' || account_id || ':' || n) < 7 THEN
                (round(entry_price * CASE direction WHEN 'long' THEN 0.994 ELSE 1.006 END / tick_size) * tick_size)::numeric(18,8)
           END AS stop_price,
           CASE WHEN status = 'cancelled' THEN 0 ELSE round(quantity * point_value * entry_price * 0.0000037 + 0.35, 4) END AS fees
      FROM priced p
)
INSERT INTO trades (organization_id, account_id, instrument_id, direction, status, quantity, entry_price, exit_price,
                    stop_price, fees, pnl, risk, opened_at, closed_at, trade_date, tag_ids, notes, fills, updated_at)
SELECT organization_id, account_id, instrument_id, direction, status, quantity, entry_price, exit_price, stop_price, fees,
       (exit_price - entry_price) * quantity * point_value * CASE direction WHEN 'long' THEN 1 ELSE -1 END - fees,
       abs(entry_price - stop_price) * quantity * point_value,
       opened_at,
       CASE WHEN status <> 'open' THEN opened_at + held END,
       day,
       ARRAY(SELECT t.id FROM tags t
              WHERE t.organization_id = settled.organization_id
                AND pg_temp.draw(100, 'tag' || t.name || account_id || ':' || n) < 22 ORDER BY t.id),
       CASE n % 23 WHEN 1 THEN 'Took the retest, "textbook" entry; sized up, too early.'
                   WHEN 4 THEN E'Plan:\n1. wait\n2. wait more\r\n3. enter' WHEN 7 THEN '' WHEN 9 THEN '=SUM(A1:A9)'
                   WHEN 12 THEN 'Geduld zahlt sich aus – naïve Idee, 80 % Überzeugung' WHEN 15 THEN '損切りが遅い 📉'
                   WHEN 18 THEN E'tab\there, back\\slash, semi;colon' WHEN 21 THEN '-2R, شراء متأخر' END,
       CASE WHEN status = 'cancelled' THEN '[]' ELSE jsonb_build_array(
            jsonb_build_object('side', 'entry', 'quantity', quantity, 'price', entry_price, 'venue', 'XNAS'),
            jsonb_build_object('side', 'exit', 'quantity', quantity, 'price', exit_price, 'venue', NULL)) END,
       opened_at + held
  FROM settled ORDER BY account_id, n;

INSERT INTO goals VALUES
    (1, 'acme',      11,   'Make 10,000 in the first quarter', 'net_pnl',     10000,   '2026-01-01', '2026-03-31', '2025-12-30 17:00:00+00'),
    (2, 'acme',      NULL, 'Win half of the trades',           'win_rate',    50,      '2026-01-01', '2026-12-31', '2025-12-30 17:05:00+00'),
    (3, 'acme',      12,   'Trade less: at most is not a goal, at least is', 'trade_count', 60, '2026-04-01', '2026-06-30', '2026-03-28 09:00:00+00'),
    (4, 'nordlicht', 21,   '5.000 € im zweiten Quartal',       'net_pnl',     5000.50, '2026-04-01', '2026-06-30', '2026-03-31 06:15:00+00'),
    (5, 'nordlicht', 22,   'Trefferquote über 55 %',           'win_rate',    55,      '2026-02-01', '2026-02-28', '2026-01-31 06:15:00+00'),
    (6, 'tokyo',     31,   '月間目標 ¥300,000',                 'net_pnl',     300000,  '2026-05-01', '2026-05-31', '2026-04-30 23:00:00+00'),
    (7, 'tokyo',     31,   'A week in which nothing was traded', 'net_pnl',   1,       '2026-12-01', '2026-12-07', '2026-04-30 23:00:01+00');

INSERT INTO prop_rules VALUES
    ('Topstep 50K', 'phase_1', 2500,  1000, 2000, 5),
    ('Topstep 50K', 'funded',  NULL,  1000, 2000, 0),
    ('FTMO 100K',   'phase_1', 10000, 5000, 10000, 4),
    ('FTMO 100K',   'phase_2', 5000,  5000, 10000, 4);

INSERT INTO prop_evaluations VALUES
    (1, 'acme',      12, 'Topstep 50K', 'phase_1', 'failed', '2026-01-05', '2026-02-13'),
    (2, 'acme',      12, 'Topstep 50K', 'phase_1', 'passed', '2026-03-02', '2026-05-29'),
    (3, 'acme',      12, 'Topstep 50K', 'funded',  'failed', '2026-06-01', '2026-10-20'),
    (4, 'nordlicht', 22, 'FTMO 100K',   'phase_1', 'failed', '2026-01-12', '2026-04-17'),
    (5, 'nordlicht', 22, 'FTMO 100K',   'phase_1', 'active', '2026-04-20', NULL),
    (6, 'nordlicht', 23, 'FTMO 100K',   'phase_2', 'active', '2026-10-01', NULL),
    (7, 'acme',      11, 'FTMO 100K',   'phase_1', 'active', '2026-07-01', NULL);

COMMIT;
ANALYZE;
