"""nature -- what kind of letter it is: signed, encrypted, a winmail.dat, or with links that only we may open.

Owns     the signs by which each is known
Never    verifies a signature, decrypts, follows a link
Fails    never

Signed means that not one byte of the body may change (RFC 1847 2.1, RFC 8551 3.5, RFC 9580 7); encrypted, that
customers could not read it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .displayed import texts
from .mime import Part
from .transfer import decode, pieces, windows

_PKCS7 = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_TNEF = ("application/ms-tnef", "application/vnd.ms-tnef")

# The content types of a CMS object, as they stand at its beginning (RFC 5652 3, RFC 5083 2.1, RFC 3274 1.1)
_SIGNED_OID = bytes.fromhex("2a864886f70d010702")
_ENCRYPTED_OIDS = (bytes.fromhex("2a864886f70d010703"), bytes.fromhex("2a864886f70d0109100117"))
_CMS_HEAD = 64
_OVERLAP = 2048

_ARMOUR = re.compile(rb"^-----BEGIN PGP (SIGNED )?MESSAGE-----[ \t]*\r?$", re.MULTILINE)

# A file's own page, that only those whom it is shared with can open. Published pages and forms are not among them.
_PRIVATE = re.compile(
    rb"""https?://(?:
          drive\.google\.com/(?:file/d/|open\?|drive/(?:u/\d+/)?folders/|a/[^/\s"'<>]+/(?:file/d/|open\?))
        | docs\.google\.com/(?:a/[^/\s"'<>]+/)?(?:document|spreadsheets|presentation|drawings|file)/(?:u/\d+/)?d/
          (?!e/)(?![^/\s"'<>]+/pub)
        | 1drv\.ms/
        | onedrive\.live\.com/
        | [a-z0-9.-]+\.sharepoint\.com/(?::[a-z]:/|personal/|sites/|teams/)
        | (?:www\.)?icloud\.com/iclouddrive/
    )[^\s"'<>]*""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Nature:
    """What kind of letter it is; `private_links` are the links to files that customers may not be able to open."""

    signed: bool
    encrypted: bool
    winmail: bool
    private_links: tuple[str, ...]

    @property
    def closed(self) -> bool:
        """Whether the body must stay as it is."""
        return self.signed or self.encrypted


def nature(root: Part, body: bytes) -> Nature:
    """What kind of letter the parts below `root` are."""
    signed = encrypted = winmail = False
    links: list[str] = []
    for part in _own_parts(root):
        signs = _signs(part, body)
        signed, encrypted = signed or "signed" in signs, encrypted or "encrypted" in signs
        winmail = winmail or part.type in _TNEF or part.filename.lower() == "winmail.dat"
    for part in texts(root):
        for octets in windows(pieces(memoryview(body)[part.start : part.end], part.encoding), _OVERLAP):
            for found in _ARMOUR.finditer(octets):
                signed, encrypted = signed or bool(found[1]), encrypted or not found[1]
            links += [link[0].decode("latin-1") for link in _PRIVATE.finditer(octets)]
    return Nature(signed, encrypted, winmail, tuple(dict.fromkeys(links)))


def _own_parts(part: Part) -> Iterator[Part]:
    """The parts of the letter itself, containers included, not those of enclosed letters."""
    yield part
    if part.is_multipart:
        for child in part.children:
            yield from _own_parts(child)


def _signs(part: Part, body: bytes) -> str:
    """ "signed", "encrypted" or "": what the part's type and beginning say."""
    if part.type == "multipart/signed":
        return "signed"
    if part.type in ("multipart/encrypted", "application/pgp-encrypted"):
        return "encrypted"
    named = part.type == "application/octet-stream" and part.filename.lower() == "smime.p7m"
    return _cms(part, body) if part.type in _PKCS7 or named else ""


def _cms(part: Part, body: bytes) -> str:
    """What a CMS object is: by its own bytes, else by what its type says, else encrypted."""
    beginning = decode(body[part.start : min(part.end, part.start + 4 * _CMS_HEAD)], part.encoding)[:_CMS_HEAD]
    if _SIGNED_OID in beginning:
        return "" if part.content.get("smime-type").lower() == "certs-only" else "signed"
    if any(oid in beginning for oid in _ENCRYPTED_OIDS):
        return "encrypted"
    said = part.content.get("smime-type").lower()
    return {"signed-data": "signed", "signed-receipt": "signed", "compressed-data": "signed", "certs-only": ""}.get(
        said, "encrypted"
    )
