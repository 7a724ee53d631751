-- What was done about backups, and by whom it is done. Written by the program `backup`, as the owner; the API only reads.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- One row for each backup, check, rehearsal and clearing that ended. The same rows are in a file beside the backups'
-- runner, from where those that a restore has taken back are entered again: so an id is the runner's, and not a sequence's.
CREATE TABLE backup_runs (
    id                      text        PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 100),
    action                  text        NOT NULL CHECK (action IN ('full', 'diff', 'incr', 'verify', 'drill', 'expire')),
    runner                  text        NOT NULL,
    started_at              timestamptz NOT NULL,
    ended_at                timestamptz NOT NULL CHECK (ended_at >= started_at),
    error                   text,
    label                   text,
    recovery_point_seconds  float8,
    recovery_time_seconds   float8,
    details                 jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX backup_runs_action_idx ON backup_runs (action, started_at);

-- The schedulers' row. It is written every second by one that lives: so its age tells whether there is any, and its age
-- in a copy that was restored tells how much was lost. `runner` is whose turn it is to run something, until `lease_until`.
CREATE TABLE backup_scheduler (
    id           smallint    PRIMARY KEY CHECK (id = 1),
    beat_at      timestamptz,
    runner       text,
    lease_until  timestamptz
);
INSERT INTO backup_scheduler (id) VALUES (1);

GRANT SELECT ON backup_runs, backup_scheduler TO prepnexus_api;
