-- migrate: no-transaction

CREATE INDEX CONCURRENTLY things_word_idx ON things (word);
INSERT INTO done VALUES ('word');
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "things Kind_key" ON public.things (kind, id);
DROP INDEX CONCURRENTLY things_old_idx;
INSERT INTO done VALUES ('indexes');
