"""settings -- what an installation says about itself, read once from the environment and `.env`.

Owns     every variable of the contract: its default, what is wrong with a value, an example of a right one
Never    is changed after the start, opens a connection, shows a secret
Fails    Misconfigured, with one line for each fault: the variable, what is wrong with its value, an example
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from environs import Env

from .core.own import Own
from .setting_values import (
    Misconfigured,
    Rate,
    Reader,
    address_pattern,
    base_url,
    database,
    durations,
    host_name,
    local_zone,
    port,
    rates,
)
from .wires.tls import Server

__all__ = ["Misconfigured", "Rate", "Settings", "read"]

ROOT = Path(__file__).resolve().parent.parent
LOOPBACK = re.compile(r"localhost|127(\.\d+){3}|::1|\[::1\]", re.IGNORECASE)
POP3_PORTS = {"tls": 995, "starttls": 110, "none": 110}
SMTP_PORTS = {"tls": 465, "starttls": 587, "none": 25}


@dataclass(frozen=True, slots=True)
class Settings:
    """What this installation is. Times are lengths, addresses are patterns, and nothing secret is in the repr."""

    instance_dir: Path
    secret_key: str = field(repr=False)
    database_url: str = field(repr=False)
    durability: str
    base_url: str
    host: str
    port: int
    trust_proxy: int
    time_zone: ZoneInfo
    organisation_name: str
    organisation_address: str
    own: Own
    pop3: Server | None
    smtp: Server | None
    sandbox: bool
    poll_seconds: float
    smtp_connections: int
    rates: tuple[Rate, ...]
    messages_per_connection: int
    helo_name: str
    from_policy: str
    aligned_domains: frozenset[str]
    sender_policy: str
    start_delay: timedelta
    key_lifetime: timedelta
    receiving_host: str
    max_message_bytes: int
    support_address: str
    retry_schedule: tuple[timedelta, ...]

    @property
    def cache_dir(self) -> Path:
        """Where bodies that connections share are kept; may be emptied at any time."""
        return self.instance_dir / "cache"

    @property
    def database_file(self) -> Path:
        """The file that DATABASE_URL names."""
        return Path(self.database_url.removeprefix("sqlite:///").partition("?")[0])

    @property
    def huey_file(self) -> Path:
        """The doorbell's own little database, beside the database; losing it loses nothing."""
        return self.database_file.with_name("huey.db")

    @property
    def secure(self) -> bool:
        """Whether browsers reach us by https."""
        return self.base_url.startswith("https://")


def environment(root: Path = ROOT) -> dict[str, str]:
    """The process's environment over what the `.env` file beside `app.py` says."""
    written: dict[str, str] = {}
    if (root / ".env").is_file():
        # read on its own, so that the process's environment is not changed for others
        before = dict(os.environ)
        Env().read_env(str(root / ".env"), recurse=False, override=False)
        written = {name: value for name, value in os.environ.items() if name not in before}
        for name in written:
            del os.environ[name]
    return written | dict(os.environ)


def read(values: Mapping[str, str] | None = None, root: Path = ROOT) -> Settings:
    """The settings that `values` (the environment, when None) describe; raises Misconfigured with every fault.

    Makes INSTANCE_DIR and the secret in it when they are not there yet.
    """
    reader = Reader(environment(root) if values is None else values)
    sandbox = _wants_sandbox(reader)
    pop3 = None if sandbox else _server(reader, "POP3", "tls", POP3_PORTS)
    smtp = None if sandbox else _server(reader, "SMTP", "starttls", SMTP_PORTS)
    own = _own(reader, sandbox)
    instance = _instance(reader, root, sandbox)
    sender_domain = own.sender.rpartition("@")[2]
    secret_key = reader.text("SECRET_KEY") or ("" if reader.faults else _kept_secret(instance))
    settings = Settings(
        instance_dir=instance,
        secret_key=secret_key,
        database_url=database(reader, f"sqlite:///{instance / 'mailout.db'}"),
        durability=reader.one_of("DURABILITY", ("power", "process"), "power"),
        base_url=base_url(reader, sandbox),
        host=host_name(reader, "HOST") or "127.0.0.1",
        port=port(reader),
        trust_proxy=reader.whole("TRUST_PROXY", 0, 0, 10),
        time_zone=local_zone(reader),
        organisation_name=_organisation(reader, "ORGANISATION_NAME", sandbox, "The Mailout sandbox", "Happy Paws"),
        organisation_address=_organisation(
            reader, "ORGANISATION_ADDRESS", sandbox, "1 Example Street, Sandbox", "12 High Street, Lismore NSW 2480"
        ),
        own=own,
        pop3=pop3,
        smtp=smtp,
        sandbox=sandbox,
        poll_seconds=reader.number("POP3_POLL_SECONDS", 10, 0.1, 3600),
        smtp_connections=reader.whole("SMTP_CONNECTIONS", 3, 1, 50),
        rates=rates(reader),
        messages_per_connection=reader.whole("SMTP_MESSAGES_PER_CONNECTION", 100, 1, 1_000_000),
        helo_name=host_name(reader, "SMTP_HELO_NAME") or socket.getfqdn(),
        from_policy=reader.one_of("FROM_POLICY", ("aligned", "keep", "rewrite"), "aligned"),
        aligned_domains=frozenset(reader.words("ALIGNED_DOMAINS", "example.org, example.com") or [sender_domain]),
        sender_policy=reader.one_of("SENDER_POLICY", ("known", "key"), "known"),
        start_delay=timedelta(seconds=reader.number("START_DELAY_SECONDS", 30, 0, 86_400)),
        key_lifetime=timedelta(hours=reader.number("KEY_LIFETIME_HOURS", 24, 0.0001, 8760)),
        receiving_host=host_name(reader, "RECEIVING_HOST").lower(),
        max_message_bytes=reader.whole("MAX_MESSAGE_BYTES", 26_214_400, 1024, 1_000_000_000),
        support_address=reader.address("SUPPORT_ADDRESS"),
        retry_schedule=durations(reader, "RETRY_SCHEDULE", "1m,5m,15m,1h,2h,4h,8h"),
    )
    reader.raise_faults()
    return settings


def with_servers(settings: Settings, pop3: Server, smtp: Server) -> Settings:
    """The settings with these two servers: how the sandbox, whose ports are free ones, is put in their place."""
    values = {name: getattr(settings, name) for name in settings.__slots__}
    return Settings(**values | {"pop3": pop3, "smtp": smtp})


def _wants_sandbox(reader: Reader) -> bool:
    """Whether there are no real servers; half a pair is a fault."""
    pop3, smtp = bool(reader.text("POP3_HOST")), bool(reader.text("SMTP_HOST"))
    for name, other in (("POP3_HOST", "SMTP_HOST"), ("SMTP_HOST", "POP3_HOST")):
        if reader.text(other) and not reader.text(name):
            reader.fault(
                name, f"is missing while {other} is set; set both, or neither for the sandbox", "mail.example.org"
            )
    return not (pop3 or smtp)


def _server(reader: Reader, prefix: str, security: str, ports: Mapping[str, int]) -> Server | None:
    """The server that the variables with this prefix describe."""
    host = host_name(reader, f"{prefix}_HOST")
    security = reader.one_of(f"{prefix}_SECURITY", ("tls", "starttls", "none"), security)
    port = reader.whole(f"{prefix}_PORT", ports.get(security, 0), 1, 65535)
    username, password = reader.line(f"{prefix}_USERNAME"), reader.line(f"{prefix}_PASSWORD", secret=True)
    if username and not password:
        reader.fault(f"{prefix}_PASSWORD", f"is missing while {prefix}_USERNAME is set", "a password")
    if password and host and security == "none" and not LOOPBACK.fullmatch(host):
        reader.fault(f"{prefix}_SECURITY", "is none, which would show the password to everybody on the way", "tls")
    if prefix == "POP3" and host and not username:
        reader.fault("POP3_USERNAME", "is missing: the mailbox can't be read without it", "mailout@example.org")
    ca_file = reader.certificates("TLS_CA_FILE")
    return Server(host, port, username, password, security, ca_file) if host else None


def _own(reader: Reader, sandbox: bool) -> Own:
    """Our own addresses, the ones that are not said being made from MAILOUT_ADDRESS."""
    mailout = address_pattern(
        reader, "MAILOUT_ADDRESS", "{key}", "mailout+{key}@sandbox.test" if sandbox else "", "mailout+{key}@example.org"
    )
    local, _, domain = mailout.rpartition("@")
    before = local.partition("{key}")[0]
    bounce = address_pattern(
        reader, "BOUNCE_ADDRESS", "", f"{before}b-{{token}}@{domain}", "mailout+b-{token}@example.org"
    )
    unsubscribe = address_pattern(
        reader, "UNSUBSCRIBE_ADDRESS", "{token}", f"{before}u-{{token}}@{domain}", "mailout+u-{token}@example.org"
    )
    return Own(mailout, bounce, unsubscribe, reader.address("FROM_ADDRESS") or f"mailout@{domain}")


def _organisation(reader: Reader, name: str, sandbox: bool, made_up: str, example: str) -> str:
    """Who sends: must be said with real servers, for the law asks that every copy shows it."""
    value = reader.line(name)
    if not value and not sandbox:
        reader.fault(name, "is missing; it stands in every copy and on the public pages", example)
    return value or (made_up if sandbox else "")


def _instance(reader: Reader, root: Path, sandbox: bool) -> Path:
    """The folder that holds everything, made with mode 700; the sandbox has one of its own inside."""
    folder = Path(reader.text("INSTANCE_DIR") or root / "instance").expanduser().absolute()
    folder = folder / "sandbox" if sandbox else folder
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "cache").mkdir(exist_ok=True, mode=0o700)
        (folder if not sandbox else folder.parent).chmod(0o700)
    except OSError as error:
        reader.fault(
            "INSTANCE_DIR", f"names a folder that can't be written ({error.strerror}): {folder}", "/var/lib/mailout"
        )
        return folder
    if not os.access(folder, os.W_OK):
        reader.fault("INSTANCE_DIR", f"names a folder that can't be written: {folder}", "/var/lib/mailout")
    return folder


def _kept_secret(folder: Path) -> str:
    """The secret made at the first start and kept beside the data, readable by its owner alone."""
    path = folder / "secret_key"
    if not path.exists():
        made = folder / f"secret_key.{secrets.token_hex(4)}"
        made.touch(mode=0o600)
        made.write_text(secrets.token_hex(32) + "\n")
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()
