"""Every exception and warning of the package; what they say is written where they are built.

A message says what came, where, what is allowed, and what to do.

    Exception
    └── XentError
        ├── OptionError   (ValueError)   an option has a value that is not allowed
        ├── KindError     (TypeError)    an argument is of the wrong kind: type or dtype
        ├── ShapeError    (ValueError)   shapes do not fit together
        ├── TargetError   (ValueError)   a target is not a class, or not a probability
        ├── DataError     (ValueError)   a file or a table cannot be used
        └── MissingError  (ImportError)  an optional package is not installed
    UserWarning
    ├── EmptyBatchWarning                a mean over nothing: 0 was returned
    └── InterpretedWarning               Numba is missing: kernels run as plain Python
"""


class XentError(Exception):
    """Whatever xent itself raises."""


class OptionError(XentError, ValueError):
    """An option has a value that is not allowed."""


class KindError(XentError, TypeError):
    """An argument is of the wrong kind: its type or its dtype."""


class ShapeError(XentError, ValueError):
    """Shapes that do not fit together."""


class TargetError(XentError, ValueError):
    """A target that is not a class, or not a probability."""


class DataError(XentError, ValueError):
    """A file or a table that cannot be used."""


class MissingError(XentError, ImportError):
    """An optional package that is not installed."""


class EmptyBatchWarning(UserWarning):
    """The mean over a batch in which nothing counts: 0 was returned."""


class InterpretedWarning(UserWarning):
    """Numba is missing: the kernels run as plain Python, right but slow."""


def missing(package: str, extra: str) -> MissingError:
    """What to install.

    >>> print(missing("rich", "cli"))
    this needs the package rich, which is not installed: pip install "xent[cli]"
    """
    return MissingError(f'this needs the package {package}, which is not installed: pip install "xent[{extra}]"')
