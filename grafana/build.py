# ruff: noqa: INP001 -- a script beside its sources, not a package
"""Builds the boards: jsonnet in, the JSON files that Grafana is provisioned with out.

python grafana/build.py                     writes grafana/generated/*.json
python grafana/build.py --check             proves that they are what the sources give; exit 1 and a hint if not
python grafana/build.py --handler-url URL --output DIR
                                            boards whose links lead to an alert handler at another address
"""

import argparse
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import _jsonnet  # type: ignore[import-untyped, unused-ignore]

HERE = Path(__file__).resolve().parent
HANDLER_URL = "http://127.0.0.1:19093"
HINT_LINES = 20


class BoardsInvalid(Exception):
    """The jsonnet sources cannot be evaluated; the message is the evaluator's, with file and line."""


def build(handler_url: str = HANDLER_URL) -> dict[str, str]:
    """The text of every board by file name, from one evaluation; links lead to the alert handler at *handler_url*.

    Raises:
        BoardsInvalid: a source is missing or wrong, or targets.yml lacks a limit that a board draws.
    """
    try:
        document: str = _jsonnet.evaluate_file(str(HERE / "dashboards.jsonnet"), tla_vars={"handler": handler_url})
    except RuntimeError as error:
        raise BoardsInvalid(str(error).strip()) from error
    boards: dict[str, object] = json.loads(document)
    return {name: json.dumps(board, indent=2, ensure_ascii=False) + "\n" for name, board in boards.items()}


def write(boards: Mapping[str, str], folder: Path) -> None:
    """Make the JSON files of *folder* exactly *boards*: a board that is gone takes its file with it."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in _committed(folder).keys() - boards.keys():
        (folder / stale).unlink()
    for name, text in boards.items():
        (folder / name).write_text(text, encoding="utf-8")


def differences(boards: Mapping[str, str], folder: Path) -> list[str]:
    """Lines that tell how the JSON files of *folder* differ from *boards*; none when they are fresh."""
    committed = _committed(folder)
    lines: list[str] = []
    for name in sorted(boards.keys() | committed.keys()):
        old, new = committed.get(name, "").splitlines(), boards.get(name, "").splitlines()
        lines += difflib.unified_diff(old, new, f"generated/{name}", f"built/{name}", n=1, lineterm="")
    return lines


def _committed(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.json"))}


def _parser() -> argparse.ArgumentParser:
    summary, _, usage = (__doc__ or "").partition("\n")
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=summary, epilog=usage, formatter_class=raw)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when files are stale")
    parser.add_argument("--handler-url", default=HANDLER_URL, help="address in links (%(default)s)")
    parser.add_argument("--output", type=Path, default=HERE / "generated", help="folder (%(default)s)")
    return parser


def _hint(stale: Sequence[str], folder: Path) -> str:
    """The first lines of a difference, and what to do about it."""
    rest = [f"... and {len(stale) - HINT_LINES} lines more"] if len(stale) > HINT_LINES else []
    remedy = f"{folder} is not fresh: run `python grafana/build.py` and commit the result"
    return "\n".join([*stale[:HINT_LINES], *rest, remedy, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Build and write, or check; 0 when all is well, 1 when files are stale or sources are wrong."""
    options = _parser().parse_args(arguments)
    try:
        boards = build(options.handler_url)
    except BoardsInvalid as error:
        sys.stderr.write(f"grafana/build.py: {error}\n")
        return 1
    if not options.check:
        write(boards, options.output)
        return 0
    stale = differences(boards, options.output)
    if stale:
        sys.stderr.write(_hint(stale, options.output))
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
