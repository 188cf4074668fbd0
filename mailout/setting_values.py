"""setting_values -- reading one variable: what is wrong with a value, and what a right one looks like.

Owns     the Reader, which collects faults instead of stopping at the first
Never    knows which settings belong together (that is `settings`); puts a secret's value into a fault
Fails    Misconfigured, at the end, with every fault
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PER = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
_ADDRESS = re.compile(r"[^\s@<>\",;:()]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_HOST = re.compile(r"\[?[A-Za-z0-9_]([A-Za-z0-9_.:-]*[A-Za-z0-9_])?\]?")

#: Ports above 1023 that no browser opens, for other protocols are spoken there (Fetch standard, "port blocking").
REFUSED_BY_BROWSERS = {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, *range(6665, 6670), 6679, 6697,
                       10080}  # fmt: skip


class Misconfigured(Exception):
    """What is wrong with the environment: `faults` has one line for each variable."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` copies in any window of `seconds`."""

    count: int
    seconds: int


class Reader:
    """The environment, and what was found wrong with it so far."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.faults: dict[str, str] = {}

    def fault(self, name: str, what: str, example: str) -> None:
        """Note what is wrong with a variable; the first fault of each is kept."""
        self.faults.setdefault(name, f"{name} {what}. For example: {name}={example}")

    def raise_faults(self) -> None:
        """Raise Misconfigured if anything was wrong."""
        if self.faults:
            raise Misconfigured(list(self.faults.values()))

    def text(self, name: str) -> str:
        """The value, without blanks around it; "" when it is not set."""
        return self._values.get(name, "").strip()

    def line(self, name: str, *, secret: bool = False) -> str:
        """A value that goes into a protocol line: no control character may be in it (a password is not trimmed)."""
        value = self._values.get(name, "") if secret else self.text(name)
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            self.fault(name, "holds a line break or another control character", "a single line")
            return ""
        return value

    def one_of(self, name: str, words: Sequence[str], default: str) -> str:
        """One of a few words."""
        value = self.text(name).lower() or default
        if value not in words:
            self.fault(name, f"is {value!r}, which is none of {', '.join(words)}", default)
            return default
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number between two bounds."""
        return int(self._number(name, default, least, most, r"-?\d{1,12}", "a whole number"))

    def number(self, name: str, default: float, least: float, most: float) -> float:
        """A number between two bounds."""
        return self._number(name, default, least, most, r"-?\d{1,12}(\.\d{1,9})?", "a number")

    def _number(self, name: str, default: float, least: float, most: float, form: str, kind: str) -> float:
        text = self.text(name)
        if not text:
            return default
        if not re.fullmatch(form, text) or not least <= float(text) <= most:
            self.fault(
                name, f"is {text!r}, which is not {kind} from {_plain(least)} to {_plain(most)}", _plain(default)
            )
            return default
        return float(text)

    def words(self, name: str, example: str) -> list[str]:
        """Domains, with commas between them."""
        found = [word.strip().lower() for word in self.text(name).split(",") if word.strip()]
        for word in found:
            if not _HOST.fullmatch(word):
                self.fault(name, f"holds {word!r}, which is no domain", example)
        return found

    def address(self, name: str) -> str:
        """One email address, or nothing."""
        value = self.line(name)
        if value and not _ADDRESS.fullmatch(value):
            self.fault(name, f"is {value!r}, which is no email address", "mailout@example.org")
            return ""
        return value

    def certificates(self, name: str) -> str:
        """The path of a file with trusted certificates, or nothing."""
        value, example = self.text(name), "/etc/ssl/certs/ca-certificates.crt"
        if not value:
            return ""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except ssl.SSLError:
            self.fault(name, f"names a file that holds no certificate: {value}", example)
        except OSError:
            self.fault(name, f"names a file that can't be read: {value}", example)
        return value


def _plain(number: float) -> str:
    """A number as one writes it into a setting: "26214400", "0.0001"."""
    return f"{number:.9f}".rstrip("0").rstrip(".")


def address_pattern(reader: Reader, name: str, braces: str, default: str, example: str) -> str:
    """An address with `braces` once in its local part ("" : they may be there or not)."""
    value = reader.line(name) or default
    local, _, domain = value.rpartition("@")
    if not value:
        reader.fault(name, "is missing", example)
    elif not _ADDRESS.fullmatch(value) or "{" in domain:
        reader.fault(name, f"is {value!r}, which is no email address", example)
    elif local.count(braces or "{token}") != (1 if braces else local.count("{")) or local.count("{") > 1:
        reader.fault(name, f"is {value!r}: {braces or '{token}'} must stand in it once, before the @", example)
    elif len(local.replace(braces or "{token}", "")) > (20 if braces == "{key}" else 22):
        reader.fault(
            name, f"is {value!r}, whose part before the @ is too long: a key must fit into 64 characters", example
        )
    # what is made of a wrong one would be wrong too, and it is the one that has to be put right
    return example if name in reader.faults else value


def port(reader: Reader) -> int:
    """Where it serves; the default when what is said can be no port."""
    return reader.whole("PORT", 5000, 1, 65535)


def base_url(reader: Reader, sandbox: bool) -> str:
    """The public address, without a slash at its end; the sandbox's is its own port here."""
    said, here = reader.line("BASE_URL").rstrip("/"), port(reader)
    value = said or (f"http://127.0.0.1:{here}" if sandbox else "")
    url, example = urlsplit(value), "https://mailout.example.org"
    if not value:
        reader.fault("BASE_URL", "is missing; links in emails begin with it", example)
    elif url.scheme not in ("https", "http") or not url.hostname or url.query or url.fragment or _port(url) is None:
        reader.fault("BASE_URL", f"is {value!r}, which is no address of a web site", example)
    elif url.scheme == "http" and not re.fullmatch(r"localhost|127(\.\d+){3}|::1", url.hostname):
        reader.fault("BASE_URL", f"is {value!r}; without https the password would be shown on the way", example)
    elif _port(url) in REFUSED_BY_BROWSERS:
        name, shown, other = ("BASE_URL", repr(value), example) if said else ("PORT", str(here), "5000")
        reader.fault(name, f"is {shown}, and browsers refuse to open that port", other)
    return value


def _port(url: SplitResult) -> int | None:
    """The port that stands in an address: 0 when none does, None when it can be none."""
    try:
        return url.port or 0
    except ValueError:
        return None


def host_name(reader: Reader, name: str) -> str:
    """A host's name or address."""
    value = reader.line(name)
    if value and not _HOST.fullmatch(value) and not _is_address(value):
        reader.fault(
            name, f"is {value!r}, which is no host name", "127.0.0.1" if name == "HOST" else "mail.example.org"
        )
        return ""
    return value


def _is_address(value: str) -> bool:
    """Whether it is an address of the Internet Protocol, like "::1"."""
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def database(reader: Reader, default: str) -> str:
    """Where the database is: a SQLite file in a folder that is there, for nothing else is supported yet."""
    value, example = reader.text("DATABASE_URL"), "sqlite:////var/lib/mailout/mailout.db"
    path = Path(value.removeprefix("sqlite:///").partition("?")[0])
    if value and not re.fullmatch(r"sqlite:////[^?]+(\?.*)?", value):
        # the value is not shown: a password may be in it
        reader.fault("DATABASE_URL", "names no SQLite file by its whole path, and no other database will do", example)
    elif value and (not path.parent.is_dir() or path.is_dir()):
        reader.fault("DATABASE_URL", f"names a file that can't be made: {path}", example)
    return value or default


def local_zone(reader: Reader) -> ZoneInfo:
    """The time zone for people: the one that is set, else the system's."""
    value = reader.line("TIME_ZONE")
    try:
        return ZoneInfo(value or _system_zone())
    except (ZoneInfoNotFoundError, ValueError, OSError):
        if value:
            reader.fault(
                "TIME_ZONE", f"is {value!r}, which is no time zone that this machine knows", "Australia/Sydney"
            )
        return ZoneInfo("UTC")


def _system_zone() -> str:
    """The name of the system's time zone."""
    path = Path("/etc/localtime").resolve()
    return str(path).partition("/zoneinfo/")[2] or "UTC"


def rates(reader: Reader) -> tuple[Rate, ...]:
    """SMTP_RATE_LIMIT: "30/minute, 5000/hour"; empty when nothing is said."""
    found = []
    for word in filter(None, (word.strip() for word in reader.text("SMTP_RATE_LIMIT").split(","))):
        parts = re.fullmatch(r"(\d{1,9})\s*/\s*(second|minute|hour|day)", word.lower())
        if not parts or not int(parts[1]):
            reader.fault(
                "SMTP_RATE_LIMIT",
                f"holds {word!r}, which is no number per second, minute, hour or day",
                "30/minute,5000/hour",
            )
            continue
        found.append(Rate(int(parts[1]), _PER[parts[2]]))
    return tuple(found)


def durations(reader: Reader, name: str, default: str) -> tuple[timedelta, ...]:
    """Lengths of time with commas between them: "1m,5m,1h"."""
    found = []
    for word in (reader.text(name) or default).split(","):
        parts = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhd])", word.strip().lower())
        if not parts:
            reader.fault(name, f"holds {word.strip()!r}, which is no length of time", default)
            continue
        found.append(timedelta(seconds=float(parts[1]) * _UNITS[parts[2]]))
    return tuple(found)
