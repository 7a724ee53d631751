#!/usr/bin/env bash
# The database's server: start-postgres primary | replica HOST. Makes the data directory at the first start.
# Wants REPLICATION_PASSWORD, and for a primary POSTGRES_PASSWORD, DB_OWNER_PASSWORD and DB_PASSWORD.
set -euo pipefail

role=${1:?primary or replica}
data=${PGDATA:?}
# Only a directory that was made to its end has it: what an interrupted start left is made anew.
made=$data/prepnexus.made

settings=(
  -c listen_addresses='*'
  -c unix_socket_directories=/run/postgresql
  -c wal_level=replica
  -c max_wal_senders=10
  -c max_replication_slots=10
  -c max_slot_wal_keep_size=4GB
  -c hot_standby_feedback=on
  -c shared_preload_libraries=pg_stat_statements
  -c random_page_cost=1.1
)
if [[ ${ARCHIVE:-off} == on ]]; then
  settings+=(
    -c archive_mode=on
    -c archive_timeout=60s
    -c "archive_command=pgbackrest --stanza=main archive-push %p"
  )
fi

make_primary() {
  initdb --pgdata="$data" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
    --auth-local=trust --auth-host=scram-sha-256 --pwfile=<(printf '%s' "${POSTGRES_PASSWORD:?}") >/dev/null
  cat >>"$data/pg_hba.conf" <<END
host all all samenet scram-sha-256
host replication replicator samenet scram-sha-256
END
  # Without TCP, so that nobody takes it for ready.
  pg_ctl start --pgdata="$data" --silent --wait --options="-c listen_addresses='' -c unix_socket_directories=/run/postgresql"
  psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --host=/run/postgresql --username=postgres --dbname=postgres <<END >/dev/null
\\set database prepnexus
\\set owner prepnexus_owner
\\set owner_password \`printf '%s' "\$DB_OWNER_PASSWORD"\`
\\set api_user prepnexus
\\set api_password \`printf '%s' "\$DB_PASSWORD"\`
\\set replication_password \`printf '%s' "\$REPLICATION_PASSWORD"\`
\\i /usr/local/share/prepnexus/bootstrap.sql
CREATE ROLE replicator REPLICATION LOGIN PASSWORD :'replication_password';
SELECT pg_create_physical_replication_slot('replica');
END
  pg_ctl stop --pgdata="$data" --silent --wait --mode=fast
}

make_replica() {
  local host=${2:?the primary\'s host}
  # --write-recovery-conf keeps the password too, in a file that the server alone reads.
  PGPASSWORD=${REPLICATION_PASSWORD:?} pg_basebackup --host="$host" --username=replicator --pgdata="$data" \
    --wal-method=stream --slot=replica --checkpoint=fast --write-recovery-conf
}

if [[ ! -e $made ]]; then
  mkdir -p "$data"
  find "$data" -mindepth 1 -delete
  "make_$role" "$@"
  touch "$made"
fi
chmod 700 "$data"
exec postgres -D "$data" "${settings[@]}"
