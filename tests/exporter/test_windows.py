from exporter.analysis.windows import PARTS, Window


def test_window_shows_the_counts_since_it_began() -> None:
    """A fresh window has everything."""
    assert Window(300, 2, 0).counts((3, 4)) == [3, 4]


def test_window_forgets_what_is_older() -> None:
    """After its length the first part is gone and the rest is kept."""
    window = Window(100, 1, 0)
    for turn in range(1, 13):
        window.turn((turn,), turn * 10.0)
    assert window.counts((12,)) == [10]


def test_window_tells_the_last_part_from_those_before() -> None:
    """What came since the last turn is judged by what came before it."""
    window = Window(100, 1, 0)
    window.turn((5,), 10)
    window.turn((7,), 20)
    assert (window.before(), window.recent((10,))) == ([7], [3])


def test_window_after_a_long_silence_is_empty() -> None:
    """Nothing was read for longer than the window: nothing is shown."""
    window = Window(100, 1, 0)
    window.turn((5,), 10)
    window.turn((5,), 500)
    assert window.counts((5,)) == [0]


def test_window_memory_is_bounded() -> None:
    """However often it turns, it keeps its parts and one."""
    window = Window(1e9, 1, 0)
    for turn in range(100):
        window.turn((turn,), turn)
    assert len(window._kept) == PARTS + 1
