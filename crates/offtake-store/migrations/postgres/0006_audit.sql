-- The audit trail: one chain of entries for each organization. ADR 15 says what it proves.
CREATE TABLE audit_entries (
    org         text COLLATE "C" NOT NULL,
    number      bigint NOT NULL,
    at          bigint NOT NULL,
    actor       text   NOT NULL,
    via         text   NOT NULL,
    action      text   NOT NULL,
    object_kind text   NOT NULL,
    object_id   text COLLATE "C" NOT NULL,
    outcome     text   NOT NULL,
    address     text,
    user_agent  text,
    request_id  text,
    detail      text   NOT NULL,
    previous    text   NOT NULL,
    hash        text   NOT NULL,
    PRIMARY KEY (org, number)
);

CREATE INDEX audit_entries_by_object ON audit_entries (org, object_id, number);
CREATE INDEX audit_entries_by_moment ON audit_entries (org, at);

-- Where each chain ends, and where what is kept of it begins. Updated with every entry: room on the page keeps that cheap.
CREATE TABLE audit_heads (
    org    text COLLATE "C" NOT NULL PRIMARY KEY,
    number bigint NOT NULL,
    hash   text   NOT NULL,
    at     bigint NOT NULL,
    first  bigint NOT NULL
) WITH (fillfactor = 50);

CREATE FUNCTION audit_entries_are_appended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM offtake.audit_heads
                   WHERE org = NEW.org AND number = NEW.number - 1 AND hash = NEW.previous) THEN
        RAISE EXCEPTION 'audit entries are only appended';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION audit_entries_are_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are never changed';
END $$;

CREATE FUNCTION audit_entries_are_not_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM offtake.audit_heads WHERE org = OLD.org AND first > OLD.number) THEN
        RAISE EXCEPTION 'audit entries are only pruned from the oldest on, behind an anchor';
    END IF;
    RETURN OLD;
END $$;

CREATE FUNCTION audit_heads_begin_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number <> 0 OR NEW.first <> 1 THEN
        RAISE EXCEPTION 'the head of a chain is made once';
    END IF;
    RETURN NEW;
END $$;

-- It only follows the entries; the beginning only moves when the last entry is an anchor.
CREATE FUNCTION audit_heads_follow_the_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.org <> OLD.org OR NEW.first < OLD.first OR NEW.number <= OLD.number
       OR NOT EXISTS (SELECT 1 FROM offtake.audit_entries
                      WHERE org = NEW.org AND number = NEW.number AND hash = NEW.hash
                        AND (NEW.first = OLD.first OR action = 'audit.prune')) THEN
        RAISE EXCEPTION 'the head of a chain only follows its entries';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION audit_heads_are_not_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the head of a chain is never deleted';
END $$;

CREATE TRIGGER audit_entries_are_appended BEFORE INSERT ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_are_appended();
CREATE TRIGGER audit_entries_are_never_changed BEFORE UPDATE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_are_never_changed();
CREATE TRIGGER audit_entries_are_not_deleted BEFORE DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_are_not_deleted();
CREATE TRIGGER audit_entries_are_not_emptied BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_are_never_changed();
CREATE TRIGGER audit_heads_begin_once BEFORE INSERT ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION audit_heads_begin_once();
CREATE TRIGGER audit_heads_follow_the_entries BEFORE UPDATE ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION audit_heads_follow_the_entries();
CREATE TRIGGER audit_heads_are_not_deleted BEFORE DELETE ON audit_heads
    FOR EACH ROW EXECUTE FUNCTION audit_heads_are_not_deleted();
CREATE TRIGGER audit_heads_are_not_emptied BEFORE TRUNCATE ON audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION audit_heads_are_not_deleted();
