from exporter.analysis.error_categories import Categories, CategoryRule


def test_of_first_rule_decides() -> None:
    """Rules are asked in order."""
    rules = (
        CategoryRule(category="security", contains=("denied",)),
        CategoryRule(category="code", contains=("error",)),
    )
    assert Categories(rules).of("Error: access DENIED") == "security"
    assert Categories(rules[::-1]).of("Error: access DENIED") == "code"


def test_of_message_counts_before_the_stack() -> None:
    """A stack tells the category only where no rule knows the message."""
    rules = (
        CategoryRule(category="integration", contains=("curl",)),
        CategoryRule(category="performance", contains=("slow",)),
    )
    assert Categories(rules).of("too slow", "at curl.php") == "performance"
    assert Categories(rules).of("it broke", "at curl.php") == "integration"


def test_of_unknown_is_the_default() -> None:
    """No error is without a category."""
    assert Categories((), "infrastructure").of("whatever") == "infrastructure"
