from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.pattern_families import MAX_WORDS, Families

SERVICES = ["chargen", "daytime", "echo", "time"]


def placed(forms: list[str], families: Families | None = None) -> list[str]:
    """Where each of *forms* goes, one after the other."""
    families = families or Families()
    return [families.place(form) for form in forms]


def test_place_keeps_three_forms_that_differ_in_one_word_apart() -> None:
    """Two or three words at one position may be three events: begin and end, up and down."""
    forms = [f"removing {service}" for service in SERVICES[:3]]
    assert placed(forms) == forms


def test_place_founds_a_family_with_the_fourth_form() -> None:
    """From the fourth word at one position on, the word is a parameter."""
    families = Families()
    assert placed([f"removing {service}" for service in SERVICES], families)[-1] == "removing \0"
    assert families.is_family("removing \0")
    assert families.place("removing anything") == "removing \0"


def test_place_never_takes_the_first_word_for_a_parameter() -> None:
    """What happened stands first: `cupsd startup succeeded` and `klogd startup succeeded` stay two patterns."""
    forms = [f"{service} startup succeeded" for service in SERVICES]
    assert placed(forms) == forms


def test_place_wants_all_other_words_equal() -> None:
    """Forms that differ in two words are no siblings."""
    forms = [f"removing {service} from {service}-list" for service in SERVICES]
    assert placed(forms) == forms


def test_place_finds_families_of_families() -> None:
    """Two parameters that both vary end in one pattern with two parameters."""
    forms = [f"login of {user} via {host}" for user in ("ann", "bob", "cy", "dot") for host in SERVICES]
    assert placed(forms)[-1] == "login of \0 via \0"


def test_place_leaves_very_long_forms_alone() -> None:
    """Comparing forms of hundreds of words would cost more than it tells."""
    forms = ["long " * MAX_WORDS + service for service in SERVICES]
    assert placed(forms) == forms


def test_forget_makes_room_for_the_family_to_be_found_again() -> None:
    """A forgotten form counts no longer."""
    families = Families()
    placed([f"removing {service}" for service in SERVICES[:3]], families)
    families.forget("removing echo")
    families.forget("removing nothing that was known")
    assert families.place("removing time") == "removing time"
    assert not families.is_family("removing time")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=2, max_size=3).map(" ".join), st.data())
def test_place_is_stable_for_a_member_of_a_family(form: str, data: st.DataObject) -> None:
    """Once a form went to a family, it goes there ever after, whatever other families are founded."""
    families = Families(size=2)
    words = st.lists(st.sampled_from(["a", "b", "c", "d", "e", "f"]), min_size=2, max_size=3).map(" ".join)
    placed(data.draw(st.lists(words, max_size=12)), families)
    first = families.place(form)
    placed(data.draw(st.lists(words, max_size=12)), families)
    assert first in {form, families.place(form)}
