-- Every version of every flow that was ever in force; a number is never used twice.
CREATE TABLE flow_version (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    PRIMARY KEY (partition, name, version)
);

-- The flows in force.
CREATE TABLE flow (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (partition, name)
);

-- What is being worked on: at most one draft a flow; its revision is never used twice.
CREATE TABLE flow_draft (
    partition INTEGER NOT NULL,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    by_whom TEXT NOT NULL,
    PRIMARY KEY (partition, name)
);

-- The language each caller chose to be remembered by, and where in the journal it did.
CREATE TABLE caller_language (
    partition INTEGER NOT NULL,
    caller TEXT NOT NULL,
    language TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (partition, caller)
);
CREATE INDEX caller_language_by_age ON caller_language (partition, position);

-- Calls by which a test caller tried a draft.
ALTER TABLE call_record ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
