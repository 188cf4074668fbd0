"""numbers -- a customer's number is theirs for good: whoever comes later gets a higher one.

Owns     the highest number of those who are gone
Never    lets a number be given again: links in letters, and the journal, mean by it whoever had it then
Commits  leaves that to the caller

A database by itself gives the number of the last row again as soon as that row is deleted.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Integer, String, case, cast, func, insert, select, update

from ..models import Customer, Setting, changed, db

_NAME = "highest customer"


def keep() -> None:
    """Keep the highest number in mind; to be called before customers are deleted."""
    highest = db.session.scalar(select(func.max(Customer.id))) or 0
    known = Setting.name == _NAME
    if changed(update(Setting).where(known, cast(Setting.value, Integer) < highest).values(value=str(highest))):
        return
    if db.session.scalar(select(Setting.name).where(known)) is None:
        db.session.execute(insert(Setting).values(name=_NAME, value=str(highest)))


def skip(count: int) -> None:
    """Leave so many numbers out: somebody had them in a life of the data that is not this one."""
    keep()
    raised = cast(cast(Setting.value, Integer) + count, String)
    changed(update(Setting).where(Setting.name == _NAME).values(value=raised))


def highest() -> ColumnElement[int]:
    """The highest number that anybody has or had, as a part of the statement that adds somebody."""
    here = func.coalesce(select(func.max(Customer.id)).scalar_subquery(), 0)
    gone = func.coalesce(select(cast(Setting.value, Integer)).where(Setting.name == _NAME).scalar_subquery(), 0)
    return case((here > gone, here), else_=gone)
