import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks.scram import MAX_ROUNDS, Scram, ScramRefused

# The example of RFC 7677, with the empty user name that PostgreSQL's clients send.
NONCE = b"rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def scram(password: str = "pencil") -> Scram:  # noqa: S107 -- the published example
    """An exchange with the nonce of the example."""
    return Scram(password, lambda: NONCE)


def test_proof_is_that_of_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the user of RFC 7677's example both sides' proofs are the published ones."""
    it = scram()
    monkeypatch.setattr(Scram, "_bare", lambda _: b"n=user,r=" + NONCE)
    assert it.proof(CHALLENGE).endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    it.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert it.verified


@pytest.mark.parametrize("answer", [b"", b"v=", b"e=invalid-proof", b"v=" + base64.b64encode(bytes(32))])
def test_verify_refuses_a_server_without_the_password(answer: bytes) -> None:
    """Only a server that knows the password can say the right thing."""
    it = scram()
    it.proof(CHALLENGE)
    with pytest.raises(ScramRefused, match="does not know the password"):
        it.verify(answer)
    assert not it.verified


def test_verify_before_the_proof_is_refused() -> None:
    """A server that skips the challenge proves nothing."""
    with pytest.raises(ScramRefused):
        scram().verify(b"v=")


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"r=" + NONCE + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        CHALLENGE.replace(b"rOpr", b"xxxx"),
        CHALLENGE.replace(b"4096", b"0"),
        CHALLENGE.replace(b"4096", b"%d" % (MAX_ROUNDS + 1)),
        CHALLENGE.replace(b"4096", b"9" * 5000),
        CHALLENGE.replace(b"W22", b"!!!"),
    ],
)
def test_proof_refuses_a_bad_challenge(challenge: bytes) -> None:
    """An echo, a stranger's nonce, and rounds that would take our processor are refused."""
    with pytest.raises(ScramRefused):
        scram().proof(challenge)


def test_password_is_normalised() -> None:
    """Different spellings of one character are one password."""
    assert scram("\u00e9").proof(CHALLENGE) == scram("e\u0301").proof(CHALLENGE)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=80))
def test_proof_survives_anything(challenge: bytes) -> None:
    """A challenge is answered or refused."""
    with pytest.raises(ScramRefused):
        scram().proof(challenge)
