"""Messages to systemd: ready, alive, reloading, stopping (sd_notify(3)).

One datagram of `NAME=value` lines to the socket that systemd names in `$NOTIFY_SOCKET`. Without
that variable, as in a shell or a container, nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SystemdNotifier:
    """Speaks to the service manager, if there is one.

    A message that cannot be delivered is logged and costs nothing else.

    Attributes:
        address: of the socket, as `$NOTIFY_SOCKET` gives it; "" where no one listens.
        watchdog: how long systemd waits for `alive` before it kills the service; None
            where it does not watch.
    """

    address: str = ""
    watchdog: timedelta | None = None

    @property
    def alive_every(self) -> timedelta | None:
        """How often to call `alive`: half of what is allowed, as systemd advises."""
        return self.watchdog and self.watchdog / 2

    def ready(self, status: str = "") -> bool:
        """The service has started, or is done reloading."""
        return self.send("READY=1", *_status(status))

    def alive(self, status: str = "") -> bool:
        """The watchdog's message; `status` is shown by `systemctl status`."""
        return self.send("WATCHDOG=1", *_status(status))

    def reloading(self) -> bool:
        """The configuration is being read again; `ready` must follow."""
        # By this clock Type=notify-reload sees that the message is not older than the signal.
        return self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """The service is ending."""
        return self.send("STOPPING=1", *_status(status))

    def send(self, *lines: str) -> bool:
        """Send one message; says whether someone got it."""
        if not self.address:
            return False
        # A leading @ stands for the null byte of Linux's abstract names.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            facts = {"socket": self.address, "reason": str(error)}
            _log.warning("%s cannot be sent to the service manager", lines[0], extra=facts)
            return False
        return True


def systemd_notifier(environment: Mapping[str, str] = os.environ) -> SystemdNotifier:
    """The service manager of this process, as its environment tells.

    A watchdog for another process (`$WATCHDOG_PID`) is ignored.

    >>> systemd_notifier({}).ready()
    False
    >>> systemd_notifier({"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "60000000"}).alive_every
    datetime.timedelta(seconds=30)
    """
    address = environment.get("NOTIFY_SOCKET", "")
    microseconds = environment.get("WATCHDOG_USEC", "")
    ours = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
    if not (address and ours and microseconds.isdigit() and int(microseconds) > 0):
        return SystemdNotifier(address)
    return SystemdNotifier(address, timedelta(microseconds=int(microseconds)))


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()
