"""The channels to people: one file per channel, each keeps the contract in `alert_handler.notifier`."""
