"""What the pages show of the command line: help texts to the letter, sessions with their numbers masked."""

import doctest
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def xent(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a pipe sees it, 80 columns wide."""
    return subprocess.run(
        [sys.executable, "-m", "xent", *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def masked(text: str) -> str:
    """Numbers differ between machines in the last digits, and a line may break elsewhere: neither matters here."""
    return " ".join(re.sub(r"\d[\d ]*(?:\.\d+)?", "0", text.replace("×", "")).split())


def same(shown: str, came: str) -> bool:
    """Whether a page shows what came; a line of `...` stands for any text."""
    return doctest.OutputChecker().check_output(
        masked(shown), masked(came), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )


def sessions(page: Path) -> list[tuple[str, str]]:
    """The commands that a page shows, each with its output."""
    found = []
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for part in block.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if sessions(page)], ids=lambda page: page.stem)
def test_a_session_is_what_happens(page, tmp_path):
    (tmp_path / "examples").mkdir()
    shutil.copy(ROOT / "examples" / "flowers.csv", tmp_path / "examples")
    for command, shown in sessions(page):
        program, *arguments = shlex.split(command, comments=True)
        assert program == "xent"
        done = xent(tmp_path, *arguments)
        came = done.stdout or done.stderr
        assert same(shown, came), f"$ {command}\n{came}"


def test_another_output_would_be_seen():
    assert same("rows 12\n...\nopen runs/x-1", "rows 13\nand more\nopen runs/x-1")
    assert not same("rows 12\nopen runs/x-1", "columns 12\nopen runs/x-1")


def test_a_command_that_a_page_names_exists():
    for page in PAGES:
        for words in re.findall(r"(?m)^(?:\$ )?xent ([a-z]+)\b", page.read_text(encoding="utf-8")):
            assert words in {"explain", "train", "predict", "sweep", "bench"}, page.name


@pytest.mark.parametrize("command", ["explain", "train", "predict", "sweep", "bench"])
def test_the_help_texts_are_those_of_the_command(command, tmp_path):
    shown = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"```text\n{xent(tmp_path, command, '--help').stdout}```" in shown
