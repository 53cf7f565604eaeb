"""The demo bank: a seeded synthetic bank with planted truth."""

from demobank.bank import generate

__all__ = ["generate"]
