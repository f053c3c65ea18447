"""The disk cache: private, never stale, and whatever is wrong with a file or folder ends in the right answer."""

import os
import pickle
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.safety.children import changed
from xent._kernels import cpu
from xent._kernels.cpu import cache, jit

NAME = "xent._kernels.cpu.cache"
X = np.arange(5.0)


def twice(x):
    """2·Σx: a kernel that is compiled in no time."""
    total = 0.0
    for i in range(x.shape[0]):
        total += 2.0 * x[i]
    return total


@pytest.fixture(autouse=True)
def with_numba(monkeypatch):
    if jit.numba_or_none() is None:
        pytest.fail("these tests need Numba, with its compiler on")
    yield
    cache.folder.cache_clear()
    cache.stamp.cache_clear()


def keep_in(home: Path | str, monkeypatch: pytest.MonkeyPatch, disk: ModuleType = cache) -> None:
    """Have the compiler use the cache `disk` in this folder."""
    monkeypatch.setenv("XENT_CACHE_DIR", str(home))
    monkeypatch.setattr(cpu, "cache", disk)
    disk.folder.cache_clear()


def loads(dtype: str = "float64") -> bool:
    """Compile `twice` anew; whether it came from the disk. Its answer has to be right either way."""
    kernel = jit.compiled.__wrapped__(twice, jit.array(dtype, 1))
    assert kernel(X.astype(dtype)) == 20.0
    (hits,) = [sum(kernel.stats.cache_hits.values())]
    return bool(hits)


def files(home: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in home.rglob("*") if path.is_file())


# ------------------------------------------------------------------------------------------------- whose folder it is
def makes_it_private(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(home / "made", monkeypatch, disk)
    before = os.umask(0)
    try:
        assert disk.folder() == str(home / "made")
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / "made").stat().st_mode) == 0o700


def refuses_another_owners(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(home, monkeypatch, disk)
    home.chmod(0o700)
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    assert disk.folder() is None


def refuses_what_others_may_enter(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for bit in (0o001, 0o002, 0o004, 0o010, 0o020, 0o040):
        home.chmod(0o700 | bit)
        keep_in(home, monkeypatch, disk)
        assert disk.folder() is None, oct(bit)


def refuses_a_link(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "real").mkdir(mode=0o700)
    (home / "link").symlink_to(home / "real")
    keep_in(home / "link", monkeypatch, disk)
    assert disk.folder() is None


def refuses_a_file(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "file").write_text("mine")
    (home / "file").chmod(0o600)
    for place in (home / "file", home / "file" / "below", ""):
        keep_in(place, monkeypatch, disk)
        assert disk.folder() is None
        assert not loads()
    assert (home / "file").read_text() == "mine"


def never_opens_what_others_could_have_written(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = home / "opened"
    safe = home / "safe"
    safe.mkdir(mode=0o700)
    keep_in(safe, monkeypatch, disk)
    with monkeypatch.context() as patch:
        patch.setattr(disk._Files, "_dump", lambda self, data: pickle.dumps(Bomb(marker)))
        assert not loads()
    safe.chmod(0o770)
    disk.folder.cache_clear()
    assert not loads()
    assert not marker.exists()
    safe.chmod(0o700)
    disk.folder.cache_clear()
    assert not loads()
    assert marker.exists(), "the bomb is none"


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.marker,)


# --------------------------------------------------------------------------------------------------- what it depends on
def sources_of(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A copy of the package's sources, from which `disk` now makes its stamp; those that kernels are made of."""
    shutil.copytree(cache.SOURCES, home / "xent", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(disk, "SOURCES", home / "xent")
    return [path for part in ("core", "_kernels") for path in sorted((home / "xent" / part).rglob("*.py"))]


def stamp_of(disk: ModuleType) -> str:
    disk.stamp.cache_clear()
    return disk.stamp()


def changes_with_every_source(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = sources_of(disk, home, monkeypatch)
    assert len(sources) > 30
    found = {stamp_of(disk)}
    for number, source in enumerate(sources, 2):
        source.write_bytes(source.read_bytes() + b"\n")
        found.add(stamp_of(disk))
        assert len(found) == number, source
    renamed = sources[-1].rename(sources[-1].with_name(f"{sources[-1].stem}s.py"))
    assert stamp_of(disk) not in found
    found.add(stamp_of(disk))
    renamed.unlink()
    assert stamp_of(disk) not in found
    assert stamp_of(disk) == stamp_of(disk)


def changes_with_versions(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import llvmlite
    import numba

    found = {stamp_of(disk)}
    for place, name, other in [
        (numba, "__version__", "0.1"),
        (llvmlite, "__version__", "0.1"),
        (disk.sys, "version", "3.99"),
        (disk.platform, "machine", lambda: "abacus"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, other)
            found.add(stamp_of(disk))
    assert len(found) == 5


def changes_with_every_numba_variable(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {stamp_of(disk)}
    for name in ("NUMBA_BOUNDSCHECK", "NUMBA_CPU_NAME", "NUMBA_OPT", "NUMBA_OF_SOME_LATER_VERSION"):
        for text in ("0", "1"):
            with monkeypatch.context() as patch:
                patch.setenv(name, text)
                found.add(stamp_of(disk))
    assert len(found) == 9


def changes_with_options_set_elsewhere(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    before = stamp_of(disk)
    monkeypatch.setattr(numba.config, "BOUNDSCHECK", 1)
    assert stamp_of(disk) != before


def compiles_anew_for_another_cpu(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.codegen import CPUCodegen

    keep_in(home, monkeypatch, disk)
    home.chmod(0o700)
    assert not loads()
    assert loads()
    monkeypatch.setattr(CPUCodegen, "_get_host_cpu_name", lambda self: "abacus")
    assert not loads()
    assert loads()


# ----------------------------------------------------------------------------------------------------------- damage
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "cut within the digest": lambda data: data[:20],
    "cut in half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "one byte too long": lambda data: data + b"\0",
    "a bit flipped in the middle": lambda data: flipped(data, len(data) // 2),
    "the first bit flipped": lambda data: flipped(data, 0),
    "the last bit flipped": lambda data: flipped(data, len(data) - 1),
    "something else": lambda data: b"\x80\x05N." * 100,
}


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def mends_damage(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(home, monkeypatch, disk)
    home.chmod(0o700)
    assert not loads()
    assert loads()
    (kept,) = files(home)
    whole = kept.read_bytes()
    for what, spoil in DAMAGE.items():
        kept.write_bytes(spoil(whole))
        assert not loads(), what
        assert loads(), f"not mended: {what}"


def tells_crossed_files_apart(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(home, monkeypatch, disk)
    home.chmod(0o700)
    for dtype in ("float64", "float32"):
        assert not loads(dtype)
    first, second = files(home)
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    for dtype in ("float64", "float32"):
        assert not loads(dtype)
    for dtype in ("float64", "float32"):
        assert loads(dtype)


def compares_the_loaded_signature(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(home, monkeypatch, disk)
    home.chmod(0o700)
    assert not loads("float32")
    (kept,) = files(home)
    saved = pickle.loads(kept.read_bytes()[disk.DIGEST :])  # noqa: S301 -- made just above
    monkeypatch.setattr(disk._Files, "load", lambda self, key: saved)
    assert not loads("float64")


def outlives_a_removed_folder(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = home / "cache"
    keep_in(place, monkeypatch, disk)
    assert not loads()
    shutil.rmtree(place)
    assert not loads()
    disk.folder.cache_clear()
    assert loads()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def outlives_a_full_disk(disk: ModuleType, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_in(home, monkeypatch, disk)
    home.chmod(0o700)

    class Full:
        def __init__(self, *given: Any) -> None:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("numba.core.caching.open", Full, raising=False)
        assert not loads()
    assert not files(home)
    assert not loads()
    assert loads()


CHECKS = [
    makes_it_private,
    refuses_another_owners,
    refuses_what_others_may_enter,
    refuses_a_link,
    refuses_a_file,
    never_opens_what_others_could_have_written,
    changes_with_every_source,
    changes_with_versions,
    changes_with_every_numba_variable,
    changes_with_options_set_elsewhere,
    compiles_anew_for_another_cpu,
    mends_damage,
    tells_crossed_files_apart,
    compares_the_loaded_signature,
    outlives_a_removed_folder,
    outlives_a_full_disk,
]
MISTAKES = [  # the check that has to see it; the text; what stands there instead
    (makes_it_private, "mkdir(mode=0o700, parents=True, exist_ok=True)", "mkdir(parents=True, exist_ok=True)"),
    (refuses_another_owners, "found.st_uid != os.geteuid() or ", ""),
    (refuses_what_others_may_enter, "found.st_mode & 0o077", "found.st_mode & 0o022"),
    (never_opens_what_others_could_have_written, " or found.st_mode & 0o077", ""),
    (refuses_a_file, "except (OSError, RuntimeError):", "except RuntimeError:"),
    (refuses_a_link, "os.lstat(home)", "os.stat(home)"),
    (changes_with_every_source, '("core", "_kernels")', '("_kernels",)'),
    (changes_with_every_source, ".rglob(", ".glob("),
    (changes_with_every_source, "{source.relative_to(SOURCES)}", ""),
    (changes_with_versions, "numba.__version__, ", ""),
    (changes_with_every_numba_variable, "{name}={text}", "{name}"),
    (changes_with_options_set_elsewhere, "*flags, *options", "*flags"),
    (compiles_anew_for_another_cpu, "repr(key).encode()", "repr(key[0]).encode()"),
    (mends_damage, "if found[:DIGEST] != _digest(key, data):", "if False:"),
    (mends_damage, "except Exception:", "except OSError:"),
    (tells_crossed_files_apart, "repr(key).encode()", "b''"),
    (compares_the_loaded_signature, " and tuple(found.signature.args) == tuple(sig)", ""),
    (outlives_a_removed_folder, "Path(str(folder())).mkdir(mode=0o700, exist_ok=True)", "pass"),
    (outlives_a_full_disk, "suppress(OSError)", "suppress(ValueError)"),
]
Check = Callable[[ModuleType, Path, pytest.MonkeyPatch], None]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_cache(check: Check, tmp_path, monkeypatch):
    check(cache, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("check", "old", "new"), MISTAKES, ids=[f"{c.__name__}-{k}" for k, (c, _, _) in enumerate(MISTAKES)]
)
def test_the_check_sees_the_mistake(check: Check, old: str, new: str, tmp_path, monkeypatch):
    with pytest.raises((AssertionError, OSError, ValueError, TypeError, pickle.UnpicklingError)):
        check(changed(NAME, old, new), tmp_path, monkeypatch)


def test_every_check_has_seen_a_mistake():
    assert {check for check, _, _ in MISTAKES} == set(CHECKS)


def test_without_a_home_nothing_is_kept(monkeypatch):
    monkeypatch.delenv("XENT_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    cache.folder.cache_clear()
    assert cache.folder() is None


def test_without_a_folder_of_its_own_it_lies_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("XENT_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache.folder.cache_clear()
    assert cache.folder() == str(tmp_path / "xent")


def test_everything_that_is_compiled_lies_where_the_stamp_looks():
    """Kernels and what they call are functions of core and _kernels; so the stamp has seen their text."""
    import importlib
    import pkgutil

    for module in pkgutil.iter_modules(cpu.__path__):
        importlib.import_module(f"{cpu.__name__}.{module.name}")
    homes = {function.__module__.split(".")[1] for function in jit._inner if function.__module__.startswith("xent.")}
    assert homes == {"core", "_kernels"}
    users = [path for path in cache.SOURCES.rglob("*.py") if "compiled(" in path.read_text(encoding="utf-8")]
    named = {line for path in users for line in path.read_text(encoding="utf-8").splitlines() if "njit(" in line}
    assert len(named) == 1, named  # jit.compiled alone
