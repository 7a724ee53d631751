--- an index that blocks writers
CREATE INDEX posts_status_idx ON posts (status);
--- a unique index that blocks writers
CREATE UNIQUE INDEX posts_code_key ON posts (code);
--- an index dropped under a lock
DROP INDEX posts_status_idx;
--- an index rebuilt under a lock
REINDEX INDEX posts_status_idx;
--- a table's indexes rebuilt under a lock
REINDEX TABLE posts;
--- a foreign key that looks at all rows
ALTER TABLE posts ADD CONSTRAINT posts_editor_fkey FOREIGN KEY (editor_id) REFERENCES authors (id);
--- a foreign key with its column
ALTER TABLE posts ADD COLUMN editor_id bigint REFERENCES authors (id);
--- a check that looks at all rows
ALTER TABLE posts ADD CONSTRAINT posts_code_check CHECK (length(code) < 10);
--- a check validated in the transaction that adds it
ALTER TABLE posts ADD CONSTRAINT posts_code_check CHECK (length(code) < 10) NOT VALID;
ALTER TABLE posts VALIDATE CONSTRAINT posts_code_check;
--- a unique constraint that builds its index
ALTER TABLE posts ADD CONSTRAINT posts_code_key UNIQUE (code);
--- a primary key that builds its index
ALTER TABLE notes ADD PRIMARY KEY (id);
--- a column with a primary key
ALTER TABLE notes ADD COLUMN id bigserial PRIMARY KEY;
--- an exclusion constraint
ALTER TABLE rooms ADD CONSTRAINT rooms_free EXCLUDE USING gist (at WITH &&);
--- a volatile default
ALTER TABLE posts ADD COLUMN token uuid DEFAULT gen_random_uuid();
--- a default that is a clock's
ALTER TABLE posts ADD COLUMN seen_at timestamptz DEFAULT clock_timestamp();
--- a required column without a default
ALTER TABLE posts ADD COLUMN code text NOT NULL;
--- a generated column
ALTER TABLE posts ADD COLUMN size integer GENERATED ALWAYS AS (length(content)) STORED;
--- not null without a check
ALTER TABLE posts ALTER COLUMN code SET NOT NULL;
--- not null with a check of another column
ALTER TABLE posts ADD CONSTRAINT posts_other_check CHECK (other IS NOT NULL) NOT VALID;
ALTER TABLE posts ALTER COLUMN code SET NOT NULL;
--- a type that needs other bytes
ALTER TABLE posts ALTER COLUMN view_count TYPE bigint;
--- a type by a cast
ALTER TABLE posts ALTER COLUMN code TYPE integer USING code::integer;
--- a column renamed
ALTER TABLE posts RENAME COLUMN code TO short_code;
--- a table renamed
ALTER TABLE posts RENAME TO articles;
--- a table moved to another schema
ALTER TABLE posts SET SCHEMA archive;
--- a column dropped
ALTER TABLE posts DROP COLUMN code;
--- a table dropped
DROP TABLE notes;
--- a view dropped
DROP VIEW popular_posts;
--- a function dropped
DROP FUNCTION slug_of(text);
--- a type dropped
DROP TYPE mood;
--- a schema dropped with all that is in it
DROP SCHEMA archive CASCADE;
--- more dropped than is named
DROP TABLE notes CASCADE;
--- a table emptied
TRUNCATE notes;
--- tables emptied that are not named
TRUNCATE notes CASCADE;
--- all rows changed in one transaction
UPDATE posts SET code = 'x';
--- most rows changed in one transaction
UPDATE posts SET code = slug WHERE code IS NULL;
--- old rows deleted in one transaction
DELETE FROM change_events WHERE created_at < now() - interval '30 days';
--- a backfill behind a lock
ALTER TABLE posts ADD COLUMN code text;
UPDATE posts SET code = 'x' WHERE id = 1;
--- rows copied behind a lock
ALTER TABLE notes DROP CONSTRAINT notes_text_check;
INSERT INTO notes (text) SELECT title FROM posts;
--- a table locked by hand
LOCK TABLE posts IN ACCESS EXCLUSIVE MODE;
--- a materialized view refreshed under a lock
REFRESH MATERIALIZED VIEW popular_posts;
--- a table made logged
ALTER TABLE sessions SET LOGGED;
--- a table moved to another disk
ALTER TABLE posts SET TABLESPACE fast;
--- a table written anew by VACUUM
-- migrate: no-transaction
VACUUM FULL posts;
--- a table sorted
CLUSTER posts USING posts_pkey;
--- a partition attached that is looked at
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
--- a partition detached under a lock
ALTER TABLE events DETACH PARTITION events_2024;
--- a domain's new check
ALTER DOMAIN slug ADD CONSTRAINT slug_short CHECK (length(VALUE) < 50);
--- a name that the server cuts off
CREATE TABLE a_table_whose_name_is_longer_than_the_sixty_three_bytes_that_the_server_keeps (id bigint);
--- an index that blocks writers, after a table of another name was made
CREATE TABLE notes_2 (id bigint PRIMARY KEY);
CREATE INDEX notes_text_idx ON notes (text);
--- an index that blocks writers, outside a transaction
-- migrate: no-transaction
CREATE INDEX posts_status_idx ON posts (status);
--- a backfill in one go, outside a transaction
-- migrate: no-transaction
UPDATE posts SET code = slug;
--- a waiver for another rule
-- migrate: allow ban-drop-column: nothing reads it
DROP TABLE notes;
