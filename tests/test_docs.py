"""The code of the documentation runs as it stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parent.parent / "docs"


def test_the_model_that_is_shown_passes_every_check(monkeypatch):
    text = (DOCS / "adding-a-model.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    module = ModuleType("mean_field")
    monkeypatch.setitem(sys.modules, "mean_field", module)  # torch.compile looks it up
    for block in code:
        exec(compile(block, "adding-a-model.md", "exec"), vars(module))
    assert len(code) == 2 and module.MeanField.paper
