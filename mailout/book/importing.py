"""importing -- a file of customers: looked at, tried dry, applied at one moment, undone.

Owns     the table `import`, and the order in which the steps of an import are done
Never    applies half of one; blocks sending; brings back unnoticed whoever was deleted, left or must not be written to
Fails    Fault, in words, for a file that can't be read, or when another import is at work
Commits  every function here does, unless it only reads

    look(data, filename)            its columns, samples, the guessed mapping
    plan(data, filename, mapping)   the dry run: every row is judged and laid ready; nothing is changed
    apply(plan.id)                  all that was not refused, at one moment; discard(plan.id) instead of it
    undo(plan.id)                   for 30 days: as if it had not been, but for what must not be forgotten
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import delete, select, update

from ..core.fault import Fault
from ..current import settings
from ..journal import Actor, note
from ..models import Import, ImportRow, changed, db
from . import applying, arrivals, lists, matching, plans, reading, staging, undoing, uploads, verdicts
from .applying import Job
from .edition import edition
from .matching import Column, Look, Mapping
from .plans import UNDO_FOR, Plan, Refusal, Undone, find, kept_out, latest, refusals
from .verdicts import Wishes

__all__ = [
    "Column",
    "Look",
    "Mapping",
    "Plan",
    "Refusal",
    "Undone",
    "apply",
    "discard",
    "find",
    "kept_out",
    "latest",
    "look",
    "plan",
    "refusals",
    "sweep",
    "undo",
]

#: A dry run that nobody applied is thrown away after so long.
PLAN_FOR = timedelta(hours=24)
Progress = Callable[[int, int], None]


def look(data: bytes | str, filename: str = "") -> Look:
    """The columns of a file or of pasted cells, with samples and a guess. Raises Fault for what can't be read."""
    names = {row.name: row.id for row in lists.all()}
    return matching.look(reading.open_sheet(data, filename), names)


def plan(
    data: bytes | str,
    filename: str,
    mapping: Mapping | None = None,
    *,
    list_ids: Collection[int] = (),
    suppress: bool = False,
    strict: bool = False,
    bring_back: bool = False,
    actor: Actor,
    now: datetime,
    progress: Progress | None = None,
) -> Plan:
    """The dry run: judge every row and lay it ready. Nothing is changed by it.

    `mapping` None: as guessed. `list_ids`: new customers are included in these lists and no others; those who are
    customers already are included where nobody ever chose their place. `suppress`: nobody in the file is written to
    any more. `progress` hears (lines read, lines in all). Raises Fault, LookupError.
    """
    sheet = reading.open_sheet(data, filename)
    seen = matching.look(sheet, {row.name: row.id for row in lists.all()})
    columns = mapping or seen.mapping
    if columns is None:
        raise Fault(
            "No column of it holds email addresses. The first row should name the columns: email, first_name, ..."
        )
    _check(columns, len(seen.columns))
    listed_id = None if columns.listed is None else columns.list_id
    wishes = Wishes(tuple(dict.fromkeys(list_ids)), listed_id, suppress, strict, bring_back)
    for list_id in wishes.lists:
        lists.find(list_id)
    with arrivals.alone():
        arrivals.clear()
        row = _begin(filename, wishes, seen.called(columns), actor, now)
        rows = sheet.rows()
        if columns.has_headings:
            rows = islice(rows, seen.above + 1, None)

        def tell(line: int) -> None:
            if progress:
                progress(min(line, sheet.lines), sheet.lines)

        try:
            staging.stage(row, rows, columns, seen.fields(), wishes, settings().own, tell)
        except BaseException:
            db.session.rollback()
            _forget(row)
            raise
        return _count(row)


def apply(import_id: int, *, actor: Actor, now: datetime, progress: Progress | None = None) -> Plan:
    """Apply what was planned: all that was not refused becomes visible at one moment, or nothing does.

    `progress` hears (customers brought, customers to bring). If the address book changed since the dry run, the rows
    are judged again first. Raises Fault when it was applied before, when another import is at work, or with `strict`
    when a row was refused; LookupError.
    """
    with arrivals.alone():
        row = plans.row(import_id)
        if row.applied_at or row.undone_at:
            raise Fault("This import was applied already.")
        job = Job(row.id, row.filename, plans.wishes(row), actor, now)
        if job.wishes.strict and row.counts.get(verdicts.REFUSED):
            raise Fault(f"{row.counts[verdicts.REFUSED]:,} rows were refused, so nothing was imported.")
        arrivals.clear()
        if row.edition != edition():
            staging.judge_again(import_id, job.wishes)
        try:
            return _apply(job, _count(import_id).new, progress)
        except BaseException:
            db.session.rollback()
            arrivals.clear()
            raise


def discard(import_id: int) -> None:
    """Throw a dry run away."""
    if plans.row(import_id).applied_at is None:
        _forget(import_id)


def undo(import_id: int, *, actor: Actor, now: datetime) -> Undone:
    """Undo an applied import within 30 days: its customers go and leave no trace, changed ones are as they were.

    What was changed again since stays. Customers of it who unsubscribed, complained or bounced since stay too, so
    that nobody writes to them by mistake. Raises Fault when it can't be undone (any more); LookupError.
    """
    with arrivals.alone():
        row = plans.row(import_id)
        if row.applied_at is None or row.undone_at:
            raise Fault("This import was undone already." if row.undone_at else "This import was not applied.")
        if row.applied_at < now - UNDO_FOR:
            raise Fault(f"An import can be undone for {UNDO_FOR.days} days; this one is older.")
        job = Job(row.id, row.filename, plans.wishes(row), actor, now)
        undone = Undone(*undoing.take_back(job, row.applied_at))
        detail = f"{undone.removed} removed, {undone.put_back} as before, {undone.kept} kept"
        note(actor, "customers.import.undo", f"import {import_id}", detail, now)
        db.session.commit()
        arrivals.clear()
        applying.throw_away(import_id)
    return undone


def sweep(now: datetime) -> None:
    """Throw away old files and dry runs, what was kept for undoing, and what a dead import left."""
    uploads.sweep(now)
    old_plan = Import.applied_at.is_(None) & (Import.created_at < now - PLAN_FOR)
    old_import = Import.applied_at < now - UNDO_FOR
    waiting = select(ImportRow.import_id).join(Import, Import.id == ImportRow.import_id).distinct()
    try:
        with arrivals.alone():
            arrivals.clear()
            for import_id in db.session.scalars(waiting.where(old_plan | old_import)).all():
                applying.throw_away(import_id)
            never = Import.applied_at.is_(None) & Import.undone_at.is_(None)
            db.session.execute(delete(Import).where(never, Import.created_at < now - PLAN_FOR))
            db.session.commit()
    except Fault:
        return  # an import is at work; the next sweep comes soon


def _apply(job: Job, total: int, progress: Progress | None) -> Plan:
    """Bring the new customers, then change the others and show everything in one transaction."""
    done = 0

    def tell(more: int) -> None:
        nonlocal done
        done += more
        if progress:
            progress(min(done, total), max(done, total))

    applying.bring(job, tell)
    applying.finish(job)
    result = find(job.import_id)
    note(job.actor, "customers.import", f"import {job.import_id}", _summary(result), job.now)
    db.session.commit()
    if progress:
        progress(max(done, total), max(done, total))
    applying.throw_away(job.import_id, but=(verdicts.UPDATED, verdicts.KEPT_OUT, verdicts.REFUSED))
    return result


def _check(columns: Mapping, width: int) -> None:
    """Raise Fault when the mapping names a column that there is not, or one for two things."""
    said = (columns.email, columns.first_name, columns.last_name, columns.name, columns.listed)
    named = [index for index in said if index is not None]
    if len(set(named)) != len(named) or any(not 0 <= index < width for index in named):
        raise Fault("Each column can be one thing only. Look at the columns again.")
    if columns.listed is not None and columns.list_id is None:
        raise Fault("Say which list the column with yes and no is for.")


def _begin(filename: str, wishes: Wishes, called: list[str], actor: Actor, now: datetime) -> int:
    """The row of a new import; how its columns are `called` is kept for giving refused rows back."""
    row = Import(filename=filename[:200], actor=actor.name[:254], user_id=actor.user_id, created_at=now)
    row.wishes, row.edition, row.counts = asdict(wishes) | {plans.HEADINGS: called}, edition(), {}
    db.session.add(row)
    db.session.commit()
    return row.id


def _count(import_id: int) -> Plan:
    """Count the verdicts and keep the figures."""
    counted = staging.counts(import_id)
    changed(update(Import).where(Import.id == import_id).values(counts=counted))
    db.session.commit()
    return find(import_id)


def _summary(done: Plan) -> str:
    """The figures in a line for the journal."""
    names = ("new", "updated", "unchanged", "kept_out", "without_address", "duplicates", "refused")
    return ", ".join(f"{getattr(done, name)} {name.replace('_', ' ')}" for name in names)


def _forget(import_id: int) -> None:
    """Remove a dry run and its rows."""
    applying.throw_away(import_id)
    db.session.execute(delete(Import).where(Import.id == import_id, Import.applied_at.is_(None)))
    db.session.commit()
