-- The beat of the change feed: a commit now and then, also while nobody writes. A primary that can't commit any more
-- (cut off from its synchronous standby, or out of disk) is thereby told from one where nothing happens.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '1min';

CREATE TABLE change_beat (
    id    smallint PRIMARY KEY CHECK (id = 1),
    beat  bigint   NOT NULL
);
INSERT INTO change_beat (id, beat) VALUES (1, 0);

GRANT SELECT, UPDATE ON change_beat TO prepnexus_api;
