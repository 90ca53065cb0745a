-- A second wall between organizations: what a transaction does not name as its organization's, it neither sees nor changes,
-- whatever its statements say (ADR 17). Transactions name it in offtake.org, or say that they serve everybody in
-- offtake.scope; those that do neither see nothing. Every table that is added later is walled in by its migration:
-- SELECT raise_wall('its_name').
CREATE FUNCTION raise_wall(held regclass) RETURNS void LANGUAGE plpgsql AS $raise$
DECLARE
    -- As sub-selects they are looked at once for a statement and not for each row.
    everybodys CONSTANT text := '(SELECT current_setting(''offtake.scope'', true)) = ''all''';
    whose text;
BEGIN
    SELECT CASE
               WHEN bool_or(attname = 'org') THEN 'org = (SELECT current_setting(''offtake.org'', true))'
               -- The policy of jobs decides which jobs there are.
               WHEN bool_or(attname = 'job') THEN 'EXISTS (SELECT 1 FROM jobs WHERE jobs.id = job)'
           END
    INTO whose FROM pg_attribute WHERE attrelid = held AND attnum > 0 AND NOT attisdropped;
    IF whose IS NULL THEN
        RAISE EXCEPTION '% has no column that says whose its rows are', held;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', held);
    -- Its owner is held as well.
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', held);
    EXECUTE format('CREATE POLICY walled ON %s USING (%s OR %s) WITH CHECK (%2$s OR %3$s)', held, everybodys, whose);
END
$raise$;

-- Every table there is that says whose its rows are.
DO $$
DECLARE
    held regclass;
BEGIN
    FOR held IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity
          AND EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname IN ('org', 'job'))
    LOOP
        PERFORM raise_wall(held);
    END LOOP;
END
$$;
