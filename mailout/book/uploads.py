"""uploads -- a file that is about to be imported, kept between the steps of the import page.

Owns     the folder `imports` in the cache: one folder for each upload, with the file and what its user said about it
Never    shows one to another user, or one that is older than KEPT; believes its name
Fails    LookupError for an upload that there is not (any more)

What is older than KEPT is swept with the next upload, and once a day: the file holds people's addresses.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..current import settings
from .matching import Column, Look, Mapping

KEPT = timedelta(hours=24)
NAME_MOST = 120
PASTED = "Pasted cells"


@dataclass(frozen=True, slots=True)
class Choices:
    """What its user said: what the columns are, in which lists, whether they are never to be written to."""

    mapping: Mapping
    list_ids: tuple[int, ...] = ()
    suppress: bool = False
    bring_back: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload: its secret name, the file's own name, whose it is, and what they said (None: nothing yet).

    `look` is what was seen of it at first, so that no page has to read it again.
    """

    name: str
    filename: str
    user_id: int
    choices: Choices | None = None
    look: Look | None = None

    @property
    def data(self) -> bytes | str:
        """What is in the file; what was pasted is text."""
        raw = (_folder() / self.name / "file").read_bytes()
        return raw.decode() if self.filename == PASTED else raw


def keep(data: bytes | str, filename: str, user_id: int, now: datetime, look: Look | None = None) -> Upload:
    """Keep a file, or pasted cells, and throw away what was left lying."""
    sweep(now)
    plain = re.sub(r"[^\w.,()+ -]+", " ", filename.replace("\\", "/").rpartition("/")[2]).strip()[-NAME_MOST:]
    name = PASTED if isinstance(data, str) else plain if plain not in ("", PASTED) else "a file"
    upload = Upload(secrets.token_hex(16), name, user_id, look=look)
    folder = _folder() / upload.name
    folder.mkdir(parents=True, mode=0o700)
    (folder / "file").write_bytes(data.encode() if isinstance(data, str) else data)
    _write(upload)
    return upload


def sweep(now: datetime) -> int:
    """Throw away what nobody looked after for longer than KEPT; returns how many."""
    old = [folder for folder in _folder().glob("*") if _is_old(folder, now)]
    for folder in old:
        shutil.rmtree(folder, ignore_errors=True)
    return len(old)


def find(name: str, user_id: int) -> Upload:
    """The upload of that name, if it is this user's; raises LookupError."""
    about = _folder() / name / "about.json"
    gone = LookupError("This file is not here any more. Nothing was changed by it; choose it again.")
    if not re.fullmatch(r"[0-9a-f]{32}", name) or not about.is_file():
        raise gone
    said = json.loads(about.read_text())
    if said["user_id"] != user_id:
        raise gone
    return Upload(name, said["filename"], user_id, _choices(said["choices"]), _look(said.get("look")))


def choose(upload: Upload, choices: Choices) -> Upload:
    """Keep what its user said about it."""
    changed = replace(upload, choices=choices)
    _write(changed)
    return changed


def _folder() -> Path:
    return settings().cache_dir / "imports"


def _choices(said: dict[str, Any] | None) -> Choices | None:
    if said is None:
        return None
    return Choices(_mapping(said["mapping"]), tuple(said["list_ids"]), said["suppress"], said["bring_back"])


def _look(said: dict[str, Any] | None) -> Look | None:
    if said is None:
        return None
    columns = tuple(Column(**column | {"samples": tuple(column["samples"])}) for column in said["columns"])
    mapping = None if said["mapping"] is None else _mapping(said["mapping"])
    return Look(columns, mapping, said["has_headings"], said["width"], said.get("above", 0))


def _mapping(said: dict[str, Any]) -> Mapping:
    return Mapping(**said | {"left_out": tuple(said["left_out"])})


def _write(upload: Upload) -> None:
    """Write what was said about it, whole or not at all."""
    folder = _folder() / upload.name
    fresh = folder / f"about.{secrets.token_hex(4)}"
    fresh.write_text(json.dumps(asdict(upload)))
    fresh.replace(folder / "about.json")


def _is_old(folder: Path, now: datetime) -> bool:
    """Whether nothing was written into this folder for longer than KEPT."""
    try:
        return now.timestamp() - folder.stat().st_mtime > KEPT.total_seconds()
    except OSError:
        return False  # another process was quicker
