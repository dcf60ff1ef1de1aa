"""Parameters that no mask can see, found by their variety: four messages that differ in one word are a family.

    removing chargen / removing daytime / removing echo / removing time  ->  removing <*>

Forms are told apart by their number of words and their first word, which is never a parameter: programs begin a
message with what happened. A form that was given out keeps its name; only what comes after belongs to the family.
Families can form a family in turn: `login of ann from <*>`, `login of bob from <*>` and two more.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import msgspec

from exporter.analysis.message_masks import PARAMETER

#: So many forms that differ in one word only are a family.
FAMILY_SIZE = 4
#: Longer forms have enough else to tell them apart, and cost more to compare.
MAX_WORDS = 64
#: A form is compared with so many of its kin: the oldest families, the newest forms.
MAX_COMPARED = 100


class _Kin(msgspec.Struct):
    """Forms with the same number of words and the same first word, oldest first; families with their words."""

    families: dict[str, list[str]] = {}
    forms: dict[str, None] = {}


class Families:
    """The forms known so far, and the families among them; *size* forms make a family."""

    def __init__(self, size: int = FAMILY_SIZE) -> None:
        self._size = size
        self._kin: dict[tuple[int, str], _Kin] = {}

    def place(self, form: str) -> str:
        """The form under which *form* goes: its family's, be it old or founded now; else itself, remembered."""
        words = form.split(" ")
        kin = self._kin.get(_kinship(form))
        if kin is None or len(words) > MAX_WORDS:
            return self.remember(form, family=False)
        family = _family_of(words, kin.families)
        return family or self._widened(words, kin)

    def remember(self, form: str, *, family: bool) -> str:
        """Know *form* from now on, as a family or as one form; returns it."""
        kin = self._kin.setdefault(_kinship(form), _Kin())
        if family:
            kin.families[form] = form.split(" ")
        else:
            kin.forms[form] = None
        return form

    def forget(self, form: str) -> None:
        """Know *form* no longer."""
        key = _kinship(form)
        kin = self._kin.get(key, _Kin())
        kin.families.pop(form, None)
        kin.forms.pop(form, None)
        if not kin.families and not kin.forms:
            self._kin.pop(key, None)

    def is_family(self, form: str) -> bool:
        """Whether *form* stands for a family."""
        return form in self._kin.get(_kinship(form), _Kin()).families

    def _widened(self, words: list[str], kin: _Kin) -> str:
        """The form of *words* with a parameter wherever *kin* show that the word is one."""
        founded = False
        while (position := self._varying_position(words, kin)) is not None:
            for sibling in _siblings(words, position, kin.forms):
                kin.forms.pop(sibling, None)
            words[position] = PARAMETER
            founded = True
        return self.remember(" ".join(words), family=founded)

    def _varying_position(self, words: list[str], kin: _Kin) -> int | None:
        """Where *words* differ from so many others that they are a family together."""
        counts: dict[int, int] = {}
        for other in (*_newest(kin.forms), *_newest(kin.families)):
            position = _only_difference(words, other.split(" "))
            if position is None or words[position] == PARAMETER:
                continue
            counts[position] = counts.get(position, 1) + 1
            if counts[position] >= self._size:
                return position
        return None


def _kinship(form: str) -> tuple[int, str]:
    return form.count(" ") + 1, form.partition(" ")[0]


def _newest(forms: dict[str, None] | dict[str, list[str]]) -> Iterable[str]:
    return islice(reversed(forms), MAX_COMPARED)


def _family_of(words: Sequence[str], families: Mapping[str, list[str]]) -> str | None:
    """The oldest of *families* that *words* belong to: a younger one must not take over what has a name."""
    for family, their_words in islice(families.items(), MAX_COMPARED):
        for ours, theirs in zip(words, their_words, strict=True):
            if theirs not in (ours, PARAMETER):
                break
        else:
            return family
    return None


def _siblings(words: Sequence[str], position: int, forms: dict[str, None]) -> list[str]:
    return [form for form in _newest(forms) if _only_difference(words, form.split(" ")) == position]


def _only_difference(words: Sequence[str], other: Sequence[str]) -> int | None:
    """The one position where two equally long lists differ; None when there are more, or none."""
    positions = [i for i, (ours, theirs) in enumerate(zip(words, other, strict=True)) if ours != theirs]
    return positions[0] if len(positions) == 1 else None
