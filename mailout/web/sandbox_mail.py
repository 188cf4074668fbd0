"""sandbox_mail -- the practice post office: everybody's inbox, and a letter written there as oneself.

Owns     /sandbox, only with the sandbox
Never    reaches outside this computer; shows a letter but in its sandboxed frame
Fails    LookupError without the sandbox, and for a letter that there is not; Fault in words when a letter is not taken
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formataddr

from flask import Blueprint, Response, flash, render_template, request, url_for
from sqlalchemy import select
from werkzeug.datastructures import FileStorage
from werkzeug.wrappers import Response as AnyResponse

from .. import doorbell
from ..book import users
from ..core.copying import preview as previewing
from ..core.copying.preview import Preview
from ..core.fault import Fault
from ..core.reading import head
from ..current import settings
from ..intake import submission
from ..models import Customer, db
from ..sandbox import DOMAIN, GONE, mail, servers
from ..sandbox.mail import Attachment, SandboxLetter
from . import asking
from .mailouts import preview

blueprint = Blueprint("sandbox_mail", __name__)

MOST_PEOPLE, MOST_TEXT, MOST_LINKS = 60, 100_000, 3
_URL = re.compile(rb"<(https?://[^<>\s]+)>")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an inbox here; `gone` is the one whose address does not exist."""

    name: str
    address: str
    count: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """The letter that is looked at: what it shows, the way out of the list that it offers, and its links to us."""

    letter: SandboxLetter
    seen: Preview
    short: bool
    to: str
    leave: str
    links: Sequence[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """The form of a letter, as far as it is filled in."""

    author: str
    to: str
    subject: str = ""
    text: str = ""
    mailout: int | None = None
    answers: str = ""


def _only_here() -> None:
    """The sandbox's pages are not there with real servers."""
    if not settings().sandbox:
        raise LookupError("This installation has real mail servers and no sandbox.")


# -- inboxes -----------------------------------------------------------------------------------------------------------


@blueprint.get("/sandbox")
def index() -> str:
    """Everybody's inbox, and the newest letter of the one that is chosen, or the letter that is asked for."""
    _only_here()
    people = _people()
    address = _inbox(request.args.get("inbox", "") or _busiest(people))
    letters = mail.letters(settings(), address)
    wanted = request.args.get("letter", "")
    chosen = next((one for one in letters if one.id == wanted), letters[0] if letters and not wanted else None)
    if wanted and chosen is None:
        raise LookupError("There is no such letter in the sandbox.")
    return render_template(
        "sandbox/index.html",
        people=people,
        inboxes=[(one.address, f"{one.name} ({one.count})" if one.count else one.name) for one in people],
        servers=servers(settings()),
        person=next((one for one in people if one.address == address), Person(address, address, len(letters))),
        letters=letters,
        opened=_open(chosen) if chosen else None,
    )


def _people() -> list[Person]:
    """Oneself, the customers, and whoever else has letters here."""
    counts = {box.address: box.count for box in mail.inboxes(settings())}
    me = asking.who()
    people = [Person("You", me.email, counts.get(me.email.lower(), 0))]
    query = select(Customer).where(Customer.email_same.endswith(f"@{DOMAIN}", autoescape=True))
    for customer in db.session.scalars(query.order_by(Customer.first_name, Customer.id).limit(MOST_PEOPLE)):
        same = customer.email_same
        people.append(Person(customer.name or same, same, counts.get(same, 0), gone=same == GONE))
    known = {person.address.lower() for person in people}
    return people + [Person(address, address, count) for address, count in counts.items() if address not in known]


def _busiest(people: Sequence[Person]) -> str:
    """The first inbox with a letter in it, a customer's before one's own."""
    return next((person.address for person in people[1:] if person.count), people[0].address)


def _open(letter: SandboxLetter) -> Opened:
    fields, body = head.cut(head.canonical(letter.raw))
    to, leave = head.first(fields, "to"), head.first(fields, "list-unsubscribe")
    found = _URL.search(leave.value) if leave else None
    url = found[1].decode("ascii", "replace") if found else ""
    seen = previewing.preview(fields, body)
    return Opened(
        letter=letter,
        seen=seen,
        short=preview.is_short(seen),
        to=head.readable(to.value) if to else "",
        leave=url if url.startswith(f"{settings().base_url}/") else "",
        links=_links(seen.text) if not url else (),
    )


def _links(text: str) -> tuple[str, ...]:
    """The links in a letter of ours that lead to a page of ours: in its frame none can be followed."""
    found = re.findall(re.escape(settings().base_url) + r"/[\w/.?=&%~-]*[\w=-]", text)
    return tuple(dict.fromkeys(found))[:MOST_LINKS]


def _asked_for() -> SandboxLetter:
    _only_here()
    return mail.letter(settings(), _inbox(request.args.get("inbox", "")), request.args.get("letter", ""))


def _inbox(address: str) -> str:
    """The address, if there can be an inbox of that name; raises LookupError."""
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s]{1,120}", address):
        raise LookupError("There is no such inbox in the sandbox.")
    return address


@blueprint.get("/sandbox/letter")
def frame() -> Response:
    """One letter for its sandboxed frame."""
    return preview.framed(_open(_asked_for()).seen, as_text=preview.wants_text())


@blueprint.get("/sandbox/raw")
def raw() -> Response:
    """One letter, every octet of it, as text."""
    return Response(_asked_for().raw, content_type="text/plain; charset=utf-8")


# -- writing -----------------------------------------------------------------------------------------------------------


@blueprint.get("/sandbox/write")
def write() -> str:
    """A letter to write: empty, to the address of a mail-out that waits, or an answer to a letter."""
    _only_here()
    return _form(_draft())


def _draft() -> Draft:
    """What is known of the letter before its first word."""
    me = asking.who().email
    if mailout_id := asking.number("mailout"):
        return Draft(me, submission.key_address(asking.my_mailout(mailout_id)), mailout=mailout_id)
    if request.args.get("letter"):
        letter = _asked_for()
        fields, _ = head.cut(head.canonical(letter.raw))
        message_id, to = head.first(fields, "message-id"), head.first(fields, "reply-to")
        subject = letter.subject if letter.subject.lower().startswith("re:") else f"Re: {letter.subject}"
        return Draft(
            author=request.args["inbox"],
            to=head.readable(to.value) if to else letter.author,
            subject=subject,
            answers=message_id.value.decode("ascii", "replace") if message_id else "",
        )
    return Draft(me, request.args.get("to", "")[:500])


def _form(draft: Draft, error: str = "") -> str:
    return render_template(
        "sandbox/write.html", draft=draft, authors=[(one, one) for one in _authors(draft.author)], error=error
    )


def _authors(author: str) -> list[str]:
    """Whom one may write as here: oneself, from any address, and a customer who answers."""
    mine = [one.address for one in users.addresses(asking.who().id)]
    here = {person.address for person in _people()}
    return mine + ([author] if author not in mine and author in here else [])


@blueprint.post("/sandbox/write")
def send() -> AnyResponse | tuple[str, int]:
    """Send the letter over the sandbox's SMTP, as any mail program would."""
    _only_here()
    draft = Draft(
        author=asking.text("from"),
        to=asking.text("to", 500),
        subject=asking.text("subject"),
        text=request.form.get("text", "")[:MOST_TEXT],
        mailout=asking.number("mailout"),
        answers=asking.text("answers"),
    )
    try:
        _send(draft)
    except Fault as fault:
        return _form(draft, str(fault)), 422
    doorbell.ring(doorbell.POLL)
    if draft.mailout:
        return asking.go(url_for("mailouts.show", mailout_id=draft.mailout))
    flash("Your letter is on its way.", "good")
    return asking.go(url_for("sandbox_mail.index", inbox=draft.author if draft.answers else None))


def _send(draft: Draft) -> None:
    if draft.author not in _authors(draft.author):
        raise Fault("You can write as yourself here, and answer as a customer of the sandbox.")
    mail.write(
        settings(),
        _named(draft.author),
        draft.to,
        draft.subject,
        draft.text.replace("\r\n", "\n"),
        [_attachment(file) for file in request.files.getlist("files") if file.filename],
        now=asking.now(),
        in_reply_to=draft.answers,
    )


def _named(author: str) -> str:
    """The author as a From has it: oneself, or the customer, by name."""
    known = {person.address: person.name for person in _people()}
    return formataddr((known[author] if author in known and known[author] != "You" else asking.who().name, author))


def _attachment(file: FileStorage) -> Attachment:
    name = "".join(filter(str.isprintable, file.filename or ""))[:200]
    kind = file.mimetype if re.fullmatch(r"[a-z0-9]+/[a-z0-9.+-]+", file.mimetype) else "application/octet-stream"
    return Attachment(name, kind, file.read())
