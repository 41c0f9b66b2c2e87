-- Tries to sign in by telephone that count, so that a restart gives nobody new ones. Who tried is a
-- keyed digest.
CREATE TABLE sign_in_try (
    partition INTEGER NOT NULL,
    tried_by INTEGER NOT NULL,
    key INTEGER NOT NULL,
    count INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (partition, tried_by, key)
);
CREATE INDEX sign_in_try_by_age ON sign_in_try (partition, tried_by, position);
