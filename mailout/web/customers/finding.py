"""finding -- a search for customers as it stands in an address: read, written back, said in words.

Owns     the names of the grid's parameters (q, list, place, state, sort, page) and what each may hold
Never    asks the database
Fails    never: what can't be read in an address is as if it were not there
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for

from ...book.customers import Search
from ...models import Place

#: What the filters offer, and how each is called.
PLACES = {Place.INCLUDED: "Included", Place.EXCLUDED: "Excluded", Place.UNSUBSCRIBED: "Unsubscribed"}
STATES = {"reached": "Goes to them", "suppressed": "Suppressed", "bounced": "Bounced"}
SORTS = {"name": "Name", "email": "Email", "-added": "Newest first"}
QUERY_MOST = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """A search, and the address that it stands in."""

    search: Search

    @property
    def narrowed(self) -> bool:
        """Whether anything is searched or filtered for: only then is there something to do to all that match."""
        search = self.search
        return bool(search.q or search.list_id or search.state)

    def parameters(self, **changes: str | int | None) -> dict[str, str]:
        """The parameters of this search with `changes` (None takes one away), without those that say nothing."""
        search = self.search
        said = {
            "q": search.q,
            "list": search.list_id,
            "place": search.place if search.list_id else "",
            "state": search.state,
            "sort": search.sort if search.sort != "name" else "",
            "page": search.page if search.page > 1 else "",
        }
        return {name: str(value) for name, value in (said | changes).items() if value}

    def address(self, **more: str | int | None) -> str:
        """The grid's address with this search in it."""
        values: dict[str, Any] = self.parameters(**more)
        return url_for("customers.index", **values)

    def on_page(self, page: int) -> Finding:
        """The same search, another page of it."""
        return Finding(replace(self.search, page=page))


def read(values: Mapping[str, str]) -> Finding:
    """The search that an address, or a form that carries its parameters, asks for."""
    list_id = _number(values.get("list", ""))
    place = _one_of(values.get("place", ""), PLACES) or Place.INCLUDED.value
    return Finding(
        Search(
            q=" ".join(values.get("q", "").split())[:QUERY_MOST],
            list_id=list_id,
            place=place if list_id else "",
            state=_one_of(values.get("state", ""), STATES),
            sort=_one_of(values.get("sort", ""), SORTS) or "name",
            page=min(_number(values.get("page", "")) or 1, 1_000_000),
        )
    )


def _number(text: str) -> int | None:
    """A number from 1 that the database can hold; None for anything else."""
    return int(text) or None if re.fullmatch(r"[0-9]{1,18}", text) else None


def _one_of(text: str, words: Collection[str]) -> str:
    return str(text) if text in words else ""
