"""Runs named checks, and tells every one that fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def run_checks(
    title: str,
    checks: Mapping[str, Callable[[Any], None]],
    subject: Any,
    expected_failures: Mapping[str, str] | None,
) -> None:
    """Raises AssertionError naming each failed check and why; those expected to fail must."""
    expected = dict(expected_failures or {})
    unknown = set(expected) - set(checks)
    if unknown:
        raise ValueError(f"expected_failures: no check {sorted(unknown)}, known {list(checks)}")
    faults = []
    for name, check in checks.items():
        try:
            check(subject)
        except Exception as error:
            if name not in expected:
                kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
                faults.append(f"{name}: {kind}{error}")
        else:
            if name in expected:
                faults.append(f"{name}: passed, though expected to fail ({expected[name]})")
    if faults:
        raise AssertionError(f"{title}:\n" + "\n".join(faults))
