"""What stands where a result cannot be: `Lacking("why")`. Tables, charts and findings take it and say so.

A part of a study is computed when it is first asked for, and kept. Where it cannot be, because a source lacks something
or there is too little to learn from, it is a `Lacking`, and so is every part that would have been made from it; so
notebooks ask for parts and need no guards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

from bankmine.errors import BankmineError

Made = TypeVar("Made")
_making: ContextVar[bool] = ContextVar("making a part", default=False)


class NotRun(BankmineError):  # noqa: N818 - an end, not a fault
    """Ends a notebook as a good page, which shows what came before and says why there is no more."""


@dataclass(frozen=True)
class Lacking:
    """A result that is not there. Whatever is asked of it is lacking for the same reason."""

    why: str

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Lacking:
        if name.startswith("_"):  # how Python and Jupyter ask what an object can do
            raise AttributeError(name)
        return self

    def __getitem__(self, key: object) -> Lacking:
        return self

    def __call__(self, *given: object, **named: object) -> Lacking:
        return self

    def __iter__(self) -> Iterator[object]:
        return iter(())

    def __lt__(self, other: object) -> Lacking:
        """Compare: an alert whose limit is held against what is not there is none."""
        return self

    __le__ = __gt__ = __ge__ = __lt__

    def __str__(self) -> str:
        return f"not there: {self.why}"


class part(Generic[Made]):  # noqa: N801 - used as a decorator, like property
    """A part of a study, made once, when it is first asked for; `Lacking` where a `BankmineError` says why it is not.

    To whoever asks from outside it is a `Lacking`; to another part that is being made the error is raised again, so
    that parts are written as if all others were there.
    """

    def __init__(self, make: Callable[..., Made]) -> None:
        self.make, self.__doc__, self.__name__ = make, make.__doc__, make.__name__

    @overload
    def __get__(self, study: None, owner: type) -> part[Made]: ...
    @overload
    def __get__(self, study: object, owner: type) -> Made: ...
    def __get__(self, study: object | None, owner: type) -> part[Made] | Made:
        """Return what was made, or make it."""
        if study is None:
            return self
        kept = vars(study).setdefault("_parts", {})
        if self.__name__ not in kept:
            kept[self.__name__] = self._made(study)
        found = kept[self.__name__]
        if isinstance(found, Lacking) and _making.get():
            raise BankmineError(found.why)
        return found

    def _made(self, study: object) -> Made | Lacking:
        inside = _making.set(True)
        try:
            return self.make(study)
        except BankmineError as error:
            return Lacking(str(error))
        finally:
            _making.reset(inside)


def optional(study: object, name: str) -> object:
    """Return a part as a `Lacking` where it is not there, also to another part that can do without it."""
    try:
        return getattr(study, name)
    except BankmineError as error:
        return Lacking(str(error))
