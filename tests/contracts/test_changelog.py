"""The changelog: fragments are named and written as towncrier wants them, and a release can be drafted from them."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"(\d+|\+[\w-]+)\.(added|changed|fixed|removed)(\.\d+)?\.md")


def wrong(folder: Path) -> list[str]:
    """Fragments that towncrier would overlook, or that say nothing."""
    return [
        path.name
        for path in sorted(folder.iterdir())
        if path.name != "README.md" and (not NAME.fullmatch(path.name) or not path.read_text(encoding="utf-8").strip())
    ]


def test_every_fragment_is_one():
    assert not wrong(ROOT / "changelog.d")


def test_a_wrong_fragment_would_be_seen(tmp_path):
    for name, text in {"3.added.md": "fine", "3.new.md": "no such kind", "4.fixed.md": " \n"}.items():
        (tmp_path / name).write_text(text)
    assert wrong(tmp_path) == ["3.new.md", "4.fixed.md"]


def test_a_release_can_be_drafted():
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0.0.0", "--date", "2000-01-01"]
    draft = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "## 0.0.0 (2000-01-01)" in draft
