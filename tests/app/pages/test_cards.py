"""Cards as text that loads nothing, and models by their codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from met2net_ops.app.data.cards import facts_table, model_codes, models_table, read_card, safe_card
from met2net_ops.app.text import plain
from met2net_ops.errors import ModelError
from met2net_ops.models.registry import SHIPPED, list_models

BUILD = MarkdownIt("commonmark", {"html": False}).enable("table")


def _kinds(text: str) -> set[str]:
    tokens = BUILD.parse(text)
    return {child.type for token in tokens for child in (token.children or [token])}


NASTY = """# Title

![map](http://example.org/x.png) and ![by name][ref] cost $5 to $6, :red[loud] :material/map:

<img src="http://example.org/y.png" onerror="alert(1)"><script>alert(1)</script>

```
![kept as code](http://example.org) $x$
```

| a | b |
|---|---|
| 1 | ![x](http://example.org/z.png) |

[ref]: http://example.org/ref.png
"""


def test_a_card_loads_nothing() -> None:
    assert "image" in _kinds(NASTY)
    safe = safe_card(NASTY)
    kinds = _kinds(safe)
    assert "image" not in kinds
    assert {"table_open", "fence", "link_open", "heading_open"} <= kinds
    assert "\\$5 to \\$6" in safe
    assert "\\:red[loud]" in safe
    assert "[kept as code](http://example.org) $x$" in safe
    assert safe.startswith("#### Title")


IMAGE = "![x](http://example.org/x.png)"
PIECES = ("```", "~~~", "````", "    ", "- ", "> ", "\n", "\n\n", "a", IMAGE, "![y][ref]")


@pytest.mark.parametrize(
    "card",
    [
        f"```a```\n{IMAGE}",
        f"text\n\n    ```\n\n{IMAGE}",
        f"~~~\n```\n~~~\n{IMAGE}",
        f"````\n```\n````\n{IMAGE}",
        f"- a\n\n  ```\n  code\n\n{IMAGE}",
    ],
)
def test_what_only_looks_like_code_loads_nothing(card: str) -> None:
    assert "image" in _kinds(card)
    assert "image" not in _kinds(safe_card(card))


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_no_card_has_an_image(card: str) -> None:
    assert "image" not in _kinds(safe_card(card + "\n\n[ref]: http://example.org/x.png\n"))


@pytest.mark.parametrize(
    "card", ["# a", "  ## a", "> # a", "- # a", "1. # a", "a\n===", "> a\n> ="]
)
def test_no_heading_is_as_large_as_the_pages(card: str) -> None:
    tags = {token.tag for token in BUILD.parse(safe_card(card)) if token.type == "heading_open"}
    assert tags <= {"h4", "h5", "h6"}


def test_the_shipped_card_keeps_its_tables() -> None:
    safe = read_card(SHIPPED / "naturerun-5p625")
    assert "table_open" in _kinds(safe)
    assert safe.startswith("#### naturerun-5p625")


def test_a_card_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"CARD\.md"):
        read_card(tmp_path)
    (tmp_path / "CARD.md").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"CARD\.md"):
        read_card(tmp_path)
    (tmp_path / "CARD.md").write_text("word " * 100_000)
    assert len(read_card(tmp_path)) < 210_000


@given(st.text(alphabet="![]()<>`*_{}#+-.|$:~&ab1\\ ", max_size=80))
def test_plain_text_shows_as_it_is(text: str) -> None:
    text = " ".join(text.split())
    (paragraph, *_) = [*BUILD.parse(plain(text)), None, None][1:2] or [None]
    shown = "".join(
        child.content for child in (paragraph.children if paragraph is not None else [])
    )
    assert shown == text


def test_models_by_code(tmp_path: Path) -> None:
    for name in ("naturerun-5p625", "broken"):
        (tmp_path / name).mkdir()
    (tmp_path / "broken" / "model.json").write_text("{")
    models = list_models(tmp_path)
    codes = model_codes(models)
    assert {"broken", "naturerun-5p625", "naturerun-5p625.shipped"} <= set(codes)
    table = models_table(models)
    assert table.loc[table["model"] == "broken", "problem"].item()
    shipped = codes["naturerun-5p625.shipped"].folder
    assert shipped is not None
    facts = facts_table(shipped.description)
    assert "32 x 64" in " ".join(facts["value"])
