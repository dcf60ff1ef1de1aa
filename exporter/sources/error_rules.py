r"""The rules by which error logs are read: those that come with the exporter, and a file of the user's own before them.

A file of one's own, where every key may be left out (`RuleFile` says what they mean):

```yaml
categories: [{category: performance, contains: [slow query]}]
failed_logins: [{contains: [bad pin]}]
suspicious: [{kind: scanner, contains: [acunetix]}]
business: [{kind: payment, outcome: failure, regex: 'payment \d++ declined'}]
```
"""

from pathlib import Path

import msgspec

from chassis import config_file
from exporter.analysis.error_categories import Categories, Category, CategoryRule
from exporter.analysis.log_signs import BusinessRule, SignReader, SuspiciousRule
from exporter.analysis.text_rules import Rule

OWN = Path(__file__).with_name("error_rules.yml")


class RuleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rules.

    Attributes:
        replace: whether it stands alone; else the rules that come with the exporter follow.
        default: the category of errors that no rule matches.
        categories: in order; the first that matches decides.
        failed_logins: lines that match are failed logins.
        suspicious: lines that match are attacks, each kind counted once.
        business: lines that match are events of the business.
    """

    replace: bool = False
    default: Category = "code"
    categories: tuple[CategoryRule, ...] = ()
    failed_logins: tuple[Rule, ...] = ()
    suspicious: tuple[SuspiciousRule, ...] = ()
    business: tuple[BusinessRule, ...] = ()

    def categorizer(self) -> Categories:
        """What tells the category of errors by these rules."""
        return Categories(self.categories, self.default)

    def sign_reader(self) -> SignReader:
        """What finds signs by these rules."""
        return SignReader(self.failed_logins, self.suspicious, self.business)


def load(path: str = "") -> RuleFile:
    """The rules of the file *path*, if there is one, and those that come with the exporter.

    Raises:
        chassis.config_file.ConfigInvalid: a file cannot be read or holds a rule that cannot be used.
    """
    if not path:
        return config_file.load(OWN, RuleFile)
    given = config_file.load(Path(path), RuleFile)
    return given if given.replace else _joined(given, config_file.load(OWN, RuleFile))


def _joined(first: RuleFile, then: RuleFile) -> RuleFile:
    """The rules of both, in this order."""
    return RuleFile(
        default=first.default,
        categories=first.categories + then.categories,
        failed_logins=first.failed_logins + then.failed_logins,
        suspicious=first.suspicious + then.suspicious,
        business=first.business + then.business,
    )
