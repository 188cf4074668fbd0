"""current -- what the running application was made with.

Owns     the way from anywhere inside an application context to its settings and its kept secret
Never    changes either
"""

from __future__ import annotations

from typing import cast

from flask import current_app

from . import sandbox
from .models import Setting, db
from .settings import Settings, with_servers

#: The row of Setting that signs what must outlive a move to another machine.
SECRET = "secret"


def settings() -> Settings:
    """The settings that this application was made with; with the sandbox, where its servers are at this moment."""
    made = cast(Settings, current_app.extensions["mailout"])
    if made.sandbox and made.smtp is None:
        found = sandbox.servers(made)
        return with_servers(made, *found) if found else made
    return made


def secret() -> bytes:
    """The secret kept in the database: it signs bounce tokens, unsubscribe links and Message-IDs.

    Raises LookupError when the database was never migrated.
    """
    kept = current_app.extensions.get("mailout_secret")
    if kept is None:
        row = db.session.get(Setting, SECRET)
        if row is None:
            raise LookupError("The database has no secret yet: run `flask db upgrade`.")
        kept = current_app.extensions["mailout_secret"] = bytes.fromhex(row.value)
    return cast(bytes, kept)
