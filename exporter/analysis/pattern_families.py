"""Parameters that no mask can see, found by their variety: four messages that differ in one word are a family.

    removing chargen / removing daytime / removing echo / removing time  ->  removing <*>

Forms are told apart by their number of words and their first word, which is never a parameter: programs begin a
message with what happened. A form that was given out keeps its name; only what comes after belongs to the family.
"""

from collections.abc import Iterator
from itertools import islice

from exporter.analysis.message_masks import PARAMETER

#: So many forms that differ in one word only are a family.
FAMILY_SIZE = 4
#: Longer forms have enough else to tell them apart, and cost more to compare.
MAX_WORDS = 64
#: Of its kin, a form is compared with the newest only.
MAX_COMPARED = 100


class Families:
    """The forms known so far, by kin: same number of words, same first word."""

    def __init__(self, size: int = FAMILY_SIZE) -> None:
        self._size = size
        self._kin: dict[tuple[int, str], dict[str, bool]] = {}

    def place(self, form: str) -> str:
        """The form under which *form* goes: its family's, be it old or founded now; else itself, remembered."""
        words = form.split(" ")
        if not 1 < len(words) <= MAX_WORDS:
            return form
        family = self._family_of(words)
        if family is not None:
            return family
        founded = False
        while (position := self._varying_position(words)) is not None:
            self._forget_siblings(words, position)
            words[position] = PARAMETER
            founded = True
        return self.remember(" ".join(words), family=founded)

    def remember(self, form: str, *, family: bool) -> str:
        """Know *form* from now on, as a family or as one form; returns it."""
        self._kin.setdefault(_kinship(form), {})[form] = family
        return form

    def forget(self, form: str) -> None:
        """Know *form* no longer."""
        key = _kinship(form)
        kin = self._kin.get(key, {})
        kin.pop(form, None)
        if not kin:
            self._kin.pop(key, None)

    def is_family(self, form: str) -> bool:
        """Whether *form* stands for a family."""
        return self._kin.get(_kinship(form), {}).get(form, False)

    def _compared(self, words: list[str]) -> Iterator[tuple[list[str], bool]]:
        kin = self._kin.get((len(words), words[0]), {})
        for form, family in islice(reversed(kin.items()), MAX_COMPARED):
            yield form.split(" "), family

    def _family_of(self, words: list[str]) -> str | None:
        for other, family in self._compared(words):
            if family and all(theirs in (ours, PARAMETER) for ours, theirs in zip(words, other, strict=True)):
                return " ".join(other)
        return None

    def _varying_position(self, words: list[str]) -> int | None:
        """Where *words* differ from so many siblings that they are a family together."""
        siblings: dict[int, int] = {}
        for other, _ in self._compared(words):
            position = _only_difference(words, other)
            if position is None or words[position] == PARAMETER:
                continue
            siblings[position] = siblings.get(position, 1) + 1
            if siblings[position] >= self._size:
                return position
        return None

    def _forget_siblings(self, words: list[str], position: int) -> None:
        """The siblings that a family replaces no longer stand in the way of the next comparisons."""
        for other, _ in list(self._compared(words)):
            if _only_difference(words, other) == position:
                self.forget(" ".join(other))


def _kinship(form: str) -> tuple[int, str]:
    return form.count(" ") + 1, form.partition(" ")[0]


def _only_difference(words: list[str], other: list[str]) -> int | None:
    """The one position where two equally long lists differ; None when there are more, or none."""
    positions = [i for i, (ours, theirs) in enumerate(zip(words, other, strict=True)) if ours != theirs]
    return positions[0] if len(positions) == 1 else None
