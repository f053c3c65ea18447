"""The text of the project: no path of somebody's machine, no unfinished work, no remote asset in what is shipped."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = {".py", ".md", ".toml", ".css", ".html", ".jinja", ".j2", ".svg", ".sh", ""}
HOMES = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|opt|mnt)/\w")
LATER = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
REMOTE = re.compile(r"""(?:src|href)=["']?(?:https?:)?//|@import|url\(\s*["']?(?:https?:)?//""")


def tracked() -> list[Path]:
    """Every text file that belongs to the project."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in TEXT and path.is_file()]


def found(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.name}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_path_of_somebodys_machine():
    mine = Path(__file__)
    assert not found(HOMES, [path for path in tracked() if path != mine])


def test_no_unfinished_work_in_the_text():
    assert not found(LATER, tracked())


def test_what_is_shipped_names_no_remote_asset():
    assert not found(REMOTE, [path for path in tracked() if path.is_relative_to(ROOT / "src")])


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (HOMES, "open('/home/ada/data.csv')"),
        (HOMES, "see /root/notes"),
        (LATER, "# FIX" + "ME"),
        (REMOTE, '<script src="https://cdn.example/x.js">'),
        (REMOTE, "background: url(//fonts.example/a.woff)"),
    ],
)
def test_each_would_be_seen(pattern, line, tmp_path):
    (tmp_path / "a.py").write_text(line)
    assert len(found(pattern, [tmp_path / "a.py"])) == 1
