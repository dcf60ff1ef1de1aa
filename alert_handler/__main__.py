"""`python -m alert_handler`, installed as nightshift-handler."""

import argparse
import importlib
import sys

from alert_handler.config import DEFAULT_PATH, PORT
from alert_handler.errors import AlertHandlerError
from chassis import flags, logs
from chassis.server import AddressUnusable


def parser() -> argparse.ArgumentParser:
    """The command line; each verb is a module in `alert_handler.verbs`."""
    main_parser = argparse.ArgumentParser(
        prog="nightshift-handler", description="Receives alerts, repairs what it may, verifies, tells people."
    )
    main_parser.set_defaults(verb="serve")
    flags.add(main_parser, config=DEFAULT_PATH, port=PORT)
    verbs = main_parser.add_subparsers(dest="verb", metavar="VERB")
    verbs.add_parser("serve", help="run (the default)")
    verbs.add_parser("check-config", help="check the configuration and exit")
    verbs.add_parser("describe", help="list the metrics as JSON")
    incidents = verbs.add_parser("incidents", help="list the incidents of a running handler, or show one")
    incidents.add_argument("id", nargs="?", type=int, help="show this one whole")
    incidents.add_argument("--state", choices=("open", "closed"), default="", help="only these")
    incidents.add_argument("--format", choices=("text", "json"), default="text", help="(default: %(default)s)")
    return main_parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line *argv*; the exit status: 0, or 2 with the reason on standard error."""
    arguments = parser().parse_args(argv)
    logs.configure(arguments.log_level, arguments.log_format)
    verb = "check-config" if arguments.config_check else arguments.verb or "serve"
    module = importlib.import_module(f"alert_handler.verbs.{verb.replace('-', '_')}")
    try:
        sys.stdout.write(module.run(arguments))
    except (AlertHandlerError, AddressUnusable) as error:
        sys.stderr.write(f"nightshift-handler: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
