"""`python -m alert_handler`, installed as nightshift-handler: serve, incidents, check-config."""

import argparse
import sys

import requests

from alert_handler import app, cli
from alert_handler.config import DEFAULT_PATH, PORT
from alert_handler.errors import AlertHandlerError
from chassis import flags, logs
from chassis.server import AddressUnusable


def parser() -> argparse.ArgumentParser:
    """The command line."""
    main_parser = argparse.ArgumentParser(
        prog="nightshift-handler", description="Receives alerts, repairs what it may, verifies, tells people."
    )
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
    """Run the command line *argv*; the exit status."""
    arguments = parser().parse_args(argv)
    logs.configure(arguments.log_level, arguments.log_format)
    path = flags.config_path(arguments.config_file, DEFAULT_PATH)
    try:
        if arguments.config_check or arguments.verb == "check-config":
            sys.stdout.write(cli.check_config(path))
        elif arguments.verb == "describe":
            sys.stdout.write(cli.describe())
        elif arguments.verb == "incidents":
            sys.stdout.write(cli.incidents(arguments.external_url, arguments))
        else:
            app.serve(path, flags.addresses(arguments.listen, PORT), arguments.external_url)
    except (AlertHandlerError, AddressUnusable, requests.RequestException) as error:
        sys.stderr.write(f"nightshift-handler: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
