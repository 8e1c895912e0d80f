"""PostgreSQL only: the role that customer SQL runs as, and the row policy that shows it one organization's rows.

A role belongs to the whole server, so it may exist already, and a database user may not be allowed to make one: then
nothing else is changed, and the check `warehouse.W001` tells that customer SQL is guarded by the gate alone.

Which organization's rows it sees stands in a setting of the session, and any SQL that reaches `set_config` could change
a setting. So the setting carries a signature, made with a secret that the role cannot read.

Creating is idempotent: a migration does it, and `manage.py secure_warehouse` does it again.
"""

READER = "levered_reader"

CREATE = """
CREATE TABLE IF NOT EXISTS managed_reader_secret AS SELECT gen_random_uuid()::text || gen_random_uuid()::text AS secret;
REVOKE ALL ON managed_reader_secret FROM PUBLIC;
CREATE OR REPLACE FUNCTION levered_sign(organization_id bigint) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN organization_id || '.' || (
        SELECT encode(sha256(convert_to(secret || organization_id, 'UTF8')), 'hex') FROM managed_reader_secret
    );
END
$$;
DO $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION levered_organization() RETURNS bigint LANGUAGE plpgsql STABLE SECURITY DEFINER'
        ' SET search_path = %I, pg_temp AS %L',
        current_schema(),
        $body$
        DECLARE
            claimed text := split_part(current_setting('levered.organization', true), '.', 1);
        BEGIN
            IF claimed ~ '^[0-9]{1,18}$'
               AND current_setting('levered.organization', true) = levered_sign(claimed::bigint) THEN
                RETURN claimed::bigint;
            END IF;
            RETURN NULL;
        END
        $body$
    );
END
$$;
DO $$
BEGIN
    BEGIN
        CREATE ROLE levered_reader NOLOGIN NOINHERIT;
    EXCEPTION
        WHEN duplicate_object OR unique_violation THEN NULL;
        WHEN insufficient_privilege THEN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'levered_reader') THEN RETURN; END IF;
    END;
    IF NOT pg_has_role(current_user, 'levered_reader', 'MEMBER') THEN
        BEGIN
            EXECUTE format('GRANT levered_reader TO %I', current_user);
        EXCEPTION WHEN insufficient_privilege THEN RETURN;
        END;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO levered_reader', current_schema());
    GRANT SELECT ON managed_exposures, managed_rewards TO levered_reader;
    ALTER TABLE managed_exposures ENABLE ROW LEVEL SECURITY;
    ALTER TABLE managed_rewards ENABLE ROW LEVEL SECURITY;
    DROP POLICY IF EXISTS everyone ON managed_exposures;
    CREATE POLICY everyone ON managed_exposures TO PUBLIC USING (true) WITH CHECK (true);
    DROP POLICY IF EXISTS everyone ON managed_rewards;
    CREATE POLICY everyone ON managed_rewards TO PUBLIC USING (true) WITH CHECK (true);
    DROP POLICY IF EXISTS one_organization ON managed_exposures;
    CREATE POLICY one_organization ON managed_exposures AS RESTRICTIVE FOR SELECT TO levered_reader
        USING (organization_id = (SELECT levered_organization()));
    DROP POLICY IF EXISTS one_organization ON managed_rewards;
    CREATE POLICY one_organization ON managed_rewards AS RESTRICTIVE FOR SELECT TO levered_reader
        USING (organization_id = (SELECT levered_organization()));
END
$$;
"""

DROP = """
DROP POLICY IF EXISTS one_organization ON managed_exposures;
DROP POLICY IF EXISTS one_organization ON managed_rewards;
DROP POLICY IF EXISTS everyone ON managed_exposures;
DROP POLICY IF EXISTS everyone ON managed_rewards;
ALTER TABLE managed_exposures DISABLE ROW LEVEL SECURITY;
ALTER TABLE managed_rewards DISABLE ROW LEVEL SECURITY;
DROP FUNCTION levered_organization();
DROP FUNCTION levered_sign(bigint);
DROP TABLE managed_reader_secret;
DO $$
BEGIN
    REVOKE ALL ON managed_exposures, managed_rewards FROM levered_reader;
EXCEPTION WHEN undefined_object OR insufficient_privilege THEN NULL;
END
$$;
"""
