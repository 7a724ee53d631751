-- migrate: no-transaction

REINDEX INDEX CONCURRENTLY things_word_idx;
ALTER TABLE events DETACH PARTITION events_2024 CONCURRENTLY;
INSERT INTO done VALUES ('tidy');
VACUUM things;
