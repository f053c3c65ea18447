"""Rebinding names of imported modules: which objects are replaced, where, and how it is undone."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from xent.core import errors

HOMES = ("functions", "layers", "time_layers")  # the book's modules that define the loss


@dataclass(frozen=True, slots=True)
class Replaced:
    """One name of one module that now means another object."""

    module: str
    name: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, repr=False)
class Installation:
    """What `install()` replaced; `undo()`, or leaving a `with` block, puts it back."""

    package: str
    replaced: tuple[Replaced, ...]

    def undo(self) -> None:
        """Put the old objects back, wherever the name still means what was put there. A second time does nothing.

        A module that was imported in between got its names by then, and keeps them.
        """
        for item in self.replaced:
            names = vars(sys.modules[item.module]) if item.module in sys.modules else {}
            if names.get(item.name) is item.new:
                names[item.name] = item.old

    def to_dict(self) -> dict[str, list[str]]:
        """Module → its names that were replaced."""
        found: dict[str, list[str]] = {}
        for item in self.replaced:
            found.setdefault(item.module, []).append(item.name)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __str__(self) -> str:
        if not self.replaced:
            return f"xent.book: the names of {self.package} are xent's already; nothing was replaced"
        lines = ["xent.book: these names are xent's from now on"]
        lines += [f"  {module}: {', '.join(names)}" for module, names in self.to_dict().items()]
        return "\n".join([*lines, "A net that was built before keeps the layer it was built with."])

    def __repr__(self) -> str:
        return f"<Installation: {len(self.replaced)} names in {len(self.to_dict())} modules>"


def rebind(package: str, ours: Mapping[str, object]) -> Installation:
    """Replace what the modules of `package` define under the names of `ours`, wherever an imported module holds it.

    An object is replaced only if a module of HOMES holds it under that name and it was defined inside `package`; it is
    then replaced in every module that holds that very object, under whatever name (`from common.layers import *`).

    XentError where nothing of the kind is imported, or where the package runs on CuPy.
    """
    homes = [f"{package}.{home}" for home in HOMES]
    imported = [home for home in homes if home in sys.modules]
    if getattr(sys.modules.get(f"{package}.config"), "GPU", False):
        raise errors.XentError(
            f"{package}.config.GPU is set, so its arrays are CuPy's; xent's layers take NumPy arrays: set GPU = False."
        )
    new_of: dict[int, tuple[object, object]] = {}  # id of the old object → the old object, its replacement
    already = False
    for home in imported:
        for name, new in ours.items():
            old = vars(sys.modules[home]).get(name)
            already |= old is new
            if str(getattr(old, "__module__", "")).startswith(f"{package}."):
                new_of[id(old)] = (old, new)
    if not new_of and not already:
        raise errors.XentError(_nothing(package, homes, imported, ours))
    replaced: list[Replaced] = []
    for module_name, module in sorted(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if not isinstance(names, dict):
            continue
        for name, value in list(names.items()):
            old, new = new_of.get(id(value), (None, None))
            if old is not None and old is value:
                names[name] = new
                replaced.append(Replaced(module_name, name, old, new))
    return Installation(package, tuple(replaced))


def _nothing(package: str, homes: list[str], imported: list[str], ours: Mapping[str, object]) -> str:
    if not imported:
        return (
            f"install() found nothing to replace: none of {', '.join(homes)} is imported.\n"
            f"  Import {package}.layers (or your net) first; for a package of another name pass install(package=...)."
        )
    return (
        f"install() found nothing to replace: {', '.join(imported)} defines none of {', '.join(ours)}.\n"
        "  Is it the book's? Otherwise import the layers from xent.book yourself."
    )
