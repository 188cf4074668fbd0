"""plans -- the figures of an import: what it would do, what it did.

Owns     nothing: it reads `import` and `import_row`
Never    changes a row
Fails    LookupError for an import that there is not
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from ..models import Import, ImportRow, db
from . import matching, verdicts
from .verdicts import Wishes

#: For so long what is needed for undoing an import is kept.
UNDO_FOR = timedelta(days=30)
#: Under this name an import keeps, beside what it was asked for, how the columns of its file are called.
HEADINGS = "headings"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not taken, and why."""

    line: int
    email: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an import does, or did: figures that add up to the rows of the file."""

    id: int
    filename: str
    new: int
    updated: int
    unchanged: int
    kept_out: int
    without_address: int
    duplicates: int
    refused: int
    wishes: Wishes

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        good = self.new + self.updated + self.unchanged + self.kept_out
        return good + self.without_address + self.duplicates + self.refused

    @property
    def changes(self) -> int:
        """How many customers are added or changed."""
        return self.new + self.updated

    def as_json(self) -> dict[str, Any]:
        """The object that `customers import --json` prints; asks for the refused rows."""
        names = ("new", "updated", "unchanged", "kept_out", "without_address", "duplicates")
        figures: dict[str, Any] = {name: getattr(self, name) for name in names}
        return figures | {"refused": [asdict(refusal) for refusal in refusals(self.id)]}


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing did: customers who went, rows and places that are as before, customers who were kept and why not."""

    removed: int
    put_back: int
    kept: int


def find(import_id: int) -> Plan:
    """The figures of an import; raises LookupError."""
    return _plan(row(import_id))


def latest(now: datetime, most: int = 10) -> list[Import]:
    """The imports that can still be undone, the newest first."""
    open_ = Import.applied_at.is_not(None) & (Import.applied_at > now - UNDO_FOR)
    return list(db.session.scalars(select(Import).where(open_).order_by(Import.applied_at.desc()).limit(most)))


def refusals(import_id: int, most: int | None = None) -> Iterator[Refusal]:
    """The rows of the file that were refused, from the top; all of them, or `most`."""
    columns = (ImportRow.line, ImportRow.email, ImportRow.reason)
    refused = (ImportRow.import_id == import_id) & (ImportRow.verdict == verdicts.REFUSED)
    query = select(*columns).where(refused).order_by(ImportRow.line).limit(most)
    for line, email, reason in db.session.execute(query):
        yield Refusal(line, email, reason)


def refused_rows(import_id: int) -> Iterator[list[str]]:
    """The refused rows as they stood in the file, headings first, to be mended and imported again.

    Behind them stand their line and the reason, which the import of such a file leaves out. What a row has more than
    there are headings stands behind those, so that it is refused again until somebody has mended it.
    """
    called = row(import_id).wishes.get(HEADINGS) or ["email"]
    width = len(called) - len(matching.REFUSED) * (tuple(called[-2:]) == matching.REFUSED)
    yield [*called[:width], *matching.REFUSED]
    columns = (ImportRow.line, ImportRow.email, ImportRow.reason, ImportRow.fields)
    refused = (ImportRow.import_id == import_id) & (ImportRow.verdict == verdicts.REFUSED)
    for line, email, reason, kept in db.session.execute(select(*columns).where(refused).order_by(ImportRow.line)):
        cells = kept.get(verdicts.CELLS, [email])
        own = [*cells[:width], *[""] * (width - len(cells))]
        yield [*own, str(line), reason, *cells[len(called) :]]


def kept_out(import_id: int) -> list[tuple[str, int]]:
    """Why customers are kept out (deleted before, unsubscribed, get no mail-outs), and how many; the most first."""
    kept = (ImportRow.import_id == import_id) & (ImportRow.verdict == verdicts.KEPT_OUT)
    query = select(ImportRow.reason, func.count()).where(kept).group_by(ImportRow.reason)
    return sorted(((why, count) for why, count in db.session.execute(query)), key=lambda one: (-one[1], one[0]))


def wishes(row: Import) -> Wishes:
    """What an import was asked for."""
    said = {field.name: row.wishes[field.name] for field in fields(Wishes)}
    return Wishes(**said | {"list_ids": tuple(said["list_ids"])})


def row(import_id: int) -> Import:
    """The row of an import; raises LookupError."""
    found = db.session.get(Import, import_id, populate_existing=True)
    if found is None:
        raise LookupError("There is no such import; it may have been thrown away after a day. Choose the file again.")
    return found


def _plan(row: Import) -> Plan:
    count = row.counts.get
    return Plan(
        id=row.id,
        filename=row.filename,
        new=count(verdicts.NEW, 0),
        updated=count(verdicts.UPDATED, 0),
        unchanged=count(verdicts.UNCHANGED, 0),
        kept_out=count(verdicts.KEPT_OUT, 0),
        without_address=count(verdicts.WITHOUT_ADDRESS, 0),
        duplicates=count(verdicts.DUPLICATE, 0),
        refused=count(verdicts.REFUSED, 0),
        wishes=wishes(row),
    )
