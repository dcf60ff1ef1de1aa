"""The Nightshift exporter: a Prometheus scrape target for the golden signals and resources of what you run.

`config -> collectors -> registry -> exposition`; slow sources go `sampler -> last good sample`. It never imports
the alert handler; the two agree through metric names alone.
"""
