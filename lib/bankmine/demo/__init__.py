"""The demo bank: a seeded synthetic bank with planted truth."""

from bankmine.demo.bank import generate

__all__ = ["generate"]
