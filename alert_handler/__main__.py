"""`python -m alert_handler`, installed as nightshift-handler."""

import argparse
import importlib
import sys

from alert_handler.config import DEFAULT_PATH, PORT
from alert_handler.errors import AlertHandlerError
from chassis import flags, logs
from chassis.server import AddressUnusable

VERBS = ("serve", "incidents", "check-config", "describe")


def parser() -> argparse.ArgumentParser:
    """The command line; each verb is a module in `alert_handler.verbs`, and flags stand before or after it."""
    found = argparse.ArgumentParser(
        prog="nightshift-handler", description="Receives alerts, repairs what it may, verifies, tells people."
    )
    found.add_argument("verb", nargs="?", choices=VERBS, default="serve", help="(default: serve)")
    found.add_argument("id", nargs="?", type=int, help="incidents: show this one whole")
    flags.add(found, config=DEFAULT_PATH, port=PORT)
    flags.add_external_url(found, port=PORT)
    found.add_argument("--state", choices=("open", "closed"), default="", help="incidents: only these")
    found.add_argument(
        "--format", choices=("text", "json"), default="text", help="incidents: output (default: %(default)s)"
    )
    return found


def main(argv: list[str] | None = None) -> int:
    """Run the command line *argv*; the exit status: 0, or 2 with the reason on standard error."""
    arguments = parser().parse_intermixed_args(argv)
    logs.configure(arguments.log_level, arguments.log_format)
    verb = "check-config" if arguments.config_check else arguments.verb
    module = importlib.import_module(f"alert_handler.verbs.{verb.replace('-', '_')}")
    try:
        sys.stdout.write(module.run(arguments))
    except (AlertHandlerError, AddressUnusable) as error:
        sys.stderr.write(f"nightshift-handler: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
