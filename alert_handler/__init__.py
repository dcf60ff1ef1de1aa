"""The alert handler: stores alerts, repairs what it may, verifies against Prometheus and tells people."""
