-- The private e-mail addresses of authors. Apart from what is public, and not granted to the API's role: what it can't
-- read it can't give away.

CREATE TABLE author_emails (
    email       text        PRIMARY KEY CHECK (email = btrim(email) AND length(email) BETWEEN 3 AND 254),
    author_id   bigint      NOT NULL REFERENCES authors ON DELETE CASCADE,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX author_emails_author_idx ON author_emails (author_id);
