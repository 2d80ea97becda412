"""The checks that meshop holds its own parts to, for those who add to it.

`check_op` runs every check on a kernel (`OpSpec`), `check_model` on an operator. Both report all
that fail; an exception to the contract is data (``expected_failures={check: reason}``), and is
strict: a check expected to fail must fail.
"""

from ._models import MODEL_CHECKS, WIDTHS, check_model, sample_graph
from ._ops import OP_CHECKS, TOLERANCES, OpSpec, check_layout, check_op, check_reference

__all__ = [
    "MODEL_CHECKS",
    "OP_CHECKS",
    "TOLERANCES",
    "WIDTHS",
    "OpSpec",
    "check_layout",
    "check_model",
    "check_op",
    "check_reference",
    "sample_graph",
]
