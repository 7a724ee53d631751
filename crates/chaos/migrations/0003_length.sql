-- migrate: no-transaction

ALTER TABLE things ADD COLUMN length integer;
-- migrate: repeat
UPDATE things SET length = length(word)
WHERE id IN (SELECT id FROM things WHERE length IS NULL LIMIT 2000);
ALTER TABLE things ADD CONSTRAINT things_length_known CHECK (length IS NOT NULL) NOT VALID;
ALTER TABLE things VALIDATE CONSTRAINT things_length_known;
INSERT INTO done VALUES ('length');
