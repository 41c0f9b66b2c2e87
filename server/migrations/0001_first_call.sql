-- Partition of each tenant, for life.
CREATE TABLE tenant (
    partition INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- Small facts of the node: epoch, configuration version, default tenant.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- Configuration: one row an object, in canonical form (passwords only as HA1).
CREATE TABLE config_object (
    partition INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (partition, kind, name)
);

-- Each committed version, with its plan.
CREATE TABLE config_version (
    version INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    plan TEXT NOT NULL
);

-- How far the projections have read the journal; from where calls that are still open begin.
CREATE TABLE projection (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    recover_from INTEGER NOT NULL
);

-- Exactly one row a call.
CREATE TABLE call_record (
    call TEXT PRIMARY KEY,
    partition INTEGER NOT NULL,
    arrived_us INTEGER NOT NULL,
    released_us INTEGER NOT NULL,
    caller_sip_call_id TEXT NOT NULL,
    agent_sip_call_id TEXT,
    record TEXT NOT NULL,
    journal_from INTEGER NOT NULL,
    journal_to INTEGER NOT NULL
);
CREATE INDEX call_record_by_time ON call_record (partition, arrived_us);
CREATE INDEX call_record_by_caller ON call_record (caller_sip_call_id);
CREATE INDEX call_record_by_agent ON call_record (agent_sip_call_id);

-- Every state change of every agent, keyed by its place in the journal.
CREATE TABLE agent_log (
    position INTEGER PRIMARY KEY,
    partition INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    agent TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    reason TEXT,
    call TEXT
);
CREATE INDEX agent_log_by_agent ON agent_log (partition, agent, at_us);

-- The last state of each agent, to restore it.
CREATE TABLE agent_state (
    partition INTEGER NOT NULL,
    agent TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    PRIMARY KEY (partition, agent)
);

-- Registrations, to restore them.
CREATE TABLE binding (
    partition INTEGER NOT NULL,
    number TEXT NOT NULL,
    contact TEXT NOT NULL,
    expires_us INTEGER NOT NULL,
    binding TEXT NOT NULL,
    PRIMARY KEY (partition, number, contact)
);
