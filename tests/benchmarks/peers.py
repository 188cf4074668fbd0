"""Peers: the same distinct messages sent by others, from this program's own processes.

    python -m tests.benchmarks.peers NAME PORT COUNT SIZE CONNECTIONS      prints {"seconds": ..., "cpu": ...}

Each gets its messages as it likes them best: head and body as bytes, joined in memory, the head its own for each
recipient. The clock starts before the first connection and stops after the last answer; starting Python is not counted.
"""

from __future__ import annotations

import asyncio
import json
import resource
import smtplib
import sys
import threading
import time

LINE = b"The quick brown fox jumps over the lazy dog, and then again, and again.\r\n"


def body(size: int) -> bytes:
    """A body of about `size` octets."""
    return LINE * (size // len(LINE))


def head(number: int) -> bytes:
    """A head like those of our copies."""
    token = f"{number}-0123456789abcdefghjkmnpqrs"
    return (
        "From: Jane <jane@mail.test>\r\nDate: Wed, 25 Nov 2026 03:00:00 +0000\r\nSubject: Spring news\r\n"
        f"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nTo: c{number}@customers.test\r\n"
        f"Message-ID: <{token}@mail.test>\r\nList-Unsubscribe: <http://127.0.0.1:5000/u/1-{token}>,\r\n"
        f" <mailto:mailout+u-1-{token}@mail.test?subject=unsubscribe>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n"
    ).encode()


def smtplib_threads(port: int, count: int, size: int, connections: int) -> None:
    """A thread a connection, the standard library's client, `sendmail` of bytes."""
    shared, numbers, lock = body(size), iter(range(count)), threading.Lock()

    def work() -> None:
        client = smtplib.SMTP("127.0.0.1", port, local_hostname="bench.test")
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            client.sendmail(f"b-{number}@mail.test", [f"c{number}@customers.test"], head(number) + shared)
        client.quit()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def aiosmtplib_tasks(port: int, count: int, size: int, connections: int) -> None:
    """A task a connection, aiosmtplib."""
    import aiosmtplib

    shared, numbers = body(size), iter(range(count))

    async def work() -> None:
        client = aiosmtplib.SMTP(
            hostname="127.0.0.1", port=port, local_hostname="bench.test", start_tls=False, use_tls=False
        )
        await client.connect()
        for number in numbers:
            await client.sendmail(f"b-{number}@mail.test", [f"c{number}@customers.test"], head(number) + shared)
        await client.quit()

    async def all_of_them() -> None:
        await asyncio.gather(*(work() for _ in range(connections)))

    asyncio.run(all_of_them())


PEERS = {"smtplib": smtplib_threads, "aiosmtplib": aiosmtplib_tasks}

NODEMAILER = """
const nodemailer = require(process.argv[2]);
const [port, count, size, connections] = process.argv.slice(3).map(Number);
const line = "The quick brown fox jumps over the lazy dog, and then again, and again.\\r\\n";
const body = Buffer.from(line.repeat(Math.floor(size / line.length)));
function head(n) {
  const t = n + "-0123456789abcdefghjkmnpqrs";
  return Buffer.from("From: Jane <jane@mail.test>\\r\\n" +
    "Date: Wed, 25 Nov 2026 03:00:00 +0000\\r\\nSubject: Spring news\\r\\n" +
    "MIME-Version: 1.0\\r\\nContent-Type: text/plain; charset=utf-8\\r\\nTo: c" + n + "@customers.test\\r\\n" +
    "Message-ID: <" + t + "@mail.test>\\r\\nList-Unsubscribe: <http://127.0.0.1:5000/u/1-" + t + ">,\\r\\n" +
    " <mailto:mailout+u-1-" + t + "@mail.test?subject=unsubscribe>\\r\\n" +
    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\\r\\n\\r\\n");
}
const transport = nodemailer.createTransport({host: "127.0.0.1", port, secure: false, ignoreTLS: true, pool: true,
  maxConnections: connections, maxMessages: Infinity, name: "bench.test"});
const began = process.hrtime.bigint(), cpu = process.cpuUsage();
let next = 0;
async function work() {
  while (next < count) {
    const n = next++;
    await transport.sendMail({envelope: {from: "b-" + n + "@mail.test", to: ["c" + n + "@customers.test"]},
      raw: Buffer.concat([head(n), body])});
  }
}
Promise.all(Array.from({length: connections * 2}, work)).then(() => {
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({seconds: Number(process.hrtime.bigint() - began) / 1e9,
    cpu: (used.user + used.system) / 1e6}));
  transport.close();
});
"""


def main() -> None:
    """Run one peer and say how long it took."""
    name, *numbers = sys.argv[1:]
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    PEERS[name](*map(int, numbers))
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
