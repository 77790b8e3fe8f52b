"""spherical: a table of theta, phi and r, as the trajectory files of view-synthesis models have them.

A line per frame with three numbers. theta is the elevation above the horizon, -89 to 89 degrees (not the polar angle
of physics, which is 90 - theta); phi is the azimuth, degrees counter-clockwise from +x seen from above; r is the
distance in metres. They are measured from the target of rigs, (0, 0, 0.8), and the camera looks at it, upright: what
`elevation`, `azimuth` and `radius` are in words, theta, phi and r are here.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.formats.named import NamedCameras, named_cameras
from syncam.cameras.formats.source import number_rows
from syncam.cameras.trajectories import TARGET, look_at
from syncam.errors import InputError
from syncam.files import write_text

__all__ = ["read_spherical", "write_spherical"]

COLUMNS = "theta_deg phi_deg r_m"
STEEPEST_DEG = 89.0
TOLERANCE = 1e-6
"""How far a rotation may be from one that looks at the target, and be written without it."""


def read_spherical(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """One view from one file, which states neither size nor lens."""
    lines, rows = number_rows(path, COLUMNS)
    fine = torch.isfinite(rows).all(-1) & (rows[:, 0].abs() <= STEEPEST_DEG) & (rows[:, 2] > 0)
    for index in (~fine).nonzero()[:1, 0].tolist():
        raise InputError(
            f"{path}, line {lines[index]}: expected theta in -89..89 degrees, a finite phi and a positive r, "
            f"got {rows[index].tolist()}"
        )
    theta, phi = torch.deg2rad(rows[:, 0]), torch.deg2rad(rows[:, 1])
    across = theta.cos()
    direction = torch.stack([across * phi.cos(), across * phi.sin(), theta.sin()], -1)
    return named_cameras(
        path,
        [path.stem],
        _facing(direction * rows[:, 2:])[None],
        None,
        None,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda _, frame: f"line {lines[frame]}",
    )


def write_spherical(path: Path, named: NamedCameras) -> None:
    """Writes one view that looks at the target, upright; InputError for any other. Size and lens are not kept."""
    c2w = named.cameras.c2w[0].detach().cpu().double()
    offset = c2w[:, :3, 3] - torch.tensor(TARGET, dtype=torch.float64)
    r = offset.norm(dim=-1)
    theta = torch.rad2deg(torch.asin((offset[:, 2] / r).clamp(-1, 1)))
    for index in (~(theta.abs() <= STEEPEST_DEG)).nonzero()[:1, 0].tolist():
        raise InputError(
            f"spherical holds elevations of -89 to 89 degrees, but frame {index} of {path.stem} is {theta[index]:.3f}"
        )
    away = (_facing(offset) - c2w).abs().amax((-2, -1))
    for index in (away > TOLERANCE).nonzero()[:1, 0].tolist():
        raise InputError(
            f"spherical holds cameras that look at {TARGET}, upright, but frame {index} of {path.stem} looks "
            "elsewhere; choose a format with poses"
        )
    phi = torch.rad2deg(torch.atan2(offset[:, 1], offset[:, 0]))
    lines = [f"{' '.join(map(repr, row))}\n" for row in torch.stack([theta, phi, r], -1).tolist()]
    write_text(path, f"# {COLUMNS}\n{''.join(lines)}")


def _facing(offset: Float[Tensor, "F 3"]) -> Float[Tensor, "F 4 4"]:
    target = torch.tensor(TARGET, dtype=torch.float64)
    return look_at(target + offset, target)
