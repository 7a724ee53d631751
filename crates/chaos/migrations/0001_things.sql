-- Something to work on.

CREATE TABLE things (
    id    integer PRIMARY KEY,
    word  text    NOT NULL,
    kind  integer NOT NULL,
    old   integer
);
INSERT INTO things SELECT n, md5(n::text), n % 7, n FROM generate_series(1, 5000) AS n;
CREATE INDEX things_old_idx ON things (old);

CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');

-- How often each step was done: once.
CREATE TABLE done (step text NOT NULL);
INSERT INTO done VALUES ('things');
