"""These tests need PyTorch: the folder is left out where there is none."""

import warnings
from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["*"]  # the lane "torch" has them

if not collect_ignore_glob:
    with warnings.catch_warnings():
        # PyTorch scripts its own formulas for jvp and vmap at their first use, and deprecates that
        warnings.simplefilter("ignore", DeprecationWarning)
        import torch._decomp.decompositions_for_jvp
        import torch._functorch.vmap

        torch._functorch.vmap.lazy_load_decompositions()
