import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.bounded_output import MAX_OUTPUT, Output, sealed_memory


def test_output_that_fits_is_kept_whole() -> None:
    """Up to the bound nothing is left out, also when a character was written in two pieces."""
    output = Output()
    output.add(b"gr\xc3")
    output.add(b"\xbcn\n" + b"x\n" * (MAX_OUTPUT // 2 - 3))
    assert output.text(()) == "grün\n" + "x\n" * (MAX_OUTPUT // 2 - 3)


def test_output_over_the_bound_tells_how_much_is_missing() -> None:
    """Both ends are kept, and the line between them counts the rest."""
    output = Output()
    for number in range(20_000):
        output.add(b"line-%d\n" % number)
    head, _, rest = output.text(()).partition("\n[... ")
    missing, _, tail = rest.partition(" bytes left out ...]\n")
    assert (head[:7], tail[-11:]) == ("line-0\n", "line-19999\n")
    assert len(head) + int(missing) + len(tail) == sum(len(f"line-{number}\n") for number in range(20_000))


def test_sealed_memory_cannot_grow() -> None:
    """A writer that goes on after the bound gets an error, no more memory."""
    memory = sealed_memory()
    assert os.write(memory, b"x" * MAX_OUTPUT) == MAX_OUTPUT
    with pytest.raises(PermissionError):
        os.write(memory, b"y")
    os.close(memory)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=9000), max_size=30), st.text(min_size=4, max_size=40, alphabet="abcdefgh12345678"))
def test_output_never_shows_a_secret_however_it_is_cut(chunks: list[bytes], secret: str) -> None:
    """Whatever surrounds it, and wherever the cap cuts, no four characters of a torn secret remain at the cut."""
    output = Output()
    before = b"".join(chunks)[: MAX_OUTPUT // 4]
    filler = b"#" * 99 + b"\n"
    output.add((before + b"\n" + filler * 400)[: MAX_OUTPUT // 2 - len(secret) // 2])
    output.add(secret.encode())
    output.add(filler * (MAX_OUTPUT // 99))
    text = output.text([secret])
    assert secret not in text
    assert not text.rpartition("\n[...")[0].endswith(secret[: len(secret) // 2])
