"""_words -- the words of a command as they are typed: what is wrong with them is one line too.

Owns     the group and the command that all of ours are made of; the number of a mail-out as an argument
Never    prints the usage over an error: the line says where to read it
Fails    with exit code 2, as a shell expects of a command that was not understood
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


@contextmanager
def in_one_line(path: str) -> Iterator[None]:
    """Say what was not understood in one line, not under three of usage; `path` is the command that was called."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        said = " ".join(error.format_message().split())
        raise click.UsageError(f"{said} `{path} --help` says more.") from None


class Command(click.Command):
    """A command whose errors are one line."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read the words that were typed; see click.Command."""
        with in_one_line(f"{parent.command_path if parent else ''} {info_name}".strip()):
            return super().make_context(info_name, args, parent, **extra)


class Group(click.Group):
    """A group of such commands."""

    command_class = Command
    group_class = type

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was meant; see click.Group."""
        with in_one_line(ctx.command_path):
            return super().resolve_command(ctx, args)


class MailoutNumber(click.ParamType[int]):
    """The number of a mail-out, small enough for every database."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; whatever is none, or can't be one of ours, is said so."""
        if not re.fullmatch(r"[0-9]+", str(value)):
            self.fail(f"{str(value)!r} is no number.", param, ctx)
        if len(str(value)) > 18:
            self.fail(f"There is no mail-out {value}.", param, ctx)
        return int(value)
