"""The demo: a small service that can be broken, and the runner that starts the whole stack without Docker."""
