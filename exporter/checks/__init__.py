"""One file per way to tell that something is up; `exporter/collectors/services.py` makes the checks."""
