#!/usr/bin/env bash
# The replica: a copy of the primary at the first start, then a server that follows it.
set -euo pipefail
data=/var/lib/postgresql/data

# The copy sends this file last.
if [[ ! -s $data/global/pg_control ]]; then
  # What an interrupted copy left.
  find "$data" -mindepth 1 -delete
  export PGPASSWORD=$REPLICATION_PASSWORD
  # --write-recovery-conf keeps the password too, in a file that the server alone reads.
  pg_basebackup --host=primary --username=replicator --pgdata="$data" --wal-method=stream \
    --slot=replica --checkpoint=fast --write-recovery-conf
  unset PGPASSWORD
fi
chmod 700 "$data"
exec postgres -D "$data" -c hot_standby_feedback=on -c shared_preload_libraries=pg_stat_statements
