"""Pictures and reports: PNG files that need neither a display nor libGL."""

from ._errors import ErrorBar, cost_chart, error_chart
from ._field import field_picture
from ._mesh import mesh_picture, mesh_window
from ._paint import default_array
from ._pair import pair_picture
from ._report import scalar_scatter, training_curves
from ._volume import volume_picture

__all__ = [
    "ErrorBar",
    "cost_chart",
    "default_array",
    "error_chart",
    "field_picture",
    "mesh_picture",
    "mesh_window",
    "pair_picture",
    "scalar_scatter",
    "training_curves",
    "volume_picture",
]
