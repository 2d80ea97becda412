"""Puts meshop's torch_scatter and torch_cluster where other packages look for them."""

import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

# The submodules that code in the wild imports from; meshop has all their names in one place.
_PARTS = {
    "torch_scatter": ("scatter", "segment_coo", "segment_csr", "composite", "utils"),
    "torch_cluster": (
        "fps", "graclus", "grid", "knn", "nearest", "radius", "rw", "sampler",
    ),
}  # fmt: skip

_replaced: dict[str, ModuleType | None] = {}  # what stood in sys.modules before


def install(*, force: bool = False) -> None:
    """Makes ``import torch_scatter`` and ``import torch_cluster`` find meshop's.

    Call it before the code that imports them. Where torch_geometric is installed it is imported,
    and finds them too: up to 2.7 by these names; later ones take torch_scatter alone by its name
    (for segments, argmax and, on a GPU, min, max and mul) and in place of torch_cluster pyg-lib's
    operators, of which they get those that are missing: knn, radius, fps, nearest, grid_cluster,
    graclus_cluster. Those of pyg-lib stay.

    Raises RuntimeError, and changes nothing, where one of the originals is installed, unless
    ``force``. Doing it twice does no harm; `uninstall` undoes it.
    """
    if _replaced:
        return
    if not force:
        for name in _PARTS:
            original = sys.modules.get(name) or find_spec(name)
            if original is not None:
                home = getattr(original, "origin", None) or getattr(original, "__file__", name)
                raise RuntimeError(
                    f"{name} is installed ({home}); meshop.compat.install(force=True) puts "
                    "meshop's in its place for this process"
                )
    for name, parts in _PARTS.items():
        module = import_module(f"{__package__}.{name}")
        loaded = [other for other in sys.modules if other.startswith(f"{name}.")]
        for other in {name, *loaded, *(f"{name}.{part}" for part in parts)}:
            _replaced[other] = sys.modules.pop(other, None)
        for other in (name, *(f"{name}.{part}" for part in parts)):
            sys.modules[other] = module
    if find_spec("torch_geometric") is not None:
        with warnings.catch_warnings():  # it says that it does not need torch_cluster
            warnings.filterwarnings("ignore", ".*torch-cluster.*", DeprecationWarning)
            import_module(f"{__package__}._pyg").connect()


def uninstall() -> None:
    """Undoes `install`: the names find again what they found before.

    Modules that imported meshop's by these names in the meantime keep it.
    """
    for name, module in _replaced.items():
        if module is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module
    _replaced.clear()
    pyg = sys.modules.get(f"{__package__}._pyg")
    if pyg is not None:
        pyg.disconnect()
