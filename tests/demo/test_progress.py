import io

from demo.progress import Progress, table


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_step_writes_a_line_with_the_elapsed_time() -> None:
    """Each step is one line that tells the time since the start."""
    times = iter([10.0, 12.5])
    out = io.StringIO()
    Progress(out, lambda: next(times)).step("ready")
    assert out.getvalue() == "[   2.5 s] ready\n"


def test_waiting_on_a_file_is_silent() -> None:
    """A log holds steps only."""
    out = io.StringIO()
    Progress(out).waiting("for something")
    assert not out.getvalue()


def test_waiting_on_a_terminal_is_redrawn_and_then_taken_away() -> None:
    """The live line stands until the next step takes its place."""
    out = Terminal()
    progress = Progress(out, lambda: 1.0)
    progress.waiting("for something")
    progress.step("done")
    assert "for something\r\x1b[2K[   0.0 s] done\n" in out.getvalue()


def test_waiting_too_often_is_drawn_once() -> None:
    """A busy loop does not flood the terminal."""
    out = Terminal()
    progress = Progress(out, lambda: 1.0)
    progress.waiting("a")
    progress.waiting("b")
    assert "b" not in out.getvalue().split("s] ")[-1]


def test_table_aligns_columns() -> None:
    """The first column to the left, numbers to the right."""
    assert table(["name", "size"], [["a", "1"], ["long name", "1234"]]) == (
        "name       size\n---------  ----\na             1\nlong name  1234"
    )
