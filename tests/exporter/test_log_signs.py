import msgspec
import pytest

from exporter.analysis.log_signs import NO_SIGNS, BusinessRule, SignReader, decoded
from exporter.analysis.text_rules import Rule
from exporter.sources import error_rules

SHIPPED = error_rules.load().sign_reader()


@pytest.mark.parametrize(
    "line",
    [
        "sshd[17]: Failed password for invalid user admin from 10.0.0.7 port 4122 ssh2",
        "https://shop|1|user|10.0.0.7|https://shop/user/login||0||Login attempt failed for root.",
        "wordpress(shop)[9]: Authentication failure for admin from 10.0.0.7",
        "sudo:   bob : 3 incorrect password attempts ; TTY=pts/0",
        "vsftpd[9]: pam_unix(vsftpd:auth): authentication failure; logname= uid=0",
        '[error] 7#7: *1 user "bob": password mismatch, client: 10.0.0.7',
        '[auth_basic:error] AH01617: user bob: authentication failure for "/admin": Password Mismatch',
        'FATAL:  password authentication failed for user "app"',
    ],
)
def test_read_finds_failed_logins(line: str) -> None:
    """Programs that ask for passwords say differently that one was wrong."""
    assert SHIPPED.read(line).failed_login


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('"GET /item?id=1%27%20OR%20%271%27=%271 HTTP/1.1"', "sql_injection"),
        ('"GET /item?id=1+union+all+select+1,2 HTTP/1.1"', "sql_injection"),
        ('"GET /item?id=1;select%20sleep(5) HTTP/1.1"', "sql_injection"),
        ('"GET /..%252f..%252fetc/passwd HTTP/1.1"', "path_traversal"),
        ('"GET /?q=%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1"', "xss"),
        ('"GET /?q=${jndi:ldap://x/a} HTTP/1.1"', "command_injection"),
        ('"GET / HTTP/1.1" "sqlmap/1.7"', "scanner"),
        ('"POST /wp-login.php HTTP/1.1"', "login_probe"),
        ('open() "/srv/.env" failed (2: No such file or directory), request: "GET /.env"', "secret_probe"),
    ],
)
def test_read_finds_attacks(line: str, kind: str) -> None:
    """Each kind of attack is known, encoded or not."""
    assert kind in SHIPPED.read(line).suspicious


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-21 ERROR orders: cart 17 not found",
        "SQLSTATE[42S22]: Unknown column 'x': SELECT a FROM t WHERE b = 1 UNION SELECT a FROM u",
        "Accepted publickey for deploy from 10.0.0.7",
        "sudo: pam_unix(sudo:session): session opened for user root",
        "form of address missing in template letter.txt",
    ],
)
def test_read_ordinary_lines_show_nothing(line: str) -> None:
    """Errors and successes are no signs."""
    assert SHIPPED.read(line) == NO_SIGNS


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("Payment 17 was declined by the bank", ("payment", "failure")),
        ("payment 17 captured", ("payment", "success")),
        ("webform: Submission #12 created", ("form", "success")),
        ("contact form could not be sent: validation failed", ("form", "failure")),
    ],
)
def test_read_finds_business_events(line: str, event: tuple[str, str]) -> None:
    """Forms and payments are counted by outcome."""
    assert SHIPPED.read(line).business == (event,)


def test_read_without_rules_finds_nothing() -> None:
    """No rules, no signs."""
    assert SignReader().read("Failed password for root") == NO_SIGNS


def test_read_asks_rules_without_words() -> None:
    """A rule of a pattern alone is asked for every line."""
    assert SignReader(failed_logins=[Rule(regex="^nope")]).read("Nope!").failed_login


def test_shipped_rules_let_lines_be_remembered_without_numbers() -> None:
    """None of them wants a certain number: that is what makes reading fast."""
    assert SHIPPED.blind_to_numbers
    assert not SignReader(business=[BusinessRule(kind="pay", outcome="ok", regex="status=200")]).blind_to_numbers


def test_business_rule_refuses_names_that_are_no_labels() -> None:
    """Kind and outcome are labels of a metric."""
    with pytest.raises(msgspec.ValidationError, match="outcome is 'No!'"):
        msgspec.convert({"kind": "pay", "outcome": "No!", "regex": "x"}, BusinessRule)


def test_decoded_undoes_two_encodings() -> None:
    """What was encoded twice is read; a stray percent sign stays."""
    assert decoded("%253Cb") == "<b"
    assert decoded("100% of %zz") == "100% of %zz"
