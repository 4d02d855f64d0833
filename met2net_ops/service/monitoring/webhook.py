"""Send what comes on stdin to the URL in `$HOOK_URL`: a webhook, as a process of its own.

`hooks` runs it so, because only a process can be ended for certain, whatever a name server or the
other side of a connection does. Says on stderr what went wrong and ends with 1 then.
"""

from __future__ import annotations

import base64
import http.client
import os
import sys
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from met2net_ops.version import __version__


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirected POST would be sent on as a GET without its content, and count as delivered."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        return None


def post(url: str, body: bytes) -> str:
    """POST a JSON document.

    Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`); redirects are not followed.

    Returns:
        What went wrong, or "" if the other side answered 2xx.
    """
    headers = {"Content-Type": "application/json", "User-Agent": f"met2net-ops/{__version__}"}
    try:
        url, credentials = _without_credentials(url)
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        if credentials:
            request.add_unredirected_header("Authorization", credentials)
        with urllib.request.build_opener(_NoRedirects).open(request):
            return ""
    except urllib.error.HTTPError as error:
        answer = error.read(500).decode(errors="replace").strip()
        return f"answered {error.code} {error.reason}{': ' if answer else ''}{answer}"
    except urllib.error.URLError as error:
        return f"cannot be reached: {error.reason}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"cannot be reached: {error or type(error).__name__}"


def _without_credentials(url: str) -> tuple[str, str]:
    """The URL without `user:password@`, and what to send as `Authorization` instead; "" without.

    urllib would look up a host of that name, and its error message would show the password.
    """
    parts = urlsplit(url)
    given, _, host = parts.netloc.rpartition("@")
    if not given:
        return url, ""
    encoded = base64.b64encode(unquote(given).encode()).decode("ascii")
    return urlunsplit(parts._replace(netloc=host)), f"Basic {encoded}"


def main() -> int:
    """Read, send and report; the exit status says whether it went well."""
    problem = post(os.environ["HOOK_URL"], sys.stdin.buffer.read())
    if problem:
        sys.stderr.write(f"the webhook {problem}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    raise SystemExit(main())
