-- Messages that callers have left; the audio is in the data directory, under the recording's name.
CREATE TABLE message (
    partition INTEGER NOT NULL,
    recording INTEGER NOT NULL,
    call TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    caller TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    PRIMARY KEY (partition, recording)
);
CREATE INDEX message_by_mailbox ON message (partition, mailbox, at_us);
