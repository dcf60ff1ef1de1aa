import pytest

from exporter.sources.log_levels import Level, level_guessed, level_numbered, level_shown


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-11-21 02:29:00,123 ERROR [w-1] shop: broken", Level.ERROR),
        ("2026-11-21 02:29:00 INFO retry after ERROR", Level.INFO),
        ("[Sat Nov 21 02:29:00 2026] [php7:warn] [pid 3] x", Level.WARNING),
        ("2026/11/21 02:29:00 [crit] 7#7: x", Level.CRITICAL),
        ('ts=1 level=warn msg="x"', Level.WARNING),
        ("error: cannot open", Level.ERROR),
        ("shop:CRITICAL broken", Level.CRITICAL),
        ("shop:level=warn broken", Level.WARNING),
        ("2026-11-21 2:29:00 0 [Note] ready", Level.NOTICE),
        ("the ERRORS page was opened", Level.UNKNOWN),
    ],
)
def test_level_shown_reads_what_loggers_write(line: str, level: Level) -> None:
    """The first level before the message counts."""
    assert level_shown(line) is level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("kernel: I/O error, dev sda, sector 7", Level.ERROR),
        ("ValueError: no such thing", Level.ERROR),
        ("finished with 0 errors", Level.UNKNOWN),
        ("opened /var/log/error.log", Level.UNKNOWN),
        ("session opened for user root", Level.UNKNOWN),
    ],
)
def test_level_guessed_by_words(line: str, level: Level) -> None:
    """Without a level, words decide; what denies an error is none."""
    assert level_guessed(line) is level


@pytest.mark.parametrize(
    ("number", "level"), [(3, 5), (6, 2), (30, 2), (40, 4), (50, 5), (300, 4), (400, 5), (9000, 0)]
)
def test_level_numbered_knows_the_scales(number: int, level: int) -> None:
    """Syslog, pino and Monolog count differently; a number of none of them says nothing."""
    assert level_numbered(number) == level
