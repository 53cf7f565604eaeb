"""The one kind of error that a user is meant to read: it says what is wrong and what to do."""


class BankmineError(Exception):
    """A fault in what was asked or given, told in one line that says what to do."""


class SourceError(BankmineError):
    """A source that cannot be found or read."""


class UnusableSourceError(SourceError):
    """A source that was read, but lacks what the contract requires."""
