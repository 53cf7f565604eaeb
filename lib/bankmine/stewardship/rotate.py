"""Rotation: a source's reports are brought from one key to another, tokens and encryption, all of it or nothing.

New files are first written beside, in a folder of their own, with a journal of where each belongs; only when that is on
the disk do they take their places. A rotation that was interrupted before is begun anew, one after it is finished. A
token whose key the source has no more becomes that of itself under the new key: lists still meet each other, but
nobody gets from the old token to the new one. What was encrypted is so by the new key, also where it holds no tokens.
Caches are cleared; a state of live scoring is warmed up anew.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bankmine.bank.cache import cleared
from bankmine.bank.pseudonyms import keys_of
from bankmine.bank.sources import Source, find_source
from bankmine.errors import BankmineError, told
from bankmine.privacy import access, audit
from bankmine.privacy.keys import KEY_FILE, Key, read_key, require_key
from bankmine.privacy.sealing import is_sealed, read_sealed, resealed
from bankmine.privacy.tokens import DIGITS, TOKEN, domain_of_token, mapped
from bankmine.report.catalogue import load_catalogue
from bankmine.report.files import ROTATION, locked, refresh_index
from bankmine.report.provenance import code_of
from bankmine.report.runner import folder_of
from bankmine.stewardship.tokenised import Tokenised, open_tokenised, replaced

_LOOSE = rf"[a-z][0-9a-f]{{{DIGITS}}}"
"""What any token matches, for an engine that knows nothing of what stands around."""


def rotate(source: str, to: Path, reports: Path) -> list[str]:
    """Re-key the reports of a source to the key of a file, and say what was done.

    Raises
    ------
    BankmineError
        If the role may not, no key is in use, a key is wrong or not that of a rotation that is to be finished, there is
        no such folder, a file cannot be read or written, or a run is writing reports.
    """
    role, purpose = access.acting()
    access.require(role, "rotate", purpose)
    told, old, new = find_source(source), require_key("Rotation, which begins with the key in use,"), read_key(to)
    if not reports.is_dir():
        raise BankmineError(f"{reports} is no folder: give that of the reports with --reports.")
    folder = folder_of(told, reports)
    days = sorted(day for day in folder.glob("????-??-??") if day.is_dir())
    if not days:
        return [f"{folder} holds no reports of source {told.name}: nothing was done, and the key in use stays so"]
    with ExitStack() as held:
        for day in days:
            held.enter_context(locked(day))
        with _whole(folder):
            if half := _half_to(folder):
                if half != new.name:
                    raise BankmineError(
                        f"In {folder} a rotation to the key {half} was interrupted, and {to} holds {new.name}: finish "
                        f"that first, with the file of {half} as --to. Nothing was changed."
                    )
                said = [f"finished is the rotation to the key {half} that was interrupted"]
            else:
                if old.name == new.name:
                    raise BankmineError(
                        f"{to} holds the key in use already: make another one with `bankmine privacy key FILE`."
                    )
                tokenised = open_tokenised(source) if told.pseudonyms else None
                said = _staged(told, tokenised, old, new, folder, days)
            said += _moved(folder)
    refresh_index(reports)
    return [
        *said,
        f"from now on set {KEY_FILE} to {to}, and keep the old key no longer than lists made by it are used",
        f"still of the key {old.name}: reports of other sources until they are rotated, and a state of live scoring, "
        "which is no longer opened: remove it, and warm up a new one",
    ]


@contextmanager
def _whole(folder: Path) -> Iterator[None]:
    """Tell what the system refuses, and leave nothing beside unless it is all that is needed to finish."""
    try:
        yield
    except OSError as error:
        end = (
            "and do the same again, to finish it"
            if _half_to(folder)
            else "nothing was changed, the key in use stays so"
        )
        raise BankmineError(
            f"Reports in {folder} cannot be rotated: {error.strerror}. Free some space, or make that a place you may "
            f"write to, {end}."
        ) from None
    finally:
        if not (folder / ROTATION).is_file():
            shutil.rmtree((folder / ROTATION).parent, ignore_errors=True)


def _half_to(folder: Path) -> str:
    """Name the key to which a rotation was interrupted while files moved; "" where none was."""
    return json.loads((folder / ROTATION).read_text("utf-8"))["key"] if (folder / ROTATION).is_file() else ""


def _staged(
    source: Source, tokenised: Tokenised | None, old_key: Key, new: Key, folder: Path, days: list[Path]
) -> list[str]:
    """Write all files anew beside, and the journal last."""
    beside = (folder / ROTATION).parent
    shutil.rmtree(beside, ignore_errors=True)
    files = [_File(f) for day in days for f in sorted(day.rglob("*")) if f.is_file() and not f.name.startswith(".")]
    rewritten, said = _with_tokens(tokenised, new, files) if tokenised else ({}, [])
    again = {file.path: rewritten.get(file.path, file.content) for file in files if file.sealed} | rewritten
    changed = {path: resealed(path, content, new) for path, content in again.items()}
    changed |= _manifests(days, changed, source, new)
    audit.record("rotated", source=source.name, old_key=old_key.name, new_key=new.name, files=len(changed))
    if changed:
        beside.mkdir(mode=0o700)
        for number, content in enumerate(changed.values()):
            _on_disk(beside / str(number), content)
        places = {"key": new.name, "places": [str(path.relative_to(folder)) for path in changed]}
        _on_disk(beside / "journal.part", json.dumps(places).encode())
        (beside / "journal.part").replace(folder / ROTATION)
    return [*said, f"{sum(file.sealed for file in files):,} encrypted files are encrypted by the key {new.name}"]


def _with_tokens(opened: Tokenised, new: Key, files: list[_File]) -> tuple[dict[Path, bytes], list[str]]:
    """Return the files that hold tokens, in the clear with the new ones, and say how many there were."""
    found = sorted(set().union(*(file.tokens for file in files)))
    pairs, lost = _pairs(opened, new, found)
    old, fresh = pairs["old"], pairs["new"]
    words = dict(zip(old.to_pylist(), fresh.to_pylist(), strict=True))
    changed = {file.path: file.rewritten(old, fresh, words) for file in files if file.tokens}
    said = [f"{len(found):,} tokens in {len(changed):,} files have those of the key {new.name}"]
    if lost:
        said.append(f"{lost:,} of them are of keys that the source has no more, and will meet no token of a later run")
    if closed := ["/".join(file.path.parts[-3:]) for file in files if file.closed]:
        said.append(f"not looked into, as they hold no text: {', '.join(closed)}")
    return changed, said


def _moved(folder: Path) -> list[str]:
    """Move what is staged to its places; again where that was interrupted."""
    beside = (folder / ROTATION).parent
    if (folder / ROTATION).is_file():
        journal = json.loads((folder / ROTATION).read_text("utf-8"))
        for number, place in enumerate(journal["places"]):
            if (beside / str(number)).is_file():
                (beside / str(number)).replace(folder / place)
    said = cleared()
    shutil.rmtree(beside, ignore_errors=True)
    return said


def _pairs(opened: Tokenised, new: Key, found: list[str]) -> tuple[pa.Table, int]:
    """Return `old` and `new` of all tokens that were found, and how many of them are of no key of the source."""
    con, plain = opened.con, keys_of(opened.plain, opened.source)
    asked = con.create_table("rotated", pa.table({"old": pa.array(found, pa.string())}))
    both = [_both(mapped(keys, d, opened.key), mapped(keys, d, new), asked) for d, keys in plain.items()]
    known = both[0].union(*both[1:]).distinct() if len(both) > 1 else both[0]
    pairs = known.to_pyarrow()
    if found and not len(pairs):
        raise BankmineError(
            f"None of the {len(found):,} tokens in the reports of source {opened.source.name} is of the key "
            f"{opened.key.name}: set {KEY_FILE} to the key that made them. Those that were rotated are of the new one."
        )
    kept = set(pairs["old"].to_pylist())
    lost: dict[str, list[str]] = {}
    for token in (t for t in found if t not in kept):
        lost.setdefault(domain_of_token(token), []).append(token)
    for domain, tokens in lost.items():
        given = con.create_table(f"lost_{len(pairs)}_{domain}", pa.table({"key": pa.array(tokens, pa.string())}))
        again = mapped(given, domain, new).to_pyarrow().rename_columns(["old", "new"])
        pairs = pa.concat_tables([pairs, again.cast(pairs.schema)])
    return pairs.combine_chunks(), sum(map(len, lost.values()))


def _both(old: ir.Table, new: ir.Table, asked: ir.Table) -> ir.Table:
    found = old.rename(old="token").semi_join(asked, "old")
    return found.join(new.rename(new="token"), "key").select("old", "new")


def _manifests(days: list[Path], changed: dict[Path, bytes], source: Source, new: Key) -> dict[Path, bytes]:
    """Tell manifests the sizes of the new files, and by which key; of those alone that told what is there."""
    after, known, found = replace(source, key=new.name if source.key else ""), load_catalogue(), {}
    for path in (p for day in days for p in sorted(day.glob("*.json"))):
        manifest = json.loads(changed.get(path, b"") or path.read_bytes())
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            continue
        manifest["files"] |= {n: len(changed[p]) for n in manifest["files"] if (p := path.parent / n) in changed}
        report = known.get(manifest.get("report"))
        if report and manifest.get("code") == code_of(report, source):
            manifest["code"] = code_of(report, after)
        found[path] = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
    return found


def _on_disk(path: Path, content: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


@dataclass(frozen=True)
class _File:
    """A file of a report, and how the tokens in it are found and replaced: in a table, a workbook, or text."""

    path: Path

    @property
    def content(self) -> bytes:
        """What it holds, in the clear."""
        return read_sealed(self.path)

    @cached_property
    def sealed(self) -> bool:
        """Whether it is encrypted."""
        return is_sealed(self.path.read_bytes())

    @cached_property
    def closed(self) -> bool:
        """Whether it is neither."""
        if self.path.suffix in (".parquet", ".xlsx"):
            return False
        try:
            self.content.decode("utf-8")
        except UnicodeDecodeError:
            return True
        return False

    @cached_property
    def tokens(self) -> set[str]:
        """All tokens in it."""
        if self.closed:
            return set()
        with told(f"{self.path} cannot be read: mend or remove it first"):
            if self.path.suffix == ".parquet":
                table = pq.read_table(io.BytesIO(self.content))
                return {token for column in table.columns for text in _distinct(column) for token in _in(text)}
            if self.path.suffix == ".xlsx":
                return {token for _, text in self._members() for token in _in(text.decode("utf-8"))}
        return set(_in(self.content.decode("utf-8")))

    def rewritten(self, old: pa.Array, new: pa.Array, words: dict[str, str]) -> bytes:
        """Return its content with the new tokens."""

        def word(text: str) -> str:
            return TOKEN.sub(lambda match: words[match[0]], text)

        out = io.BytesIO()
        if self.path.suffix == ".parquet":
            table = pq.read_table(io.BytesIO(self.content))
            for i, column in enumerate(table.columns):
                if texts := _distinct(column):  # beside whole tokens there are texts with tokens in them
                    more = [t for t in texts if t not in words]
                    olds = pa.concat_arrays([old.combine_chunks(), pa.array(more, pa.string())])
                    news = pa.concat_arrays([new.combine_chunks(), pa.array(map(word, more), pa.string())])
                    table = table.set_column(i, table.field(i), replaced(column, olds, news))
            pq.write_table(table, out)
        elif self.path.suffix == ".xlsx":
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
                for info, content in self._members():
                    book.writestr(info, word(content.decode("utf-8")))
        else:
            out.write(word(self.content.decode("utf-8")).encode("utf-8"))
        return out.getvalue()

    def _members(self) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
        with zipfile.ZipFile(io.BytesIO(self.content)) as book:
            yield from ((info, book.read(info)) for info in book.infolist())


def _in(text: str) -> Iterator[str]:
    return (match[0] for match in TOKEN.finditer(text))


def _distinct(column: pa.ChunkedArray) -> list[str]:
    """Return the different texts of a column in which there may be tokens."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return []
    texts = pc.unique(column.cast(pa.string()))
    return texts.filter(pc.match_substring_regex(texts, _LOOSE)).to_pylist()
