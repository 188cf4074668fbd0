"""A name server on the loopback address: real UDP, and answers as a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dns.flags import QR, RA
from dns.message import Message, from_wire, make_response
from dns.rcode import NXDOMAIN, SERVFAIL
from dns.rdatatype import to_text
from dns.resolver import Resolver
from dns.rrset import from_text

#: What a zone can say instead of records.
FAILS, SILENT = "fails", "silent"

Zone = dict[tuple[str, str], "list[str] | str"]


class NameServer:
    """Answers from `zone`: (name, type) to records, FAILS or SILENT; other names do not exist. `asked` is what came."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def resolver(self) -> Resolver:
        """A resolver that asks here and nowhere else."""
        made = Resolver(configure=False)
        made.nameservers, made.port = ["127.0.0.1"], self._socket.getsockname()[1]
        return made

    def close(self) -> None:
        """Answer no more."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            wire, who = self._socket.recvfrom(4096)
            if not wire:
                return
            answer = self._answer(from_wire(wire))
            if answer is not None:
                self._socket.sendto(answer.to_wire(max_size=65535), who)

    def _answer(self, query: Message) -> Message | None:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), to_text(question.rdtype)
        self.asked.append((name, kind))
        said = self.zone.get((name, kind))
        answer = make_response(query)
        answer.flags |= QR | RA
        if said == SILENT:
            return None
        if said == FAILS:
            answer.set_rcode(SERVFAIL)
        elif isinstance(said, list):
            answer.answer.append(from_text(question.name, 60, "IN", kind, *said))
        elif not any(known == name or known.endswith("." + name) for known, _ in self.zone):
            answer.set_rcode(NXDOMAIN)
        return answer


@contextmanager
def name_server(zone: Zone) -> Iterator[NameServer]:
    """One that runs until the block is left."""
    server = NameServer(zone)
    try:
        yield server
    finally:
        server.close()
