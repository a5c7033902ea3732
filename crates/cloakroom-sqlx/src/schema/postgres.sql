-- {name} is the table's name, {table} the same with its schema and in quotes.
-- All of it is one transaction. The lock is for programs that start at the same time; its number means nothing.
SELECT pg_advisory_xact_lock(7164786317);

CREATE TABLE IF NOT EXISTS {table} (
    key         bytea    NOT NULL PRIMARY KEY, -- 32 bytes
    revision    bigint   NOT NULL,             -- the bits of an unsigned number
    expires_at  bigint   NOT NULL,             -- milliseconds since the Unix epoch
    subject     bytea,                         -- UTF-8; it may contain NUL, which text may not
    data        bytea    NOT NULL,             -- the record, as cloakroom_store::encode writes it
    lease       bigint,                        -- the holder's number; null if it is free
    lease_start bigint,                        -- start time of the server when it was taken or renewed
    lease_until bigint,                        -- on the database's clock
    waiting     boolean  NOT NULL DEFAULT false
) WITH (fillfactor = 80);                      -- room for the next version of a row beside it

CREATE INDEX IF NOT EXISTS "{name}_expires_at" ON {table} (expires_at);
CREATE INDEX IF NOT EXISTS "{name}_subject" ON {table} (subject, key) WHERE subject IS NOT NULL;

COMMENT ON TABLE {table} IS 'cloakroom sessions, version 1';
