"""demo -- the `demo` command.

Owns     the words before and after
Never    touches the real data
"""

from __future__ import annotations

import time

import click

from .. import demo
from ._output import tidy
from ._words import Command


@click.command("demo", cls=Command)
@tidy
def command() -> None:
    """Show the whole loop against the built-in sandbox, over real sockets."""
    began = time.monotonic()
    demo.run(lambda words: click.echo(f"{time.monotonic() - began:5.1f} s  {words}"))
    click.echo("That is all of it. Try it yourself: python3 app.py")
