"""The socket the dashboard is served on."""

from __future__ import annotations

import errno
import socket

from met2net_ops.errors import ServiceError

_WAITING = 128  # connections the system keeps until they are accepted


def listen(address: str, port: int) -> socket.socket:
    """A socket that listens, for connections that do not hold small answers back.

    It knows its protocol, which those of `socket.create_server` and of `streamlit run` do not:
    asyncio sets TCP_NODELAY on the connections of such a socket alone, and without that every small
    file of a page waits 40 ms for an acknowledgement (github.com/Kludex/uvicorn/issues/3149).

    Args:
        address: one of this machine's, or a name for it.
        port: 0 for any that is free.

    Raises:
        ServiceError: nothing can listen there.

    >>> with listen("127.0.0.1", 0) as listening:
    ...     listening.proto == socket.IPPROTO_TCP
    True
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServiceError(
            f"{address} is no address to listen on: {error.strerror}. --address takes one of this "
            "machine's own."
        ) from error
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(_WAITING)
    except OSError as error:
        made.close()
        advice = "--address takes one of this machine's own."
        if error.errno == errno.EADDRINUSE:
            advice = "Another dashboard may be there; choose another place with --port."
        raise ServiceError(
            f"Nothing can listen on {address} port {port}: {error.strerror}. {advice}"
        ) from error
    return made
