"""Pure functions over what was read: no I/O, no clock, no Prometheus."""
