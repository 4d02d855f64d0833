"""The child processes that decode, and the one they are forked from.

`python -m met2net_ops.ingest.worker FD` loads everything and forks decoders on request. They are
processes of their own because ecCodes is C code fed with bytes from outside: if it crashes, hangs
or leaks, that costs one file at most and never the service. All end when their parent does.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from met2net_ops.errors import Met2NetOpsError
from met2net_ops.ingest.messages import Done, Failed, Job

if TYPE_CHECKING:
    from met2net_ops.ingest.decoding import FileDecoder
    from met2net_ops.ingest.fingerprint import DecodeSettings

_REQUEST_BYTES = 8
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def serve(orders: Connection, results: Connection, recipe: DecodeSettings) -> None:
    """Answer jobs until the parent goes away.

    To each job: a `FileStamp` first, answered by whether to go on; then `DecodedFrame`s,
    `TimeBegun`s and a `Tally`; at last `Done`, or `Failed` at any point.
    """
    from met2net_ops.ingest.decoding import FileDecoder

    decoder = FileDecoder(recipe)
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


def _answer(orders: Connection, results: Connection, decoder: FileDecoder, job: Job) -> None:
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
    """Fork decoders on request; requests come over the socket whose number is given.

    A request is eight bytes: with three descriptors (orders, results, standard error) it asks for
    a decoder and is answered by its process number; without, it is the number of one that has
    ended, and is answered by its wait status.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent's to handle; it closes the socket
    control = socket.socket(fileno=int(sys.argv[1]))
    _load()
    while True:
        request, descriptors, *_ = socket.recv_fds(control, _REQUEST_BYTES, 3)
        if not request:
            return
        if descriptors:
            process = os.fork()
            if process == 0:
                control.close()
                _become_decoder(*descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
            control.send(process.to_bytes(_REQUEST_BYTES, "little"))
        else:
            _, status = os.waitpid(int.from_bytes(request, "little"), 0)
            control.send(status.to_bytes(_REQUEST_BYTES, "little"))


def _load() -> None:
    """Everything that decoders need and that takes long."""
    import eccodes
    from numcodecs import blosc

    from met2net_ops.grib.keys import get_long, get_text
    from met2net_ops.ingest import decoding  # noqa: F401

    blosc.set_nthreads(1)
    # The first name that is requested makes ecCodes read its tables of names.
    handle = eccodes.codes_grib_new_from_samples("GRIB2")
    get_text(handle, "shortName", "")
    get_long(handle, "paramId", 0)
    eccodes.codes_release(handle)


def _become_decoder(orders: int, results: int, stderr: int) -> NoReturn:
    code = 1
    try:
        _end_with_parent()
        os.dup2(stderr, 2)
        os.close(stderr)
        taking = Connection(orders, writable=False)
        serve(taking, Connection(results, readable=False), taking.recv())
        code = 0
    except BaseException:  # the end of this process: said on its own standard error
        traceback.print_exc()
    finally:
        os._exit(code)


def _end_with_parent() -> None:
    """Linux: this process is killed when the one it was forked from dies."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
