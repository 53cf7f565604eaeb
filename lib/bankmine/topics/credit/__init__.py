"""Credit: who will repay, whom to grant credit, and up to which chance to default."""

from bankmine.topics.credit.granting import CreditStudy
from bankmine.topics.credit.study import study

__all__ = ["CreditStudy", "study"]
