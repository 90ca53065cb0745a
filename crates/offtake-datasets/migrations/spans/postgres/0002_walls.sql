-- A second wall between organizations: readers see the rows of the one organization they name in offtake.org (ADR 17).
-- The owner, who writes, is not held: COPY FROM cannot add rows to a table whose policies hold for whoever copies. Readers
-- go on as the role offtake_rows, which is held. A condition without OR: one that says the same as the statement costs
-- nothing and changes no plan.
ALTER TABLE spans ENABLE ROW LEVEL SECURITY;
ALTER TABLE traces ENABLE ROW LEVEL SECURITY;
CREATE POLICY walled ON spans USING (org_id = (SELECT current_setting('offtake.org', true)));
CREATE POLICY walled ON traces USING (org_id = (SELECT current_setting('offtake.org', true)));

-- The highest number of a span that is settled, whoever's it is: cut-offs are the same for everybody. It runs with the
-- rights of its owner, who is not held.
CREATE FUNCTION last_settled_span() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = offtake, pg_temp
    AS 'SELECT coalesce(max(ingest_seq), 0) FROM spans';
