"""What every Nightshift daemon needs and nothing more: configuration files, logs, plug-in folders, the server.

The exporter and the alert handler share no knowledge of monitoring; they share this chassis (ADR 0005).
It imports neither of them.
"""

VERSION = "0.1.0"
