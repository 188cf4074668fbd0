"""tls -- where a server is and how the line to it is secured.

Owns     `Server`, and the one way in which certificates are checked
Never    lets a certificate or a host name go unchecked: the standard library's mail modules do by default
Fails    OSError or ssl.SSLError when the file of trusted certificates can't be read
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server. `security` is "tls", "starttls" or "none"; `ca_file` "" stands for the system's certificates."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    security: str
    ca_file: str = ""


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """A context that checks certificate and host name, with TLS 1.2 or newer (RFC 8314 3.3)."""
    context = ssl.create_default_context(cafile=ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
