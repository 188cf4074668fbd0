"""chronicle -- a mail-out's page as one story: what has happened, what lies on the sheet now, what is to come.

Owns     the steps of the thread, their times and words
Never    writes HTML, changes anything; says a thing that no row says
Fails    never: what is not known is left out

What has happened is solid and has its time, what has not is dotted. `sheets` has what lies between the two, `slip` what
stands beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from sqlalchemy import exists, select

from ...core.phase import Phase
from ...core.problem import Problem
from ...core.telling import spoken
from ...current import settings
from ...models import Letter, LetterBytes, Mailout, User, db
from .. import asking, words
from ..words import Word
from . import aftermath, pace
from .glance import Glance
from .slip import Fact, facts
from .steps import COMPLETE_MAIL, Step

#: When Administrators hear that the relay is out.
DELAYED_AFTER = timedelta(minutes=15)

#: The signs on the thread that are not the state's own.
NODES = {Phase.WAITING: "pencil", Phase.COMPLETE: "check"}

#: The states as they are said to who can do nothing about them.
TO_OTHERS = {Phase.WAITING: "Waiting for the letter", Phase.HELD: "Held until it is released"}

#: A live counter is announced when another tenth is through.
STEPS = 10


@dataclass(frozen=True, slots=True)
class Story:
    """All that stands around the sheet. `node` is the sign on the thread, `at` its time (None: now).

    `tab` is the page's title, `said` what a screen reader hears when it changes: at steps, not at every copy. `stood`
    is when it was so, in full, for what is printed.
    """

    title: str
    tab: str
    said: str
    word: Word
    node: Word
    at: datetime | None
    before: tuple[Step, ...]
    after: tuple[Step, ...]
    slip: tuple[Fact, ...]
    stood: str


def tell(glance: Glance, people: int) -> Story:
    """The story at this moment; `people` is how many it goes to."""
    word = state_word(glance)
    before, after = _before(glance), _after(glance, people)
    # once it was tried again, the sheet is younger than what followed the first end of it
    at, over = _sheet_time(glance), glance.state in (Phase.COMPLETE, Phase.CANCELLED)
    earlier = [step for step in after if over and at and step.done and step.at and step.at < at]
    return Story(
        title=title(glance.row),
        tab=_tab(glance),
        said=_said(glance, word),
        word=word,
        node=Word(word.text, word.tone, NODES.get(glance.state, word.icon)),
        at=at,
        before=(*before, *earlier),
        after=tuple(step for step in after if step not in earlier),
        slip=tuple(facts(glance, people)),
        stood=spoken.dated(glance.now, settings().time_zone),
    )


def title(row: Mailout) -> str:
    """What the mail-out is called: the letter's subject, or until it came whom it is for."""
    if row.subject:
        return row.subject
    return f"A letter without a subject, to {row.list.name}" if row.letter_id else f"A letter to {row.list.name}"


def _tab(glance: Glance) -> str:
    """The page's title: while it sends, how far it is."""
    if glance.state is not Phase.SENDING:
        return title(glance.row)
    goal, tried = progress_of(glance)
    return f"{spoken.number(tried)} of {spoken.number(goal)} · {title(glance.row)}"


def _said(glance: Glance, word: Word) -> str:
    """The state, and while it sends how many tenths are through; or what came. It is spoken when it changes."""
    if glance.state is Phase.WAITING and glance.row.problem:
        return "A letter came, and could not be used."
    goal, tried = progress_of(glance)
    if glance.state is not Phase.SENDING or not goal:
        return f"{word.text}."
    step = tried * STEPS // goal * goal // STEPS
    return f"{word.text}: {spoken.number(step)} of {spoken.number(goal)}." if step else f"{word.text}."


def progress_of(glance: Glance) -> tuple[int, int]:
    """How many are to be written to, and how many of them were, once."""
    counts = glance.counts
    goal = counts.total - counts.skipped
    return goal, goal - counts.queued - counts.sending


def state_word(glance: Glance) -> Word:
    """The state in words; while it sends, how the relay stands is a part of it."""
    if glance.relay_out:
        return Word(f"Sending, but {relay_word(glance)}", "look", "plug-connected-x")
    if glance.state is Phase.WAITING and not own(glance):
        return to_others(glance.state)
    return words.MAILOUT[glance.state] if glance.mine else to_others(glance.state)


def to_others(state: Phase) -> Word:
    """The state for who can do nothing about it: nobody waits for a letter or a word of theirs."""
    word = words.MAILOUT[state]
    return Word(TO_OTHERS.get(state, word.text), word.tone, word.icon)


def own(glance: Glance) -> bool:
    """Whether it is the reader who made it: an Administrator may steer it, and is not the one who writes."""
    return glance.row.created_by_id == asking.who().id


def relay_word(glance: Glance) -> str:
    """What is the matter with the relay, in half a sentence."""
    return "your mail provider’s limit is reached" if glance.limit_until else "your mail provider does not answer"


def _sheet_time(glance: Glance) -> datetime | None:
    """The time beside the sheet: of the press or the event that made it so, or None for now."""
    row = glance.row
    times = {
        Phase.PAUSED: row.paused_at,
        Phase.COMPLETE: row.finished_at,
        Phase.CANCELLED: row.cancelled_at,
        Phase.EXPIRED: row.expires_at,
        Phase.SENDING: glance.relay.trouble_since if glance.relay_out else None,
    }
    return times.get(glance.state)


# -- what has happened -------------------------------------------------------------------------------------------------


def _before(glance: Glance) -> list[Step]:
    """The solid steps above the sheet."""
    row = glance.row
    # a mail-out that is made of a late letter never had an address: its story begins with the letter
    after_all = row.expires_at == row.created_at
    steps = [] if after_all else [Step("Created", _made(row), row.created_at)]
    if row.received_at and row.letter_id:
        known = row.held_for != Problem.UNKNOWN_SENDER
        whose = "A" if not known else "Your" if own(glance) else "The"
        arrived, kept = _arrived(row)
        way = url_for("preview.show", mailout_id=row.id) if kept and glance.mine and glance.state != Phase.HELD else ""
        steps.append(Step(f"{whose} letter arrived", arrived, row.received_at, way=way, way_words="See the letter"))
    if row.released_at:
        press = "Sent after all" if after_all else "Released"
        steps.append(Step(press, f"By {name_of(row.released_by_id)}, after a look at it.", row.released_at))
    if row.started_at:
        were = spoken.things(glance.counts.total, "customer was", "customers were")
        steps.append(Step("Sending began", f"{were} in {row.list.name} at that moment.", row.started_at))
    return steps


def _made(row: Mailout) -> str:
    which = "a letter that is checked first" if row.check_first else "this letter"
    return f"{row.created_by.name} made an address that works once, for {which}."


def _arrived(row: Mailout) -> tuple[str, bool]:
    """From whom the letter is and how large, and for which mail-out it was, if it is sent after all; if it is kept."""
    kept = exists().where(LetterBytes.letter_id == Letter.id)
    query = select(Letter.size, Letter.mailout_id, Letter.why, kept).where(Letter.id == row.letter_id)
    size, meant_for, why, is_kept = db.session.execute(query).first() or (0, row.id, "", False)
    said = f"{f'From {row.author}' if row.author else 'Without a sender'}{f', {spoken.size(size)}' if size else ''}."
    how = "with the used key of" if why == Problem.KEY_USED else "too late for"
    more = "" if meant_for in (None, row.id) else f" It came {how} mail-out {meant_for}."
    return said + more, is_kept


def name_of(user_id: int | None) -> str:
    """Who pressed: a user's name, or Mailout itself."""
    user = db.session.get(User, user_id) if user_id else None
    return user.name if user else "Mailout"


# -- what is to come ---------------------------------------------------------------------------------------------------


def _after(glance: Glance, people: int) -> list[Step]:
    """The steps below the sheet: dotted ones until it is over, then what came of it."""
    if glance.state in (Phase.COMPLETE, Phase.CANCELLED):
        return list(aftermath.steps(glance))
    if glance.state is Phase.EXPIRED:
        return aftermath.after_all(glance.row)
    steps = [_arrives(glance.row)] if glance.state is Phase.WAITING else []
    if glance.relay_out:
        steps += _until_relay_is_back(glance)
    elif glance.state not in (Phase.SENDING, Phase.PAUSED) and people:
        steps.append(_goes_out(people))
    return [*steps, _complete_to_come(glance)]


def _arrives(row: Mailout) -> Step:
    if row.check_first:
        return Step(
            "It arrives, and waits for you", "You see it here as your customers will, and press Release.", done=False
        )
    delay = words.span(settings().start_delay)
    return Step(f"It arrives, and waits {delay}", "This page changes by itself and shows a Stop button.", done=False)


def _goes_out(people: int) -> Step:
    """The sending to come, with its honest clock."""
    speed = pace.lately()
    span = speed.time_for(people)
    rate = speed.words(people)
    text = (
        f"{pace.roughly(span)}{f' at {rate}' if rate else ''}." if span else "As fast as your mail provider takes them."
    )
    return Step(f"{spoken.things(people, 'copy goes', 'copies go')} out, one by one", text, done=False)


def _until_relay_is_back(glance: Glance) -> list[Step]:
    """Who is told of the outage and when, and what goes on afterwards."""
    steps = []
    since, left = glance.relay.trouble_since, glance.counts.queued + glance.counts.sending
    if since and not glance.limit_until and glance.relay.told_at is None:
        told = since + DELAYED_AFTER
        steps.append(
            Step("After 15 minutes, we write to the Administrators", "Most hiccups are over by then.", told, done=False)
        )
    span = pace.now_of(glance.row.id).time_for(left)
    text = f"{pace.roughly(span)} once they take letters again." if span else "Once they take letters again."
    others = "The other " if progress_of(glance)[1] else ""
    return [*steps, Step(f"{others}{spoken.things(left, 'copy goes', 'copies go')} out", text, done=False)]


def _complete_to_come(glance: Glance) -> Step:
    text = {
        Phase.WAITING: "With everyone it went to. You can close this page at any time.",
        Phase.SENDING: "With everyone it went to. You can close this page: it goes on without it.",
        Phase.PAUSED: "When it is over or cancelled, with everyone it went to.",
    }.get(glance.state, "With everyone it went to.")
    return Step(f"{COMPLETE_MAIL} comes {'to you ' if own(glance) else ''}by email", text, done=False)
