"""welcome -- what the server prints when it has started: where it is, and how to sign in.

Owns     these words, and what they speak of: the sandbox's account, the set-up code of the first Administrator
Never    prints a password that somebody chose
Commits  the account or the code, once a start
"""

from __future__ import annotations

from datetime import datetime

from .book import links, users
from .models import db
from .sandbox import data
from .settings import Settings


def lines(settings: Settings, now: datetime) -> list[str]:
    """The address and how to sign in, in lines; makes what it speaks of (the sandbox's account, the set-up code)."""
    said = [f"Mailout is at {settings.base_url}"]
    if settings.sandbox:
        account = data.plant(now)
        if account.password:
            return [*said, f"Sign in as {account.email} with the one-time password {account.password}"]
        forgotten = f"python3 app.py users set-password {account.email}"
        return [*said, f"Sign in as {account.email} with your password (forgotten: {forgotten})"]
    if users.is_first():
        code = links.make(links.FIRST_RUN, None, None, now)
        db.session.commit()
        return [*said, f"There are no users yet: open it and enter the set-up code {code} (one hour, five tries)"]
    return [*said, "Sign in with your address and your password"]
