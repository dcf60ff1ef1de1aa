import stat
import subprocess
from pathlib import Path

from demo.relocate import BUILT_IN, THROUGH_DESCRIPTOR, relocate


def _program(tree: Path, name: str, text: str) -> Path:
    """Writes an executable script into the tree's usr/bin."""
    path = tree / "usr" / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(stat.S_IRWXU)
    return path


def test_relocate_replacement_has_the_same_length() -> None:
    """A program's image keeps its layout only when the replacement is as long as what it replaces."""
    assert len(THROUGH_DESCRIPTOR) == len(BUILT_IN)


def test_relocate_program_reads_the_data_beside_itself(tmp_path: Path) -> None:
    """A program that reads its built-in data folder gets the unpacked one, from any working directory."""
    program = _program(tmp_path, "reader", '#!/bin/sh\ncat /usr/share/prometheus/data.txt; echo "$1"\n')
    data = tmp_path / "usr" / "share" / "prometheus"
    data.mkdir(parents=True)
    (data / "data.txt").write_text("unpacked\n", encoding="utf-8")
    relocate(tmp_path)
    done = subprocess.run([program, "an argument"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout == "unpacked\nan argument\n"


def test_relocate_other_program_stays_untouched(tmp_path: Path) -> None:
    """Only what carries the folder's name is rewritten."""
    program = _program(tmp_path, "other", "#!/bin/sh\necho same\n")
    (tmp_path / "usr" / "share" / "prometheus").mkdir(parents=True)
    relocate(tmp_path)
    assert program.read_text(encoding="utf-8") == "#!/bin/sh\necho same\n"
