"""The child process that decodes: `python -m met2net_ops.ingest.worker FD FD`.

It is a process of its own because ecCodes is C code fed with bytes from outside: if it crashes,
hangs or leaks, that costs one file at most and never the service. It ends when its parent does.
"""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.ingest.messages import Done, Failed, Job

if TYPE_CHECKING:
    from met2net_ops.ingest.decoding import Decoder
    from met2net_ops.ingest.recipe import Recipe


def serve(orders: Connection, results: Connection, recipe: Recipe) -> None:
    """Answer jobs until the parent goes away.

    To each job: a `FileStamp` first, answered by whether to go on; then `DecodedFrame`s,
    `TimeBegun`s and a `Tally`; at last `Done`, or `Failed` at any point.
    """
    from met2net_ops.ingest.decoding import Decoder

    decoder = Decoder(recipe)
    while True:
        try:
            job = orders.recv()
        except EOFError:
            return
        try:
            _answer(orders, results, decoder, job)
        except Met2NetOpsError as error:
            results.send(Failed(str(error)))
        except OSError as error:
            if isinstance(error, ConnectionError):
                return
            results.send(Failed(f"{job.path} cannot be read: {error.strerror or error}"))


def _answer(orders: Connection, results: Connection, decoder: Decoder, job: Job) -> None:
    file = decoder.stamp(Path(job.path))
    results.send(file)
    if not orders.recv():
        return
    if job.one_time_at_once:
        items = decoder.decode_by_time(file, job.lost_times)
    else:
        items = decoder.decode(file)
    for item in items:
        results.send(item)
    results.send(Done())


def main() -> None:
    """Take orders from the first file descriptor given, send results to the second."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent's to handle; it closes the orders
    from numcodecs import blosc

    blosc.set_nthreads(1)
    orders = Connection(int(sys.argv[1]), writable=False)
    results = Connection(int(sys.argv[2]), readable=False)
    serve(orders, results, orders.recv())


if __name__ == "__main__":
    main()
