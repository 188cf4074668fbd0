"""edition -- a word that is another one after every change of the address book, and what is remembered until then.

Owns     the editions: of each list, of the people, of who is suppressed, of the whole book; the answers kept meanwhile
Never    answers for another edition than the database's own
Fails    as the question does that is asked
Commits  leaves that to the caller
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar, cast

from flask import current_app
from sqlalchemy import insert, select, update

from ..models import MailingList, Setting, changed, db

_KEPT = "mailout_answers"
#: So many answers are kept; what is read of a large list is a hundred kilobytes, an order of everybody some hundred.
REMEMBERED = 50
Answer = TypeVar("Answer")
_BOOK, _PEOPLE, _SUPPRESSION = "book edition", "people edition", "suppression edition"


def touch(*list_ids: int) -> None:
    """Note that the places of these lists are others now; when none is named, that anything may be."""
    _renew(_BOOK)
    statement = update(MailingList).values(edition=_word())
    if list_ids:
        changed(statement.where(MailingList.id.in_(list_ids)))
        return
    changed(statement)
    touch_people()
    touch_suppression()


def touch_suppression() -> None:
    """Note that other customers are suppressed now."""
    _renew(_BOOK)
    _renew(_SUPPRESSION)


def touch_people() -> None:
    """Note that a customer came, went, or has another name or address."""
    _renew(_BOOK)
    _renew(_PEOPLE)


def edition() -> str:
    """The whole book's edition."""
    return _setting(_BOOK)


def of_people() -> str:
    """The edition of who there is, and what they are called."""
    return _setting(_PEOPLE) or edition()


def of_suppression() -> str:
    """The edition of who is suppressed."""
    return _setting(_SUPPRESSION)


def of_list(list_id: int) -> str:
    """The edition of the places of a list; "" for one that there is not, or that was never changed."""
    return db.session.scalar(select(MailingList.edition).where(MailingList.id == list_id)) or ""


def remembered(question: Hashable, answer: Callable[[], Answer], word: str | None = None) -> Answer:
    """What was answered to the question, asked anew when `word` (the book's edition) is another one.

    Ask nothing else by the same question. Several who ask at once wait for the one who asks the tables.
    """
    word, shelf = edition() if word is None else word, _shelf()
    found = shelf.find(question, word)
    if found is None:
        with shelf.asking(question):
            found = shelf.find(question, word) or shelf.keep(question, word, answer())
    return cast(Answer, found[1])


class _Shelf:
    """The answers that one application remembers, those that were asked for longest ago first."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[str, object]] = {}
        self._locks: dict[Hashable, Lock] = {}
        self._lock = Lock()

    def find(self, question: Hashable, word: str) -> tuple[str, object] | None:
        """The answer of that edition, if it is known."""
        with self._lock:
            found = self._answers.pop(question, None)
            if found is None:
                return None
            self._answers[question] = found
        return found if word and found[0] == word else None

    def keep(self, question: Hashable, word: str, answer: object) -> tuple[str, object]:
        """Remember an answer; when there are many, forget the one that nobody asked for."""
        with self._lock:
            self._answers.pop(question, None)
            self._answers[question] = (word, answer)
            if len(self._answers) > REMEMBERED:
                oldest = next(iter(self._answers))
                del self._answers[oldest]
                self._locks.pop(oldest, None)
        return word, answer

    def asking(self, question: Hashable) -> Lock:
        """What whoever asks the tables holds meanwhile."""
        with self._lock:
            return self._locks.setdefault(question, Lock())


def _shelf() -> _Shelf:
    return cast(_Shelf, current_app.extensions.setdefault(_KEPT, _Shelf()))


def _setting(name: str) -> str:
    return db.session.scalar(select(Setting.value).where(Setting.name == name)) or ""


def _renew(name: str) -> None:
    if not changed(update(Setting).where(Setting.name == name).values(value=_word())):
        db.session.execute(insert(Setting).values(name=name, value=_word()))


def _word() -> str:
    return secrets.token_hex(8)
