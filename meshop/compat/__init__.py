"""Drop-in torch_scatter and torch_cluster, on meshop's kernels.

    from meshop.compat import torch_cluster, torch_scatter

or, for code that imports them by their own names, and for torch_geometric,

    import meshop.compat

    meshop.compat.install()
"""

from ._install import install, uninstall

__all__ = ["install", "uninstall"]
