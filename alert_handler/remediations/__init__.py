"""The kinds of remediation: one file per kind, each keeps the contract in `alert_handler.remediation`."""
