"""The command-line flags that both daemons have, named as Prometheus' own programs name theirs."""

import argparse
from pathlib import Path

from chassis import VERSION, logs


def add(parser: argparse.ArgumentParser, *, config: str, port: int) -> None:
    """Add the common flags; *config* is the default configuration file, *port* the default loopback port."""
    _add_config(parser, config)
    _add_web(parser, port)
    parser.add_argument(
        "--log.level", dest="log_level", choices=logs.LEVELS, default="info", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--log.format",
        dest="log_format",
        choices=logs.FORMATS,
        default="logfmt",
        help="(default: %(default)s)",
    )
    parser.add_argument("--version", action="version", version=f"nightshift {VERSION}")


def add_external_url(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Add `--web.external-url`, for a daemon whose messages link to it; *port* is the default loopback port."""
    parser.add_argument(
        "--web.external-url",
        dest="external_url",
        metavar="URL",
        default=f"http://127.0.0.1:{port}",
        help="address under which people reach this server, used in links (default: %(default)s)",
    )


def _add_config(parser: argparse.ArgumentParser, config: str) -> None:
    """Which configuration, and whether it is only checked."""
    parser.add_argument(
        "--config.file",
        dest="config_file",
        type=Path,
        metavar="PATH",
        help=f"configuration (default: {config} if it exists, else built-in defaults)",
    )
    parser.add_argument(
        "--config.check", dest="config_check", action="store_true", help="check the configuration and exit"
    )


def _add_web(parser: argparse.ArgumentParser, port: int) -> None:
    """Where and how the daemon is reached."""
    parser.add_argument(
        "--web.listen-address",
        dest="listen",
        action="append",
        metavar="HOST:PORT",
        help=f"address to serve on, may be repeated (default: 127.0.0.1:{port})",
    )
    parser.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=Path,
        metavar="PATH",
        help="TLS, users and rate limit, in exporter-toolkit's format (default: plain HTTP for everybody)",
    )
    parser.add_argument(
        "--web.systemd-socket",
        dest="systemd_socket",
        action="store_true",
        help="serve on the sockets that systemd hands over instead of --web.listen-address",
    )
    parser.add_argument(
        "--web.route-prefix",
        dest="route_prefix",
        default="",
        metavar="PATH",
        help="path below which everything is served, for a proxy that does not strip it (default: none)",
    )


def config_path(given: Path | None, default: str) -> Path | None:
    """The configuration file to read: the one given, else *default* if it exists, else None (built-in defaults)."""
    if given is not None:
        return given
    return Path(default) if Path(default).exists() else None


def addresses(given: list[str] | None, port: int) -> list[str]:
    """The addresses to serve on: those given, else loopback at *port*."""
    return given or [f"127.0.0.1:{port}"]
