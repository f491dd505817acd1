"""Runs of i-PI in a process of its own, with input in atomic units, which it does not convert."""

import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import units
from ase.calculators.socketio import actualunixsocketname

COMMAND = shutil.which("i-pi", path=Path(sys.executable).parent) or shutil.which("i-pi")
TIME = units._hbar / units._e / units.Ha * units.s  # the atomic unit of time, in that of ASE
MASS = units._me / units._amu  # and that of mass, the electron's
INPUT = """<simulation verbosity="low" floatformat="%24.15e">
  <output prefix="run">
    <properties filename="out" stride="1"> [{properties}] </properties>
    <trajectory filename="error" stride="1" extra_type="energy_std"> extras </trajectory>
  </output>
  <total_steps> {n_steps} </total_steps>
  <prng> <seed> 1 </seed> </prng>
  <ffsocket name="sklode" mode="unix" pbc="False">
    <address> {address} </address>
    <latency> 1e-4 </latency>
    <exit_on_disconnect> True </exit_on_disconnect>
  </ffsocket>
  <system>
    <initialize nbeads="{n_beads}">
      <positions mode="manual"> [{positions}] </positions>
      <labels mode="manual"> [{labels}] </labels>
      <masses mode="manual"> [{masses}] </masses>
      <velocities mode="manual"> [{velocities}] </velocities>
      <cell mode="manual"> [{cell}] </cell>
    </initialize>
    <forces> <force forcefield="sklode"/> </forces>
    <ensemble> {ensemble} </ensemble>
    <motion mode="dynamics"> {motion} </motion>
  </system>
</simulation>
"""


def free_name():
    """A name of a socket that nobody else uses."""
    return f"sklode_{uuid.uuid4().hex[:12]}"


def write_input(path, atoms, n_steps, ensemble, motion, n_beads=1):
    """Write the input of a run that begins with these atoms; returns the name of its socket."""
    name = free_name()

    def text(numbers):
        return ", ".join(f"{number:.17g}" for number in np.ravel(numbers))

    positions = [f"atom_x(atom={index})" for index in range(len(atoms))]
    filled = INPUT.format(
        properties=", ".join(
            ["potential", "kinetic_md", "conserved", "cell_h", "virial_md", *positions]
        ),
        n_steps=n_steps,
        address=name,
        labels=", ".join(atoms.symbols),
        masses=text(atoms.get_masses() / MASS),
        positions=text([atoms.positions / units.Bohr] * n_beads),
        velocities=text([atoms.get_velocities() * TIME / units.Bohr] * n_beads),
        cell=text(atoms.cell[:].T / units.Bohr),  # lattice vectors are columns
        ensemble=ensemble,
        motion=motion,
        n_beads=n_beads,
    )
    path.write_text(filled)
    return name


@contextmanager
def running(folder, name):
    """i-PI in a folder with an input file, on this socket; its end is waited for."""
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([COMMAND, "input.xml"], cwd=folder, stdout=log, stderr=log)
        try:
            yield server
        finally:
            try:
                server.wait(timeout=20)
            finally:
                server.kill()
                server.wait()
                Path(actualunixsocketname(name)).unlink(missing_ok=True)


@dataclass
class Printed:
    """What i-PI has printed, one row a step, in eV and angstrom."""

    energies: np.ndarray
    kinetic: np.ndarray
    conserved: np.ndarray
    error_bars: np.ndarray  # of the extras
    cells: np.ndarray  # one lattice vector a row
    stresses: np.ndarray  # in Voigt's order, without the kinetic part
    positions: np.ndarray


def read_error_bars(folder, bead=0):
    """The extras of one bead, one number a step."""
    lines = (folder / f"run.error_{bead}").read_text().splitlines()
    return np.array([float(line) for line in lines if "#" not in line])


def read_output(folder):
    """Read the files of ``INPUT`` for a single bead."""
    columns = np.loadtxt(folder / "run.out", ndmin=2)
    cells = np.zeros((len(columns), 3, 3))
    row, column = [0, 1, 2, 1, 2, 2], [0, 1, 2, 0, 0, 1]  # xx, yy, zz, xy, xz, yz
    cells[:, row, column] = columns[:, 3:9] * units.Bohr
    virials = columns[:, [9, 10, 11, 14, 13, 12]]
    return Printed(
        energies=columns[:, 0] * units.Ha,
        kinetic=columns[:, 1] * units.Ha,
        conserved=columns[:, 2] * units.Ha,
        error_bars=read_error_bars(folder),
        cells=cells,
        stresses=-virials * units.Ha / units.Bohr**3,
        positions=columns[:, 15:].reshape(len(columns), -1, 3) * units.Bohr,
    )
