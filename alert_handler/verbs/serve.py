"""serve: run the alert handler (the default)."""

import argparse

from alert_handler import app
from alert_handler.config import DEFAULT_PATH, PORT
from chassis import flags, web


def run(arguments: argparse.Namespace) -> str:
    """Run until SIGTERM.

    Raises:
        ConfigInvalid: the configuration cannot be used.
        AddressUnusable: an address cannot be listened on.
    """
    path = flags.config_path(arguments.config_file, DEFAULT_PATH)
    limits = {"threads": app.THREADS, "max_body_bytes": app.MAX_BODY_BYTES}
    app.serve(path, lambda it: web.serve(it, arguments, PORT, **limits), arguments.external_url)
    return ""
