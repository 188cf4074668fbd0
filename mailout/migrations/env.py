"""How Alembic reaches the database: through the application's own engine, with its own tables as the target."""

from __future__ import annotations

from alembic import context
from flask import current_app

from mailout.models import Base

database = current_app.extensions["migrate"].db


def run() -> None:
    """Run the pending migrations in one transaction."""
    with database.engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            user_module_prefix="",
            **current_app.extensions["migrate"].configure_args,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
