"""A file has one job: 400 lines are a wall."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WALL = 400


def too_long(folder: Path) -> list[str]:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(folder.rglob("*.py"))}
    return [f"{path.relative_to(folder)}: {lines} lines" for path, lines in lengths.items() if lines > WALL]


def test_no_file_of_the_package_is_longer_than_400_lines():
    assert not too_long(ROOT / "src")


def test_a_longer_file_would_be_seen(tmp_path):
    (tmp_path / "long.py").write_text("pass\n" * 401)
    (tmp_path / "fine.py").write_text("pass\n" * 400)
    assert too_long(tmp_path) == ["long.py: 401 lines"]


def test_every_file_says_in_its_first_line_what_its_job_is():
    silent = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "src").rglob("*.py"))
        if not path.read_text(encoding="utf-8").startswith(('"""', 'r"""'))
    ]
    assert not silent
