"""The set-up: finds a Python or says so, says what it downloads, does nothing twice, stays inside the checkout."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup_env(monkeypatch):
    """The module of tools/setup_env.py."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    for name in ("setup_env", "inside"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield importlib.import_module("setup_env")
    for name in ("setup_env", "inside"):
        sys.modules.pop(name, None)


def test_without_a_python_it_says_so_in_a_line(tmp_path):
    old = tmp_path / "python3.11"
    old.write_text("#!/bin/sh\nexit 1\n")  # what a Python that is too old answers
    old.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "tools" / "setup.sh"), "cli"],
        env=os.environ | {"PYTHON": f"{old} no-such-python"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"xent needs Python 3.11 or later, and found none (tried: {old} no-such-python); "
        "name one with PYTHON=/path/to/python\n"
    )


def test_without_ensurepip_it_says_what_to_install(setup_env, monkeypatch, tmp_path):
    monkeypatch.setattr(setup_env.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)
    with pytest.raises(setup_env.SetupError) as caught:
        setup_env.create(tmp_path / "venv")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert str(caught.value) == (
        f"this Python ({sys.executable}) has no module ensurepip; on Debian and Ubuntu it is in the package "
        f"python{version}-venv"
    )


def test_the_download_is_told_apart_from_what_is_here_and_what_is_unknown(setup_env, monkeypatch):
    sizes = {"https://a/x.whl": 2_600_000, "https://a/y.whl": None, "file:///here/z.whl": 0}
    monkeypatch.setattr(setup_env, "size", sizes.get)
    wanted = [(url, url) for url in sizes]
    assert setup_env.announce(wanted) == "3 packages, 3 MB to download and 1 of unknown size"
    assert setup_env.announce(wanted[2:]) == "1 package, 0 MB to download"


def test_a_file_on_this_machine_costs_nothing_and_silence_is_unknown(setup_env, monkeypatch):
    def refuse(*_, **__):
        raise OSError

    monkeypatch.setattr(setup_env.urllib.request, "urlopen", refuse)
    assert setup_env.size("file:///somewhere/x.whl") == 0
    assert setup_env.size("https://nowhere.example/x.whl") is None


def test_what_is_up_to_date_is_left_alone_and_what_changed_is_not(setup_env, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(setup_env, "VENV", tmp_path)
    monkeypatch.setattr(setup_env, "works", lambda venv: True)
    asked = []
    monkeypatch.setattr(setup_env, "install", lambda venv, arguments: asked.append(arguments[-1]))
    assert setup_env.main(["cli"]) == 0
    assert len(asked) == 2  # pip first, then the package
    assert setup_env.main(["cli"]) == 0
    assert len(asked) == 2
    assert "nothing to download" in capsys.readouterr().err
    assert setup_env.main(["dev"]) == 0
    assert asked[-1].endswith("[cli,dev]")  # what was there stays
    assert setup_env.main(["cli"]) == 0
    assert len(asked) == 4
    monkeypatch.setattr(setup_env, "project", lambda: {"project": "another"})
    assert setup_env.main(["cli"]) == 0
    assert len(asked) == 6


def test_what_was_broken_off_is_done_again(setup_env, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(setup_env, "VENV", tmp_path)
    monkeypatch.setattr(setup_env, "works", lambda venv: True)

    def fail(venv, arguments):
        raise setup_env.SetupError("pip could not install what is needed (exit status 1)")

    monkeypatch.setattr(setup_env, "install", fail)
    assert setup_env.main(["cli"]) == 1
    assert capsys.readouterr().err.endswith("xent: pip could not install what is needed (exit status 1)\n")
    assert not list(tmp_path.iterdir())


def test_every_cache_lies_in_the_checkout(setup_env):
    inside = sys.modules["inside"].environment(home=True)
    for name in ("TMPDIR", "PIP_CACHE_DIR", "XENT_CACHE_DIR", "MPLCONFIGDIR", "HYPOTHESIS_STORAGE_DIRECTORY", "HOME"):
        assert Path(inside[name]).is_relative_to(ROOT / ".cache")
    assert Path(inside["XENT_CACHE_DIR"]).stat().st_mode & 0o077 == 0


def test_the_tests_themselves_run_so():
    if "XENT_CACHE_DIR" in os.environ:  # by `make test`; whoever calls pytest by hand uses their own caches
        assert Path(os.environ["XENT_CACHE_DIR"]).is_relative_to(ROOT)
