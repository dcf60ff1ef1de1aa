"""Command line of the exporter: `serve` (the default), `once`, `describe`, `check-config`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from chassis import flags, logs, web
from chassis.config_file import ConfigInvalid
from chassis.memory import one_arena, settled
from chassis.server import AddressUnusable, Signals
from exporter import catalogue, config
from exporter.app import Exporter
from exporter.errors import ConfigError, ExporterError
from exporter.exposition import TEXT
from exporter.scrape_timeout import DEFAULT_TIMEOUT_SECONDS
from exporter.textfile import write_atomically
from exporter.web import Application

PORT = 19100
#: Of the web server: a scrape takes one, and so does each probe or journey that is asked for.
THREADS = 8
#: Of a request; the largest report of an error that may be configured has as many.
MAX_BODY_BYTES = 1024 * 1024
VERBS = ("serve", "once", "describe", "check-config")


def main(arguments: list[str] | None = None) -> int:
    """Run one verb; 0 when it did its work, 2 when its input is bad (one line on standard error says why)."""
    options = _parser().parse_args(arguments)
    logs.configure(options.log_level, options.log_format)
    verb = "check-config" if options.config_check else "once" if options.once else options.verb
    try:
        _RUN[verb](options)
    except (ExporterError, AddressUnusable, ConfigInvalid, OSError) as error:
        print(f"nightshift-exporter: {error}", file=sys.stderr)  # noqa: T201 -- a command line's answer
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nightshift-exporter", description=__doc__)
    parser.add_argument("verb", nargs="?", choices=VERBS, default="serve", help="(default: serve)")
    flags.add(parser, config=config.DEFAULT_PATH, port=PORT)
    parser.add_argument("--once", action="store_true", help="the same as the verb once")
    parser.add_argument("--output", type=Path, metavar="FILE", help="once: write there, atomically, not to stdout")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="describe: (default: text)")
    return parser


def _serve(options: argparse.Namespace) -> None:
    signals = Signals()
    one_arena()
    exporter = _exporter(options)
    settled()
    with web.serve(Application(exporter), options, PORT, threads=THREADS, max_body_bytes=MAX_BODY_BYTES):
        signals.until_stopped(exporter.reload)
    exporter.close()


def _once(options: argparse.Namespace) -> None:
    # A state of its own, so that a run beside the daemon does not move how far that one has read its logs.
    with TemporaryDirectory(prefix="nightshift-exporter-") as state:
        exporter = _exporter(options, state)
        exporter.about.leave_out_process()
        exposition = exporter.exposition(DEFAULT_TIMEOUT_SECONDS, TEXT)
        exporter.close()
    if options.output is None:
        sys.stdout.buffer.write(exposition)
    else:
        write_atomically(options.output, exposition)


def _describe(options: argparse.Namespace) -> None:
    path = flags.config_path(options.config_file, config.DEFAULT_PATH)
    classes, complaints = config.every_class(path, config.known_collectors())
    found = catalogue.entries(classes)
    print(catalogue.as_json(found) if options.format == "json" else catalogue.as_table(found))  # noqa: T201
    _complain(complaints)


def _check_config(options: argparse.Namespace) -> None:
    path = flags.config_path(options.config_file, config.DEFAULT_PATH)
    web.security(options.web_config_file)
    loaded = config.load(path, config.known_collectors())
    _complain(loaded.complaints)
    names = ", ".join(loaded.collectors)
    print(f"{path or 'built-in defaults'}: valid; collectors: {names or 'none'}")  # noqa: T201


def _complain(complaints: Sequence[str]) -> None:
    """Name the collectors of the user's that cannot be used; they do not keep `serve` from serving the rest.

    Raises:
        ConfigError: there are some.
    """
    if complaints:
        raise ConfigError(f"collector folder: {'; '.join(complaints)}")


def _exporter(options: argparse.Namespace, state_directory: str = "") -> Exporter:
    path = flags.config_path(options.config_file, config.DEFAULT_PATH)
    return Exporter(path, config.known_collectors(), state_directory=state_directory)


_RUN = {"serve": _serve, "once": _once, "describe": _describe, "check-config": _check_config}

if __name__ == "__main__":
    sys.exit(main())
