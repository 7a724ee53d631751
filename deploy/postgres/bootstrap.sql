-- Once per cluster, as a superuser, before the first `migrator up`:
--
--   psql -v owner=prepnexus_owner -v owner_password=… -v api_user=prepnexus -v api_password=… \
--        -v database=prepnexus -f bootstrap.sql
--
-- Makes the roles and the database. The owner changes the schema (DB_OWNER); the API's role reads
-- and writes rows (DB_USER) and can't. The locale C.UTF-8 knows the letters of all scripts and sorts
-- by code point, whatever the machine's language. Running it again changes nothing but the passwords.

\set ON_ERROR_STOP on
-- A password goes to the server as it is; keep it out of the server's log and statistics.
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
SET log_min_duration_statement = -1;
SET log_min_duration_sample = -1;
SET log_transaction_sample_rate = 0;
SET pg_stat_statements.track = 'none';

SELECT 'CREATE ROLE prepnexus_api NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'prepnexus_api') \gexec

SELECT format('CREATE ROLE %I LOGIN', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
ALTER ROLE :"owner" WITH LOGIN CREATEDB NOSUPERUSER NOCREATEROLE PASSWORD :'owner_password';

SELECT format('CREATE ROLE %I LOGIN', :'api_user')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'api_user') \gexec
ALTER ROLE :"api_user" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD :'api_password';
ALTER ROLE :"api_user" SET statement_timeout = '30s';
ALTER ROLE :"api_user" SET lock_timeout = '5s';
ALTER ROLE :"api_user" SET idle_in_transaction_session_timeout = '30s';

-- To end sessions, when another server takes this one's place (backup restore --as-primary).
GRANT pg_signal_backend TO :"owner";

GRANT prepnexus_api TO :"api_user";
-- The timeline a replica receives, for the health page.
GRANT pg_read_all_stats TO :"api_user";

SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0 ENCODING ''UTF8'' LOCALE ''C.UTF-8''', :'database', :'owner')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database') \gexec
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO prepnexus_api;
