"""The public names of xent.torch: pinned here, documented, in the changelog; and what is said without PyTorch."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import xent
import xent.torch

ROOT = Path(__file__).resolve().parents[2]

# People rely on these. A change here needs a fragment in changelog.d/.
PUBLIC = {
    "CrossEntropyLoss",
    "GradientAccumulator",
    "count_targets",
    "cross_entropy",
    "vocab_parallel_cross_entropy",
}


def test_the_public_names_are_these():
    assert set(xent.torch.__all__) == PUBLIC
    assert set(dir(xent.torch)) >= PUBLIC
    assert all(getattr(xent.torch, name) is not None for name in PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_is_in_the_changelog_and_the_documentation(name):
    changes = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "changelog.d").glob("*.md"))
    changes += (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    pages = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert f"`xent.torch.{name}" in changes
    assert re.search(rf"\bxent\.torch\.{name}\b", pages)


def test_the_module_is_pytorchs_own_kind():
    loss = xent.torch.CrossEntropyLoss(torch.ones(3), ignore_index=1, softcap=2.0, returns=("lse",))
    assert isinstance(loss, torch.nn.CrossEntropyLoss)
    assert list(loss.state_dict()) == ["weight"]
    assert repr(loss) == "CrossEntropyLoss(ignore_index=1, reduction='mean', softcap=2.0, returns=('lse',))"
    answer = loss(torch.zeros(2, 3), torch.tensor([0, 1]), denominator=4, sample_weight=torch.tensor([2.0, 1.0]))
    assert answer._fields == ("loss", "lse")
    torch.testing.assert_close(answer.loss, 2 * torch.tensor(3.0).log() / 4)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"module 'xent\.torch' has no attribute 'cross_entrpy'"):
        xent.torch.cross_entrpy  # noqa: B018 -- the attribute access is the test


def test_without_pytorch_one_line_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None\nimport xent.torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith('this needs the package torch, which is not installed: pip install "xent[torch]"')


def test_importing_xent_brings_no_pytorch():
    code = "import sys, xent; dir(xent); assert 'torch' not in sys.modules; xent.torch.cross_entropy"
    subprocess.run([sys.executable, "-c", code], check=True)
