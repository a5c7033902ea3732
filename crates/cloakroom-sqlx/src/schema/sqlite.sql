-- {table} is the table's name in quotes, {name} the same without.
-- IMMEDIATE, so that programs that start at the same time wait for each other.
BEGIN IMMEDIATE;

CREATE TABLE IF NOT EXISTS {table} ( -- cloakroom sessions, version 1
    key         BLOB    NOT NULL PRIMARY KEY, -- 32 bytes
    revision    INTEGER NOT NULL,             -- the bits of an unsigned number
    expires_at  INTEGER NOT NULL,             -- milliseconds since the Unix epoch
    subject     BLOB,                         -- UTF-8, compared byte for byte
    data        BLOB    NOT NULL,             -- the record, as cloakroom_store::encode writes it
    lease       INTEGER,                      -- the holder's number; null if it is free
    lease_until INTEGER                       -- on the clock of the machine
) STRICT;

CREATE INDEX IF NOT EXISTS "{name}_expires_at" ON {table} (expires_at);
CREATE INDEX IF NOT EXISTS "{name}_subject" ON {table} (subject, key) WHERE subject IS NOT NULL;

COMMIT;
