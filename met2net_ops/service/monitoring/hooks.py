"""Call hooks: commands and webhooks on late, failed, rejected and recovered cycles.

Each hook has a thread and a bounded queue of its own, so that none of them ever holds up the
scheduler or another hook. Where more happens than a hook can handle, the oldest calls are dropped:
what counts is the present state.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections import Counter, deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

from met2net_ops.service.monitoring.hook_process import HookCall, post_call, run_call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from met2net_ops.paths import WorkspacePaths
    from met2net_ops.settings import HookSettings

_QUEUED = 100
_PAUSES_S = (1.0, 5.0)  # before the second and the third attempt
_ENDING_S = 5.0  # what runs gets a second to end before it is killed
_LONGEST = 32_000  # characters of a variable; the system refuses more than 128 KiB

_log = logging.getLogger(__name__)


class Hooks:
    """The hooks of one workspace, ready to be fired."""

    def __init__(self, paths: WorkspacePaths, settings: Sequence[HookSettings]) -> None:
        self._hooks = [_Hook(paths, each) for each in settings]

    def fire(self, event: str, facts: Mapping[str, Any]) -> None:
        """Call every hook that is set for the event; returns at once, whatever hooks do.

        Args:
            event: "late", "failed", "rejected" or "recovered".
            facts: about it, such as model, cycle and reason; values that JSON does not know are
                passed as text.
        """
        for hook in self._hooks:
            if event in hook.settings.on:
                hook.put({"event": event, **facts})

    def counts(self) -> Counter[tuple[str, str]]:
        """How many calls of which hook were "delivered", "failed" or "dropped"."""
        total: Counter[tuple[str, str]] = Counter()
        for hook in self._hooks:
            total.update({(hook.settings.name, how): n for how, n in hook.counted().items()})
        return total

    @property
    def busy(self) -> bool:
        """Whether any of them still runs; once retired they end."""
        return any(hook.alive for hook in self._hooks)

    def retire(self) -> None:
        """Finish what is queued in the background, and then end: others take over."""
        for hook in self._hooks:
            hook.finish()

    def close(self, within: float = 5.0) -> None:
        """Finish what is queued; after `within` seconds drop the rest and end what still runs."""
        self.retire()
        deadline = time.monotonic() + within
        for hook in self._hooks:
            hook.join(max(0.0, deadline - time.monotonic()))
        for hook in self._hooks:
            hook.stop()
        for hook in self._hooks:
            hook.join(_ENDING_S)


class _Hook:
    """One hook, its queue and its thread."""

    def __init__(self, paths: WorkspacePaths, settings: HookSettings) -> None:
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._paths = paths
        self._queue: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._finishing = False
        self._stop = threading.Event()
        name = f"hook {settings.name}"
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def put(self, payload: dict[str, Any]) -> None:
        """Queue a call; the oldest one goes where there is no room."""
        with self._changed:
            dropped = self._queue.popleft() if len(self._queue) >= _QUEUED else None
            self._queue.append(payload)
            self._changed.notify()
        if dropped is not None:
            self._note("dropped", dropped, f"{_QUEUED} calls were waiting; this was the oldest")

    def finish(self) -> None:
        """End once the queue is empty."""
        with self._changed:
            self._finishing = True
            self._changed.notify()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._thread.is_alive()

    def counted(self) -> Counter[str]:
        """How many calls ended how."""
        with self._changed:
            return self.counts.copy()

    def stop(self) -> None:
        """End what runs and drop the rest; returns at once."""
        self._stop.set()

    def join(self, within: float) -> None:
        """Wait for the end."""
        self._thread.join(within)

    def _serve(self) -> None:
        while (payload := self._next()) is not None:
            try:
                problem = self._deliver(payload)
            except Exception as error:
                _log.exception("hook broke", extra={"hook": self.settings.name})
                problem = f"broke: {error!r}"
            self._note("failed" if problem else "delivered", payload, problem)

    def _next(self) -> dict[str, Any] | None:
        """The next call; None when it is time to end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._finishing)
                if not self._queue:
                    return None
                payload = self._queue.popleft()
            if not self._stop.is_set():
                return payload
            self._note("dropped", payload, "the service ends")

    def _deliver(self, payload: dict[str, Any]) -> str:
        """Call until it works or attempts are used up; what went wrong last, or ""."""
        call = self._call(payload)
        problem = ""
        for attempt in range(self.settings.attempts):
            pause = _PAUSES_S[min(attempt, len(_PAUSES_S)) - 1] if attempt else 0.0
            if pause and self._stop.wait(pause):
                break
            problem = run_call(call, self._stop.is_set)
            if not problem:
                return ""
        return problem

    def _call(self, payload: dict[str, Any]) -> HookCall:
        settings, root = self.settings, self._paths.root
        facts: dict[str, Any] = {**payload, "hook": settings.name, "workspace": str(root)}
        content = {name: None if _not_json(value) else value for name, value in facts.items()}
        body = json.dumps(content, default=_text, ensure_ascii=False).encode(errors="replace")
        variables: dict[str, str] = {
            f"HOOK_{name.upper()}": _text(value)[:_LONGEST]
            for name, value in content.items()
            if not isinstance(value, list | tuple | dict | None)
        }
        # A hook that asks `met2net-ops status` shall ask about this workspace.
        variables["MET2NET_WORKSPACE"] = str(root)
        if settings.url is not None:
            return post_call(settings.url, variables, body, root, settings.timeout_seconds)
        return HookCall(settings.command, variables, body, root, settings.timeout_seconds)

    def _note(self, how: str, payload: dict[str, Any], problem: str) -> None:
        with self._changed:
            self.counts[how] += 1
        known: dict[str, Any] = {
            key: payload[key] for key in ("event", "model", "cycle") if key in payload
        }
        facts: dict[str, Any] = {"hook": self.settings.name, **known}
        if how == "delivered":
            _log.info("hook called", extra=facts)
        else:
            _log.error("hook %s: %s", how, problem, extra=facts)


def _not_json(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _text(value: object) -> str:
    """A value as text; environment variables can hold no null byte."""
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text.replace("\0", " ")
