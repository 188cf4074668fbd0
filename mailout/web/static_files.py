"""static_files -- the stylesheets, scripts and pictures of the pages: small over the wire, and fetched once.

Owns     the address /static/…, the version in it, the gzip of each file
Never    reads outside the folder `static`; compresses a page (a page holds secrets: BREACH)
Fails    NotFound
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, g, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

YEAR = 31_536_000
COMPRESSED = (".css", ".js", ".svg")


@dataclass(frozen=True, slots=True)
class File:
    """One file: its bytes, the same compressed ("" when that helps nobody), its type and its version."""

    raw: bytes
    packed: bytes
    type: str
    version: str


def serve(app: Flask, folder: Path) -> None:
    """Serve `folder` at /static/, each address with its file's version so that browsers may keep it for ever."""

    def static(filename: str) -> Response:
        return _answer(_find(folder, filename))

    def versioned(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "filename" in values:
            values["v"] = _version(folder, values["filename"], int(time.monotonic()))

    app.add_url_rule("/static/<path:filename>", "static", static)
    app.url_defaults(versioned)
    app.jinja_env.globals["draw_icon"] = icon


def sprite() -> str:
    """The address of the icons: a page asks for it some dozens of times."""
    if "sprite" not in g:
        g.sprite = url_for("static", filename="icons.svg")
    return str(g.sprite)


def icon(name: str, label: str = "", tone: str = "") -> Markup:
    """The icon `name`; with a `label` it is a picture that says so, else it only stands beside words."""
    return _icon(sprite(), name, label, tone)


@lru_cache(1_000)
def _icon(sprite: str, name: str, label: str, tone: str) -> Markup:
    known = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    drawn = Markup('<svg class="icon{}{}" {}><use href="{}#{}"></use></svg>')
    return drawn.format(" " if tone else "", tone, known, sprite, name)


def _answer(file: File) -> Response:
    """The file, compressed where the browser takes it."""
    pack = bool(file.packed) and request.accept_encodings.quality("gzip") > 0
    answer = Response(file.packed if pack else file.raw, content_type=file.type)
    if pack:
        answer.content_encoding = "gzip"
    answer.vary.add("Accept-Encoding")
    answer.set_etag(file.version + ("-gz" if pack else ""))
    # an address without the right version is asked again, so that nobody keeps an old file
    kept = request.args.get("v") == file.version
    answer.cache_control.public, answer.cache_control.immutable = True, kept
    answer.cache_control.max_age = YEAR if kept else 0
    answer.make_conditional(request)
    return answer


def _find(folder: Path, filename: str) -> File:
    """The file of that name as it is on disk now."""
    path = safe_join(str(folder), filename)
    if path is None or not Path(path).is_file():
        raise NotFound()
    return _read(path, Path(path).stat().st_mtime_ns)


@lru_cache(maxsize=200)
def _version(folder: Path, filename: str, second: int) -> str:
    """The version of a file, looked up on disk once a second at most."""
    return _find(folder, filename).version


@lru_cache(maxsize=200)
def _read(path: str, changed: int) -> File:
    """The file, read and compressed once for each time that it was changed."""
    raw = Path(path).read_bytes()
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    packed = gzip.compress(raw, 9, mtime=0) if path.endswith(COMPRESSED) else b""
    text = kind.startswith("text/") or path.endswith(COMPRESSED)
    return File(raw, packed, f"{kind}; charset=utf-8" if text else kind, hashlib.sha256(raw).hexdigest()[:12])
