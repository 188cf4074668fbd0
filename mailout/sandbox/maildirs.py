"""maildirs -- the sandbox's mail: one Maildir for each address, a letter in it to the octet.

Owns     the folder `mail` of the sandbox
Never    loses a bare LF or CR: what SMTP brought is what POP3 gives
Fails    ValueError for an address that no folder can be named after
"""

from __future__ import annotations

import contextlib
import mailbox
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from ..settings import Settings
from . import MAILBOX

NAME_MOST = 200


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter as it is kept: its name in the Maildir, its octets' number, when it came."""

    name: str
    size: int
    at: datetime


def of(settings: Settings) -> Maildirs:
    """The mail of the sandbox of these settings."""
    return Maildirs(settings.instance_dir / "mail", MAILBOX, settings.own.covers)


class Maildirs:
    """The Maildirs in `root`. `is_ours` says whether an address reaches the mailbox `own`."""

    def __init__(self, root: Path, own: str, is_ours: Callable[[str], bool]) -> None:
        self._root = root
        self._own = own
        self._is_ours = is_ours
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def box(self, address: str) -> str:
        """The address of the mailbox that a letter to `address` lands in: its own, without the +detail for ours."""
        same = address.lower()
        local, _, domain = same.rpartition("@")
        ours = self._is_ours(same) or f"{local.partition('+')[0]}@{domain}" == self._own
        return self._own if ours else same

    def check(self, address: str) -> None:
        """Raise ValueError when no mailbox can be kept for `address`."""
        self._folder(self.box(address))

    def deliver(self, address: str, raw: bytes) -> None:
        """Put a letter into the mailbox of `address`."""
        self._open(self.box(address)).add(raw if raw.endswith(b"\r\n") else raw + b"\r\n")

    def addresses(self) -> list[str]:
        """Every address that has a mailbox."""
        return sorted(unquote(folder.name) for folder in self._root.iterdir() if folder.is_dir())

    def letters(self, address: str) -> list[Kept]:
        """The letters of one mailbox, oldest first."""
        folder = self._folder(address)
        found = [path for part in ("new", "cur") for path in folder.glob(f"{part}/*")]
        stats = []
        for path in found:
            with contextlib.suppress(FileNotFoundError):  # removed by POP3 meanwhile
                stats.append((path.name, path.stat()))
        ordered = sorted(stats, key=lambda pair: (pair[1].st_mtime_ns, pair[0]))
        return [Kept(name, stat.st_size, datetime.fromtimestamp(stat.st_mtime, UTC)) for name, stat in ordered]

    def raw(self, address: str, name: str) -> bytes:
        """One letter's octets. Raises LookupError when it is not there."""
        for part in ("new", "cur"):
            path = self._folder(address) / part / Path(name).name
            if path.is_file():
                return path.read_bytes()
        raise LookupError("There is no such letter in the sandbox.")

    def remove(self, address: str, name: str) -> None:
        """Take a letter out of a mailbox, if it is there."""
        for part in ("new", "cur"):
            (self._folder(address) / part / Path(name).name).unlink(missing_ok=True)

    def _open(self, address: str) -> mailbox.Maildir:
        return mailbox.Maildir(self._folder(address), create=True)

    def _folder(self, address: str) -> Path:
        name = quote(address.lower(), safe="@+=")
        if len(name) > NAME_MOST or "@" not in name:
            raise ValueError(f"{address!r} is too long for the sandbox")
        return self._root / name
