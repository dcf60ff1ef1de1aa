"""The store: append-only events, incidents, attempts and the outbox, in one database and so in one commit."""
