-- What the service keeps for itself: idempotency records, the change feed, the signing key.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

-- The answer to a write, stored by the write's own transaction, and given again to a repeat.
CREATE TABLE idempotency_records (
    api_key_id    bigint      NOT NULL REFERENCES api_keys,
    key           text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash  bytea       NOT NULL CHECK (octet_length(request_hash) = 32),
    response      jsonb       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (api_key_id, key)
);
CREATE INDEX idempotency_records_created_idx ON idempotency_records (created_at);

-- One row per transaction that changes content, naming what it changed. Read by position of xid against a
-- snapshot, never by id: ids don't follow the order of commits.
CREATE TABLE change_events (
    xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
    tags        text[]      NOT NULL CHECK (cardinality(tags) > 0),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX change_events_xid_idx ON change_events (xid);

-- Signs cursors. Shared by all processes of the service, made once, here.
CREATE TABLE signing_keys (
    id          smallint    PRIMARY KEY,
    secret      bytea       NOT NULL CHECK (octet_length(secret) >= 32),
    created_at  timestamptz NOT NULL DEFAULT now()
);
INSERT INTO signing_keys (id, secret)
SELECT 1, sha256(string_agg(uuid_send(gen_random_uuid()), ''::bytea)) FROM generate_series(1, 4);
