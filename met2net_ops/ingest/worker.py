"""The child process that decodes: `python -m met2net_ops.ingest.worker FD`.

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


def serve(connection: Connection, recipe: Recipe) -> None:
    """Answer jobs until the parent goes away.

    To each job: a `FileStamp` first, answered by whether to go on; then `DecodedFrame`s,
    `TimeBegun`s and a `Tally`; at last `Done`, or `Failed` at any point.
    """
    from met2net_ops.ingest.decoding import Decoder

    decoder = Decoder(recipe)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            _answer(connection, decoder, job)
        except Met2NetOpsError as error:
            connection.send(Failed(str(error)))
        except OSError as error:
            if isinstance(error, ConnectionError):
                return
            connection.send(Failed(f"{job.path} cannot be read: {error.strerror or error}"))


def _answer(connection: Connection, decoder: Decoder, job: Job) -> None:
    file = decoder.stamp(Path(job.path))
    connection.send(file)
    if not connection.recv():
        return
    if job.one_time_at_once:
        items = decoder.decode_by_time(file, job.lost_times)
    else:
        items = decoder.decode(file)
    for item in items:
        connection.send(item)
    connection.send(Done())


def main() -> None:
    """Serve the connection whose file descriptor is the only argument."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent's to handle; it closes the connection
    from numcodecs import blosc

    blosc.set_nthreads(1)
    connection = Connection(int(sys.argv[1]))
    serve(connection, connection.recv())


if __name__ == "__main__":
    main()
