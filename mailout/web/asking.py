"""asking -- who asks, when, and for what: what every page wants to know of a request.

Owns     the signed-in user, the clock of a request, whether a fragment or a page is wanted, the way back
Never    decides what a role may do: that is the table in `permissions`; here is only the rule about one's own mail-out
Fails    Refused (403) for a mail-out that is another's, LookupError (404) for one that there is not
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from flask import Response, g, redirect, request, url_for
from flask_login import current_user
from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Response as AnyResponse

from ..journal import Actor
from ..models import Mailout, User
from ..outbox import progress

#: A path on this site: one slash, then neither a slash nor a backslash, and nothing that a browser would drop.
SAME_SITE = re.compile(r"/(?![/\\])[!#-\[\]-~]*")


class Refused(Forbidden):
    """The user may not do this. `need` names the permission, `words` say more where that is not the whole story."""

    def __init__(self, need: str, words: str = "") -> None:
        super().__init__()
        self.need, self.words = need, words


def now() -> datetime:
    """The time of this request, in UTC: the same however often it is asked."""
    if "now" not in g:
        g.now = datetime.now(UTC)
    at: datetime = g.now
    return at


def signed_in() -> bool:
    """Whether somebody is signed in."""
    return bool(current_user.is_authenticated)


def who() -> User:
    """The signed-in user; only for pages that the table gives to signed-in users."""
    assert signed_in(), "the permission table lets nobody in here who is not signed in"
    user: User = current_user.user
    return user


def actor() -> Actor:
    """The signed-in user as the journal names them."""
    user = who()
    return Actor(user.id, user.name)


def wants_fragment() -> bool:
    """Whether htmx asks for a part of the page; a page's own links and forms without script get all of it."""
    return request.headers.get("HX-Request-Type") == "partial"


def may_change(row: Mailout) -> bool:
    """Whether the user may steer this mail-out: an Administrator everybody's, others who send their own."""
    user = who()
    return user.is_administrator or (user.sends and row.created_by_id == user.id)


def my_mailout(mailout_id: int) -> Mailout:
    """The mail-out, for somebody who may steer it; raises Refused for others, LookupError when there is none."""
    row = progress.find(mailout_id)
    if may_change(row):
        return row
    if not who().sends:
        raise Refused("Send Mailout")
    raise Refused(
        "Administrator", f"This mail-out is {row.created_by.name}'s, and only they or an Administrator steer it."
    )


def text(name: str, most: int = 200) -> str:
    """The form's field `name` in one line without white space around it, at most `most` characters."""
    return " ".join(request.form.get(name, "").split())[:most]


def number(name: str) -> int | None:
    """The number in the field or parameter `name`; None for anything else, and for one longer than a row's can be."""
    word = request.values.get(name, "")
    return int(word) if re.fullmatch(r"[0-9]{1,18}", word) else None


def page() -> int:
    """The number of the page that is asked for, from 1."""
    return min(max(request.args.get("page", 1, type=int) or 1, 1), 1_000_000)


def page_of(total: int, size: int) -> tuple[int, int]:
    """The page that is asked for, or the last where there are not as many; and how many there are of `size`."""
    pages = -(-total // size)
    return min(page(), max(pages, 1)), pages


def query() -> str:
    """What is searched for: the parameter `q`, in one line."""
    return " ".join(request.args.get("q", "").split())[:200]


def next_path(wanted: str | None) -> str:
    """`wanted` if it is a path on this site, else the start page: nobody is sent elsewhere by a link to us."""
    return wanted if wanted and SAME_SITE.fullmatch(wanted) else url_for("auth.home")


def go(path: str) -> AnyResponse:
    """Send the browser to `path` after a form: by redirect, or by htmx's header where htmx asked."""
    if request.headers.get("HX-Request"):
        return Response(status=200, headers={"HX-Redirect": path})
    return redirect(path, 303)
