"""Probing endpoints: one thread, non-blocking sockets, one file per prober."""
