-- The API's role: reads and writes rows, and can't change the schema, the history, or grants.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prepnexus_api') THEN
        CREATE ROLE prepnexus_api NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role prepnexus_api does not exist and this role may not create it'
            USING HINT = 'Run deploy/postgres/bootstrap.sql once as a superuser.';
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- made by another database's migration at this very moment
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO prepnexus_api;

GRANT SELECT, INSERT, UPDATE, DELETE ON posts, post_tags, idempotency_records TO prepnexus_api;
GRANT SELECT, INSERT, UPDATE ON authors, tags, api_keys TO prepnexus_api;
GRANT SELECT, UPDATE ON post_views TO prepnexus_api;
GRANT SELECT, INSERT, DELETE ON change_events TO prepnexus_api;
GRANT SELECT ON post_slugs, post_revisions, signing_keys TO prepnexus_api;
