"""The pictures of the admin's pages: all of them, small, and shown in the documentation."""

import re

import pytest

from scripts import screenshots
from tests.support.docs import ROOT

PAGE = (ROOT / "docs/reference/pictures.md").read_text("utf-8")
SCRIPT = (ROOT / "scripts/screenshots.py").read_text("utf-8")
NAMES = re.findall(r'^        "(\w+)": f"\{start\}', SCRIPT, re.MULTILINE)
FILES = [
    f"{name}-{scheme}.png" for name in [*NAMES, "workflow", "slots"] for scheme in ("light", "dark")
]


@pytest.mark.parametrize("name", FILES)
def test_picture_is_small_and_shown(name: str) -> None:
    picture = screenshots.PICTURES / name
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size <= screenshots.LARGEST
    assert f"../pictures/{name}" in PAGE


def test_no_picture_is_left_over() -> None:
    assert len(NAMES) >= 8
    assert {one.name for one in screenshots.PICTURES.iterdir()} == set(FILES)
