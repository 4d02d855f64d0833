"""What the documents name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from met2net_ops.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def _text(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", _text(document))
    here = [link for link in links if "://" not in link]
    assert [link for link in here if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(document: Path) -> None:
    code = re.findall(r"(?s)```.*?```|`[^`]+`", _text(document))
    named = re.findall(r"(?m)(?:^|`)met2net-ops ([a-z]+)\b", "\n".join(code))
    assert sorted({name for name in named if name not in COMMANDS}) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_of_the_source_exist(document: Path) -> None:
    rooms = "met2net_ops|models|cli|app|research|bench|tests|docs"
    named = re.findall(rf"`((?:{rooms})/[\w/.-]+\.\w+)`", _text(document))
    assert [name for name in named if not (ROOT / name).exists()] == []
