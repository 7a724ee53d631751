-- The last one is a transaction again.

CREATE VIEW long_things AS SELECT id, word FROM things WHERE length > 10;
INSERT INTO done VALUES ('view');
