-- {table} is the table's name, with its database and in quotes.
-- One statement, so that programs that start at the same time need no lock.
CREATE TABLE IF NOT EXISTS {table} (
    `key`       binary(32)     NOT NULL PRIMARY KEY,
    revision    bigint         NOT NULL, -- the bits of an unsigned number
    expires_at  bigint         NOT NULL, -- milliseconds since the Unix epoch
    subject     varbinary(255),          -- UTF-8, compared byte for byte
    data        longblob       NOT NULL, -- the record, as cloakroom_store::encode writes it
    lease       bigint,                  -- the holder's number; null if it is free
    lease_until bigint,                  -- on the database's clock; null if it is free
    KEY expires_at (expires_at),
    KEY subject (subject, `key`)
) ENGINE = InnoDB, COMMENT = 'cloakroom sessions, version 1';
