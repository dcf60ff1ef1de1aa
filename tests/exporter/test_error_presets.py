from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.error_presets import PRESETS, ErrorLog, PresetName
from tests.exporter.doubles import Clock

NGINX = "2026/11/21 02:29:00 [error] 22#22: *81 "
APACHE = "[Sat Nov 21 02:29:00.466086 2026] [{}:error] [pid 84] [client 10.0.0.1:0] "
FPM = '[21-Nov-2026 02:29:00] WARNING: [pool www] child 12 said into stderr: "'
DRUPAL = "Nov 21 02:29:00 web1 drupal: https://shop|1795220940|{}|10.0.0.1|https://shop/node/1|https://ref|{}0||{}"


def read(preset: str, text: str) -> list[tuple[str, str, str]]:
    """Level, message and stack of every event of *text*."""
    clock = Clock()
    chosen = PRESETS[cast("PresetName", preset)]
    log = ErrorLog(chosen, clock)
    blocks = list(log.blocks(text.split("\n")))
    clock.now += 5
    blocks += log.overdue()
    return [(event.level.name, event.message, event.stack) for block in blocks for event in chosen.read(block)]


@pytest.mark.parametrize("preset", ["nginx_error", "auto"])
def test_nginx_reads_what_php_wrote(preset: str) -> None:
    """Several messages of PHP in one entry are several events; the stack spreads over lines."""
    text = (
        f'{NGINX}FastCGI sent in stderr: "PHP message: PHP Warning:  Undefined key in /a.php on line 3; '
        "PHP message: PHP Fatal error:  Uncaught Error: no f() in /a.php:14\nStack trace:\n#0 {main}\n"
        '  thrown in /a.php on line 14" while reading response header from upstream, client: 10.0.0.1, server: x'
    )
    assert read(preset, text) == [
        ("WARNING", "Warning: Undefined key in /a.php on line 3", ""),
        (
            "CRITICAL",
            "Fatal error: Uncaught Error: no f() in /a.php:14",
            "Stack trace:\n#0 {main}\n  thrown in /a.php on line 14",
        ),
    ]


@pytest.mark.parametrize("preset", ["nginx_error", "auto", "ddev"])
def test_nginx_message_ends_before_the_request(preset: str) -> None:
    """Client, server and request are no part of what tells errors apart."""
    prefix = "web-1  | " if preset == "ddev" else ""
    text = f"{prefix}{NGINX}connect() failed (111: refused) while connecting to upstream, client: x, server: y"
    assert read(preset, text) == [("ERROR", "connect() failed (111: refused) while connecting to upstream", "")]


@pytest.mark.parametrize(
    ("module", "text", "expected"),
    [
        ("php7", r"PHP Fatal error:  Uncaught Error: x\nStack trace:\n#0 {main}, referer: http://y",
         ("CRITICAL", "Fatal error: Uncaught Error: x", "Stack trace:\n#0 {main}")),
        ("proxy_fcgi", "AH01071: Got error 'PHP message: PHP Warning:  x in /y.php on line 2'",
         ("WARNING", "Warning: x in /y.php on line 2", "")),
        ("core", "AH00126: Invalid URI in request", ("ERROR", "AH00126: Invalid URI in request", "")),
    ],
)  # fmt: skip
def test_apache_reads_modules_and_php(module: str, text: str, expected: tuple[str, str, str]) -> None:
    """mod_php escapes line ends, mod_proxy_fcgi wraps; others write plainly."""
    assert read("apache_error", APACHE.format(module) + text) == [expected]
    assert read("auto", APACHE.format(module) + text) == [expected]


def test_fpm_unwraps_every_line_of_a_child() -> None:
    """PHP-FPM puts its own words around each line of a stack; its own messages stay."""
    lines = ["NOTICE: PHP message: PHP Fatal error:  Uncaught Error: x", "Stack trace:", "#0 {main}", "  thrown in /a"]
    own = "[21-Nov-2026 02:29:00] WARNING: [pool www] server reached pm.max_children setting (5)"
    text = "\n".join([*(f'{FPM}{line}"' for line in lines), own])
    expected = [
        ("CRITICAL", "Fatal error: Uncaught Error: x", "Stack trace:\n#0 {main}\n  thrown in /a"),
        ("WARNING", "[pool www] server reached pm.max_children setting (5)", ""),
    ]
    assert read("php_fpm", text) == expected
    assert read("auto", text) == expected


def test_php_reads_its_error_log() -> None:
    """Kinds of PHP's errors are levels; a message of the application's own is known by its words."""
    head = "[21-Nov-2026 02:29:00 UTC] "
    text = f"{head}PHP Notice:  a\n{head}PHP Parse error:  b\n{head}payment failed\n{head}Uncaught Foo\n{head}hello"
    levels = [level for level, _, _ in read("php", text)]
    assert levels == ["NOTICE", "ERROR", "ERROR", "ERROR", "UNKNOWN"]


@pytest.mark.parametrize(
    ("kind", "severity", "message", "level"),
    [
        ("php", "", "Error: no foo() in bar() (line 12 of /x.module).", "ERROR"),
        ("php", "", '<em class="placeholder">Notice</em>: Undefined index (line 1 of c).', "NOTICE"),
        ("php", "", r"Drupal\Core\Database\DatabaseExceptionWrapper: gone in f() (line 2 of d).", "ERROR"),
        ("user", "", "Login attempt failed for admin.", "ERROR"),
        ("page not found", "", "/wp-login.php failed", "NOTICE"),
        ("cron", "6|", "Cron run completed.", "INFO"),
        ("mail", "3|", "Sending mail.", "ERROR"),
    ],
)
def test_drupal_reads_watchdog_by_syslog(kind: str, severity: str, message: str, level: str) -> None:
    """The level is Drupal's if it is told, else PHP's, else that of the words."""
    (found,) = read("drupal_syslog", DRUPAL.format(kind, severity, message))
    assert found[0] == level
    assert "<em" not in found[1]
    assert "https://" not in found[1]


def test_drupal_reads_stack_and_priority() -> None:
    """A backtrace is the stack; a syslog priority is a level."""
    line = "<11>" + DRUPAL.format("mail", "", "No mail. #0 /y.php(3): bar()")
    assert read("drupal_syslog", line) == [("ERROR", "No mail.", "#0 /y.php(3): bar()")]
    assert read("auto", line) == read("drupal_syslog", line)


def test_ddev_puts_each_container_together() -> None:
    """Lines of several containers in turn are not mixed, nor is their colour kept."""
    trace = ["Traceback (most recent call last):", "  File x", "KeyError: 1"]
    text = "\ndb-1  | ready\n".join(f"web-1 | {line}" for line in trace)
    assert ("ERROR", "KeyError: 1", "  File x\nKeyError: 1") in read("ddev", text)


@pytest.mark.parametrize(
    ("preset", "text", "message"),
    [
        (
            "python",
            "ERROR a: no\nTraceback (most recent call last):\n  File x\nKeyError: 1",
            "ERROR a: no: KeyError: 1",
        ),
        ("java", "2026-11-21 02:29:00 ERROR a: no\njava.lang.Bad: x\njava.io.IOException: y\n\tat z", "a: no"),
        ("java", 'Exception in thread "main" a.BException: x\n\tat c', 'Exception in thread "main" a.BException: x'),
        ("node", "/a.js:1\n  x\n  ^\n\nError: no\n    at b", "Error: no"),
        ("go", "panic: no\n\ngoroutine 1 [running]:\nmain.main()\n\t/a.go:1", "panic: no"),
        ("plain", "2026-11-21T02:29:00Z FATAL no", "no"),
    ],
)
def test_languages_name_the_exception(preset: str, text: str, message: str) -> None:
    """What tells the errors of a language apart: what was announced, and what was raised."""
    assert read(preset, text)[0][1] == message


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(sorted(PRESETS)),
    st.text(st.sampled_from('[]{}|"\\ \n\t:#<>/*aE0,.()\x00\u2028\ud800'), max_size=400),
)
def test_presets_take_any_text(preset: PresetName, text: str) -> None:
    """No text makes a preset fail."""
    for _, message, stack in read(preset, text):
        assert len(message) <= 2048
        assert len(stack) <= 8192
