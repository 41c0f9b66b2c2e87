-- Messages of all boxes of a tenant, newest first.
CREATE INDEX message_by_time ON message (partition, at_us);
