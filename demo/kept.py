"""A demo that goes on running after its runner: noted in a file, ended by `python -m demo stop FOLDER`."""

import json
import shutil
from pathlib import Path

from demo.processes import stop_process
from demo.stack import PREFIX, Stack

NOTE = "stack.json"


class NotKeptError(RuntimeError):
    """The folder is no kept demo's; the text says what was looked for."""


def note(stack: Stack) -> Path:
    """Writes down the processes of a running stack; gives the file, which is also the place to look up their ids."""
    layout = stack.layout
    path = layout.folder / NOTE
    text = {
        "processes": {name: child.pid for name, child in stack.children.items()},
        "worker_pid_file": str(layout.pid_file),
        "cache": str(layout.cache),
        "addresses": {part: layout.url(part) for part in layout.addresses},
    }
    path.write_text(json.dumps(text, indent=2) + "\n", encoding="utf-8")
    return path


def stop(folder: Path) -> list[str]:
    """Ends the noted processes and removes the demo's folders; gives the names of those that ran.

    Raises:
        NotKeptError: the folder holds no note of a demo.
    """
    try:
        noted = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        processes: dict[str, int] = noted["processes"]
        worker, cache = Path(noted["worker_pid_file"]), Path(noted["cache"])
    except (OSError, ValueError, KeyError) as error:
        raise NotKeptError(f"{folder / NOTE}: no note of a running demo: {error}") from error
    # Every process was started with a path below the folder in its command.
    stopped = [name for name, pid in processes.items() if stop_process(pid, str(folder))]
    if worker.exists() and stop_process(int(worker.read_text(encoding="ascii")), str(folder)):
        stopped.append("worker")
    for each in (folder, cache):
        if each.name.startswith(PREFIX):
            shutil.rmtree(each, ignore_errors=True)
    return stopped
