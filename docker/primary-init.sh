#!/usr/bin/env bash
# Once, when the primary's data directory has just been made: the service's roles and database, and the replica's role.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -U postgres -d postgres -f - <<END
\\set database 'prepnexus'
\\set owner 'prepnexus_owner'
\\set owner_password '$DB_OWNER_PASSWORD'
\\set api_user 'prepnexus'
\\set api_password '$DB_PASSWORD'
\\i /bootstrap.sql
CREATE ROLE replicator REPLICATION LOGIN PASSWORD '$REPLICATION_PASSWORD';
SELECT pg_create_physical_replication_slot('replica');
END
echo 'host replication replicator all scram-sha-256' >>"$PGDATA/pg_hba.conf"
