"""A refusal is told every time the file is offered, not only when it is read."""

from __future__ import annotations

import shutil

from met2net_ops.grib.records import VerdictKind
from met2net_ops.ingest.pipeline import ingest
from met2net_ops.ingest.report import FileState
from met2net_ops.workspace import Workspace


def test_what_was_refused_in_a_known_file_is_said_again(make_workspace, grib, tmp_path):
    workspace, config = make_workspace()
    good = grib.Message("t2m", 0).encode()
    cut = grib.Message("msl", 0).encode()[:700]
    broken = grib.deliver(tmp_path / "broken.grib2", good + cut)
    sound = grib.deliver(tmp_path / "sound.grib2", [grib.Message("t2m", 1)])
    first, other = ingest(Workspace(workspace, config), [broken, sound]).files
    assert first.refused_something
    assert not other.refused_something

    again = ingest(Workspace(workspace, config), [broken, sound])
    known, other = again.files
    assert (known.state, other.state) == (FileState.KNOWN, FileState.KNOWN)
    assert again.refused_something
    assert known.verdicts == first.verdicts
    assert known.reasons(VerdictKind.REFUSED) == first.reasons(VerdictKind.REFUSED)
    assert (known.fields, known.damaged) == (first.fields, first.damaged)
    assert not known.frames
    assert not other.refused_something

    copy = shutil.copy(broken, tmp_path / "copy.grib2")
    for _ in range(2):  # by its content, then by its name
        (report,) = ingest(Workspace(workspace, config), [copy]).files
        assert report.state is FileState.KNOWN
        assert report.verdicts == first.verdicts


def test_what_nobody_wants_is_never_refused_or_quarantined(make_workspace, grib, tmp_path):
    """A satellite product counted in unknown units of time beside a wanted field."""
    workspace, config = make_workspace()
    odd = bytearray(grib.Message("t2m", 0).encode())
    odd[6] = 3  # discipline: satellite products
    at = 16
    while odd[at + 4] != 4:
        at += int.from_bytes(odd[at : at + 4], "big")
    odd[at + 17] = 255  # unit of time
    path = grib.deliver(tmp_path / "mixed.grib2", grib.Message("t2m", 1).encode() + bytes(odd))
    for _ in range(2):
        (report,) = ingest(Workspace(workspace, config), [path]).files
        assert not report.refused_something
        (reason,) = report.reasons(VerdictKind.NOT_WANTED)
        assert "is not in the variable table" in str(reason)
    assert not list((tmp_path / "workspace" / "quarantine").glob("*"))
