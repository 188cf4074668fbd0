"""The octets of one line: how much went out for certain when it breaks, on which it hangs whether a dot was written."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from mailout.wires.smtp_line import RECORD, SLICE, Broken, line_of
from mailout.wires.tls import tls_context


class Slow:
    """The other end of a secured line: it takes so many octets and no more, and then says what it is told to."""

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, most: int, says: bytes) -> None:
        self.got = b""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._take, args=(plain, context, most, says), daemon=True)
        self._thread.start()

    def _take(self, plain: socket.socket, context: ssl.SSLContext, most: int, says: bytes) -> None:
        with context.wrap_socket(plain, server_side=True) as secured:
            while len(self.got) < most:
                self.got += secured.recv(SLICE)
            secured.sendall(says)
            self._over.wait(10)

    def leave(self) -> None:
        self._over.set()
        self._thread.join(10)


@pytest.mark.parametrize("says", [b"", b"250 2.0.0 ok\r\n"], ids=["silence", "an answer"])
def test_what_the_other_side_of_a_secured_line_could_read_counts_as_written(tmp_path: Path, says: bytes) -> None:
    authority, theirs_shown = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(theirs_shown)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    slow = Slow(theirs, theirs_shown, 2 * RECORD, says)
    with tls_context(str(tmp_path / "ca.pem")).wrap_socket(ours, server_hostname="localhost") as secured:
        line = line_of(secured)

        with pytest.raises(Broken) as broken:  # the dot ends the second record, the next envelope fills a third
            line.write([b"x" * (2 * RECORD - 3), b".\r\n", b"x" * RECORD], 0.3)
        slow.leave()

    assert broken.value.written == len(slow.got) == 2 * RECORD
    assert line.early == says
