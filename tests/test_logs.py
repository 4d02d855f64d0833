from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from met2net_ops.logs import configure

_LOG = logging.getLogger("met2net_ops.ingest.somewhere")


@pytest.fixture(autouse=True)
def _restored() -> object:
    logger = logging.getLogger("met2net_ops")
    before = logger.handlers[:], logger.level, logger.propagate
    logger.handlers = []
    yield
    for handler in logger.handlers:
        handler.close()
    logger.handlers, logger.level, logger.propagate = before


def test_people_get_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    _LOG.info("hidden")
    _LOG.warning("message %d refused", 3, extra={"file": "a.grib"})
    out, err = capsys.readouterr()
    assert out == ""
    assert "hidden" not in err
    assert "Z warning message 3 refused  file=a.grib" in err


def test_a_service_gets_json_lines_with_facts_and_tracebacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(logging.DEBUG, json_lines=True, file=tmp_path / "logs" / "service.jsonl")
    _LOG.debug("début", extra={"path": tmp_path})
    try:
        raise ValueError("bad\nbytes")
    except ValueError:
        _LOG.exception("failed")
    lines = (tmp_path / "logs" / "service.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == capsys.readouterr().err.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert (first["event"], first["level"], first["path"]) == ("début", "debug", str(tmp_path))
    assert first["time"].endswith("+00:00")
    assert first["logger"] == "met2net_ops.ingest.somewhere"
    assert "ValueError: bad" in second["exception"]


def test_configuring_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    configure()
    _LOG.warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_importing_configures_nothing() -> None:
    program = (
        "import logging, met2net_ops.logs, met2net_ops.cli.main\n"
        "assert not logging.getLogger().handlers\n"
        "assert not logging.getLogger('met2net_ops').handlers\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
