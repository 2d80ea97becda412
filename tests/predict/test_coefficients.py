"""Lift and moment from wall pressure, against closed forms and against the solver."""

from pathlib import Path

import numpy as np
import pytest

from meshop.graph import wall_facets
from meshop.io import read
from meshop.mesh import Mesh
from meshop.predict import find_chord, integrate_pressure

from .fake import cylinder_flow, ring

DATA = Path(__file__).parents[3] / "shared/data/airfoil_rans"


def on_wall(mesh: Mesh, aoa_deg: float, circulation: float) -> dict[str, float]:
    """The coefficients with the exact pressure at each facet's centre, pushed out to the circle."""
    wall = wall_facets(mesh, external=True)
    centre = wall.centre - np.array([0.5, 0, 0])
    centre *= 0.5 / np.linalg.norm(centre, axis=1)[:, None]
    pressure = np.full(mesh.n_cells, np.nan)
    pressure[wall.owner] = cylinder_flow(centre + np.array([0.5, 0, 0]), aoa_deg, circulation)[1]
    return integrate_pressure(mesh, wall, pressure, aoa_deg)


@pytest.mark.parametrize("aoa_deg", [0.0, 7.0, -30.0])
@pytest.mark.parametrize("circulation", [0.0, -0.5, 0.8])
def test_cylinder_with_circulation(aoa_deg: float, circulation: float) -> None:
    # Kutta and Joukowski: lift = -rho U G, so Cl = -2 G / (U c); it acts in the centre, which lies
    # 0.25 chords behind the quarter chord: nose-down for positive lift.
    found = on_wall(ring(around=720), aoa_deg, circulation)
    lift = -2 * circulation
    assert found["Cl"] == pytest.approx(lift, abs=2e-4)
    assert found["Cm"] == pytest.approx(-0.25 * lift * np.cos(np.radians(aoa_deg)), abs=2e-4)


def test_converges_with_the_square_of_the_edge_length() -> None:
    errors = [abs(on_wall(ring(around=n), 5.0, -0.5)["Cl"] - 1.0) for n in (48, 96, 192)]
    rates = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(rates - 2) < 0.1)


def test_pressure_of_a_closed_body_at_rest_lifts_nothing() -> None:
    mesh = ring()
    found = integrate_pressure(mesh, wall_facets(mesh), np.full(mesh.n_cells, 3.0), 4.0)
    assert found == pytest.approx({"Cl": 0.0, "Cm": 0.0}, abs=1e-12)


def test_a_body_of_another_size_and_place_has_the_same_coefficients() -> None:
    mesh = ring()
    wall = wall_facets(mesh)
    pressure = cylinder_flow(mesh.cell_centers(), 3.0, -0.4)[1]
    first = integrate_pressure(mesh, wall, pressure, 3.0)
    mesh.points[:] = 2.5 * mesh.points + (7, -3, 0)
    second = integrate_pressure(mesh, wall_facets(mesh), pressure, 3.0)
    assert second == pytest.approx(first, rel=1e-9)
    assert find_chord(mesh, wall).length == pytest.approx(2.5)


def test_the_solvers_own_pressure_gives_the_solvers_lift() -> None:
    files = sorted(DATA.glob("*train_*.vtu"))[::50]
    if not files:
        pytest.skip(f"no solved cases in {DATA}")
    for file in files:
        mesh = read(file)
        stated = {name: float(mesh.field_data[name].item()) for name in ("Cl", "Cm", "aoa_deg")}
        pressure = mesh.cell_data["p"].astype(np.float64)
        found = integrate_pressure(mesh, wall_facets(mesh), pressure, stated["aoa_deg"])
        # The difference is friction's part and the chord, which some contours exceed by 0.2 %.
        assert found["Cl"] == pytest.approx(stated["Cl"], rel=0.005, abs=2e-3)
        assert found["Cm"] == pytest.approx(stated["Cm"], abs=1.5e-3)
