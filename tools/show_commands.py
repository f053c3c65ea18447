"""Writes into docs/ what the command line says today: the help texts, and the output of the sessions shown.

tests/docs/test_commands.py checks that the pages say it. A session is a block that starts with ```console.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from inside import ROOT, environment

SESSION = re.compile(r"(?<=^```console\n)\$ (.*)\n(?:.*\n)*?(?=```$)", re.MULTILINE)
HELP = re.compile(r"(?<=^```text\n)(?:usage: xent (\w+).*|(TRAIN|PREDICT|BENCH))\n(?:.*\n)*?(?=```$)", re.MULTILINE)
VARIES = re.compile(r"^ (?:most confused|stopped:) .*\n", re.MULTILINE)  # by machine, in more than the digits
ROWS = 12  # of an output that are shown


def xent(folder: Path, *arguments: str) -> str:
    """What the command says to a pipe, 80 columns wide: the result, or why there is none."""
    variables = environment() | {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "xent", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.stdout or done.stderr


def shortened(output: str) -> str:
    """The output without what varies by machine, and without the end of a long table."""
    lines = VARIES.sub("...\n", output).splitlines()
    table = all("," in line for line in lines)
    return "\n".join([*lines[:5], "..."] if table and len(lines) > ROWS else lines) + "\n"


def main() -> None:
    """Rewrite the pages."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "examples").mkdir()
        shutil.copy(ROOT / "examples" / "flowers.csv", folder / "examples")
        for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
            text = page.read_text(encoding="utf-8")
            new = SESSION.sub(lambda m: f"$ {m[1]}\n{shortened(xent(folder, *shlex.split(m[1])[1:]))}", text)
            new = HELP.sub(lambda m: xent(folder, m[1] or m[2].lower(), "--help"), new)
            if new != text:
                page.write_text(new, encoding="utf-8")
                print(f"wrote {page.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
