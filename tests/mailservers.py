"""mailservers -- real Dovecot and Postfix as throw-away servers on the loopback address.

Owns     their configuration, one temporary folder, free ports, and the processes until the block is left
Never    touches the system's own mail; leaves a daemon behind; sends anything outside
Fails    TimeoutError when a server does not come up; tests skip, naming what is missing, or fail with MAILOUT_REAL=1

    with mail_servers() as servers:            # both; `postfix=False` for Dovecot alone (needs no root)
        servers.deliver("mailout@mail.test", letter)
        settings.read(servers.environment(instance))

What Postfix does with an address of `customers.test`: gone@, full@, later@ are refused at RCPT (550, 552, 450);
bounce-gone@ and bounce-full@ are accepted and come back at once as a report, bounce-late@ after ten seconds;
blackhole@ vanishes; every other address has a Maildir of its own.
"""

from __future__ import annotations

import contextlib
import getpass
import grp
import os
import pwd
import random
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

pytest_plugins = ["tests.skipping"]

PASSWORD = "s3cret-pop"
DOMAIN = "mail.test"
CUSTOMERS = "customers.test"
MAILBOX = f"mailout@{DOMAIN}"

DOVECOT_PORTS = ("pop3", "pop3s", "lmtp", "auth")
POSTFIX_PORTS = ("smtp", "submission", "submissions")
#: Where a distribution puts what only root runs, whatever PATH says.
SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin")

ALIKE = """\
base_dir = {run}/dovecot
log_path = {run}/dovecot.log
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
auth_mechanisms = plain login
auth_failure_delay = 0
auth_verbose = yes
ssl = yes
first_valid_uid = 1
recipient_delimiter = +
lmtp_save_to_detail_mailbox = no
lmtp_hdr_delivery_address = final
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
  chroot =
}}
service stats {{
  chroot =
}}
service auth {{
  user = {user}
  inet_listener sasl {{
    {listen} = 127.0.0.1
    port = {auth}
  }}
}}
service auth-worker {{
  user = {user}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
}}
service lmtp {{
  user = {user}
  inet_listener lmtp {{
    {listen} = 127.0.0.1
    port = {lmtp}
  }}
}}
"""

DOVECOT_23 = """\
protocols = pop3 lmtp
disable_plaintext_auth = no
ssl_cert = <{run}/server.pem
ssl_key = <{run}/server.key
mail_location = maildir:{run}/mail/%d/%n
pop3_uidl_format = %g
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={run}/mail/%d/%n allow_all_users=yes
}}
"""

DOVECOT_24 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {{
  pop3 = yes
  lmtp = yes
}}
auth_allow_cleartext = yes
ssl_server_cert_file = {run}/server.pem
ssl_server_key_file = {run}/server.key
mail_driver = maildir
mail_home = {run}/mail/%{{user | domain}}/%{{user | username}}
mail_path = ~/
pop3_uidl_format = %{{guid}}
passdb static {{
  password = {password}
}}
userdb static {{
  allow_all_users = yes
  fields {{
    uid = {uid}
    gid = {gid}
    home = {run}/mail/%{{user | domain}}/%{{user | username}}
  }}
}}
"""

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {run}/spool
data_directory = {run}/pfdata
mail_owner = postfix
setgid_group = postdrop
maillog_file = {run}/maillog
maillog_file_prefixes = {run}
myhostname = {domain}
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 192.0.2.0/24
recipient_delimiter = +
virtual_mailbox_domains = {domain}, {customers}
virtual_mailbox_maps = static:ok
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
transport_maps = texthash:{run}/transport
virtual_alias_maps = texthash:{run}/aliases
default_transport = error:5.4.4 this test server sends nothing outside
relay_transport = error:5.4.4 this test server sends nothing outside
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{auth}
smtpd_tls_cert_file = {run}/server.pem
smtpd_tls_key_file = {run}/server.key
smtpd_tls_security_level = may
message_size_limit = 26214400
minimal_backoff_time = 2s
queue_run_delay = 2s
maximal_queue_lifetime = 10s
bounce_queue_lifetime = 10s
delay_warning_time = 0
in_flow_delay = 0
smtpd_peername_lookup = no
"""

MASTER_CF = """\
127.0.0.1:{smtp}       inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_tls_security_level=may
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
127.0.0.1:{submissions} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
pickup    unix n - n 60 1 pickup
cleanup   unix n - n -  0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n -  - trivial-rewrite
bounce    unix - - n -  0 bounce
defer     unix - - n -  0 bounce
trace     unix - - n -  0 bounce
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -  - proxymap
smtp      unix - - n -  - smtp
error     unix - - n -  - error
retry     unix - - n -  - error
discard   unix - - n -  - discard
lmtp      unix - - n -  - lmtp
anvil     unix - - n -  1 anvil
scache    unix - - n -  1 scache
showq     unix n - n -  - showq
postlog   unix-dgram n - n - 1 postlogd
"""

TRANSPORT = """\
gone@{customers}      error:5.1.1 The address does not exist
full@{customers}      error:5.2.2 Mailbox full
later@{customers}     retry:4.2.0 Try again later
blackhole@{customers} discard:
gone.invalid          error:5.1.1 The address does not exist
full.invalid          error:5.2.2 Mailbox full
late.invalid          retry:4.4.1 Host not answering
"""

ALIASES = """\
bounce-gone@{customers} x@gone.invalid
bounce-full@{customers} x@full.invalid
bounce-late@{customers} x@late.invalid
"""


@dataclass(frozen=True, slots=True)
class MailServers:
    """The running servers: their ports by name (DOVECOT_PORTS, POSTFIX_PORTS), and what they hold."""

    run: Path
    ca: trustme.CA
    ports: dict[str, int]

    @property
    def ca_file(self) -> str:
        """The file with the certificate that signed theirs, for TLS_CA_FILE."""
        return str(self.run / "ca.pem")

    def maildir(self, address: str) -> Path:
        """The Maildir of an address, its +detail not counted."""
        user, _, domain = address.rpartition("@")
        return self.run / "mail" / domain / user.split("+")[0]

    def inbox(self, address: str) -> list[bytes]:
        """The letters in an address's Maildir, oldest first, as stored (bare LF, as Dovecot keeps them)."""
        folder = self.maildir(address)
        found = [path for part in ("new", "cur") for path in folder.glob(f"{part}/*")]
        return [path.read_bytes() for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    def empty(self, address: str) -> None:
        """Take every letter out of an address's mailbox."""
        shutil.rmtree(self.maildir(address), ignore_errors=True)

    def deliver(self, address: str, raw: bytes, sender: str = "someone@elsewhere.test") -> None:
        """Hand a letter to Dovecot's LMTP, as a mail server that received it would."""
        with smtplib.LMTP("127.0.0.1", self.ports["lmtp"]) as lmtp:
            lmtp.sendmail(sender, [address], raw)

    def environment(self, instance: Path, mailbox: str = MAILBOX) -> dict[str, str]:
        """The variables with which Mailout uses these servers, its data in `instance`."""
        local, _, domain = mailbox.partition("@")
        return {
            "INSTANCE_DIR": str(instance),
            "BASE_URL": "http://127.0.0.1:5000",
            "ORGANISATION_NAME": "Happy Paws",
            "ORGANISATION_ADDRESS": "12 High Street, Lismore NSW 2480",
            "MAILOUT_ADDRESS": f"{local}+{{key}}@{domain}",
            "TLS_CA_FILE": self.ca_file,
            "POP3_HOST": "localhost",
            "POP3_PORT": str(self.ports["pop3s"]),
            "POP3_USERNAME": mailbox,
            "POP3_PASSWORD": PASSWORD,
            "SMTP_HOST": "localhost",
            "SMTP_PORT": str(self.ports["submission"]),
            "SMTP_USERNAME": mailbox,
            "SMTP_PASSWORD": PASSWORD,
        }


@contextlib.contextmanager
def mail_servers(postfix: bool = True, *, more: str = "") -> Iterator[MailServers]:
    """Dovecot, and Postfix unless `postfix` is False, running until the block is left.

    `more` are lines of main.cf, which win over ours.
    """
    run = Path(tempfile.mkdtemp(prefix="ms-"))  # short: paths of sockets have a limit
    started: list[subprocess.Popen[bytes]] = []
    try:
        servers = _laid_out(run, postfix, more)
        started.append(_dovecot(run))
        if postfix:
            started.append(_postfix(run))
        for name in DOVECOT_PORTS + (POSTFIX_PORTS if postfix else ()):
            _wait(servers.ports[name], name, run)
        yield servers
    except Exception as error:
        error.add_note("\n".join(["What the mail servers said last:", *_tail(run)]))
        raise
    finally:
        for process in started:
            _kill(process)
        shutil.rmtree(run, ignore_errors=True)


def _laid_out(run: Path, postfix: bool, more: str) -> MailServers:
    """Write certificates and configuration of both into `run`."""
    who = pwd.getpwnam(_user())
    ports = dict(zip(DOVECOT_PORTS + POSTFIX_PORTS, free_ports(7), strict=True))
    old = subprocess.check_output([program("dovecot"), "--version"], text=True).startswith("2.3")
    words: dict[str, object] = {
        "run": run,
        "user": who.pw_name,
        "group": grp.getgrgid(who.pw_gid).gr_name,
        "uid": who.pw_uid,
        "gid": who.pw_gid,
        "password": PASSWORD,
        "domain": DOMAIN,
        "customers": CUSTOMERS,
        "listen": "address" if old else "listen",
        **ports,
    }
    ca = _certificates(run)
    for name in ("mail", "dovecot"):
        (run / name).mkdir()
    (run / "dovecot.conf").write_text(((DOVECOT_23 if old else DOVECOT_24) + ALIKE).format(**words))
    if os.geteuid() == 0:
        for path in (run, run / "mail", run / "dovecot", run / "server.key", run / "dovecot.conf"):
            os.chown(path, who.pw_uid, who.pw_gid)
    run.chmod(0o755)
    if postfix:
        _lay_out_postfix(run, words, more)
    return MailServers(run, ca, ports)


def _certificates(run: Path) -> trustme.CA:
    """A certificate for the loopback address, and the authority that signed it."""
    ca = trustme.CA()
    leaf = ca.issue_cert("localhost", "127.0.0.1", DOMAIN)
    ca.cert_pem.write_to_path(str(run / "ca.pem"))
    leaf.private_key_pem.write_to_path(str(run / "server.key"))
    (run / "server.pem").write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return ca


def _instead(text: str, more: str) -> str:
    """`text` of main.cf with the lines of `more` in the place of those that set the same.

    Set twice, each process warns of it, the one that writes the log too: it would now and then wait for itself.
    """
    names = {line.partition("=")[0].strip() for line in more.splitlines()}
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in names]
    return "\n".join([*kept, more, ""])


def _lay_out_postfix(run: Path, words: dict[str, object], more: str) -> None:
    """Write Postfix's configuration and make its queue: `postfix check`, which would do so, takes seconds."""
    for name in ("pfconf", "spool", "pfdata"):
        (run / name).mkdir()
    shutil.chown(run / "pfdata", "postfix")
    texts = {"pfconf/main.cf": MAIN_CF, "pfconf/master.cf": MASTER_CF, "transport": TRANSPORT, "aliases": ALIASES}
    made = {name: text.format(**words) for name, text in texts.items()}
    made["pfconf/main.cf"] = _instead(made["pfconf/main.cf"], more)
    for name, text in made.items():
        (run / name).write_text(text)
        os.utime(run / name, (1e9, 1e9))  # Postfix waits until a file is two seconds old
    user, drop = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
    for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved"):
        (run / "spool" / name).mkdir(mode=0o700)
        os.chown(run / "spool" / name, user, 0)
    (run / "spool" / "trace").mkdir(mode=0o700)
    os.chown(run / "spool" / "trace", user, 0)
    for name, mode in (("maildrop", 0o1730), ("public", 0o2710)):
        (run / "spool" / name).mkdir()
        os.chown(run / "spool" / name, user, drop)
        (run / "spool" / name).chmod(mode)
    (run / "spool" / "pid").mkdir()


def _dovecot(run: Path) -> subprocess.Popen[bytes]:
    """Start Dovecot, as nobody when we are root."""
    who = pwd.getpwnam(_user())
    command = [program("dovecot"), "-F", "-c", str(run / "dovecot.conf")]
    errors = (run / "dovecot.err").open("wb")
    if os.geteuid():
        return subprocess.Popen(command, start_new_session=True, stderr=errors)
    return subprocess.Popen(
        command, start_new_session=True, stderr=errors, user=who.pw_uid, group=who.pw_gid, extra_groups=[]
    )


def _postfix(run: Path) -> subprocess.Popen[bytes]:
    """Start Postfix's master; `postfix start-fg` would check every file first, which takes seconds."""
    folder = subprocess.check_output([program("postconf"), "-hd", "daemon_directory"], text=True).strip()
    return subprocess.Popen(
        [f"{folder}/master", "-c", str(run / "pfconf"), "-d"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(run / "postfix.err").open("wb"),
        start_new_session=True,
        env={**os.environ, "MAIL_CONFIG": str(run / "pfconf")},
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a server and its children at once: a graceful stop of Dovecot takes seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def _wait(port: int, name: str, run: Path) -> None:
    """Wait until something listens on `port`; raises TimeoutError with the servers' own words."""
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            if time.monotonic() > end:
                logs = [path.read_text(errors="replace") for path in run.glob("*.err")] + _tail(run)
                raise TimeoutError(f"{name} does not come up: " + "\n".join(logs)) from None
            time.sleep(0.02)


def _tail(run: Path) -> list[str]:
    """The last lines of the servers' logs."""
    found = [run / name for name in ("dovecot.log", "maillog") if (run / name).exists()]
    return [path.read_text(errors="replace")[-2000:] for path in found]


def free_ports(count: int) -> list[int]:
    """Free ports of the loopback address, below those that the system gives to clients by itself."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(11_000, 32_000)  # browsers refuse 10080
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [] if port in found else [port]
    return found


def _user() -> str:
    """Whom Dovecot runs as."""
    return "nobody" if os.geteuid() == 0 else getpass.getuser()


def program(name: str) -> str:
    """The path of an installed program, "" when there is none."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(SBIN)) or ""


def lmtp_installed() -> bool:
    """Whether Dovecot's own LMTP is there: a package of its own on Debian."""
    return any(Path(folder, "dovecot", "lmtp").exists() for folder in ("/usr/lib", "/usr/libexec", "/usr/lib64"))


def require(*names: str, root: bool = False) -> None:
    """Skip the test that needs these programs when one is missing; with MAILOUT_REAL=1 (as CI has it) fail instead."""
    missing = [name for name in names if not (lmtp_installed() if name == "dovecot-lmtpd" else program(name))]
    words = "not installed: " + ", ".join(missing) if missing else ""
    if root and os.geteuid() and not missing:
        words = f"not run as root, which {names[-1]} needs"
    if words and os.environ.get("MAILOUT_REAL") == "1":
        pytest.fail(words)
    if words:
        pytest.skip(words)


@pytest.fixture(name="dovecot", scope="session")
def dovecot_fixture() -> Iterator[MailServers]:
    """Dovecot alone, shared by the tests of one run: use a mailbox of your own."""
    require("dovecot", "dovecot-lmtpd")
    with mail_servers(postfix=False) as servers:
        yield servers


@pytest.fixture(name="mail_servers", scope="session")
def mail_servers_fixture() -> Iterator[MailServers]:
    """Dovecot and Postfix, shared by the tests of one run: use a mailbox of your own."""
    require("dovecot", "dovecot-lmtpd", "postconf", root=True)
    with mail_servers() as servers:
        yield servers
