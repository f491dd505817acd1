"""A fitted model as the driver of i-PI, or of any other server that speaks its protocol."""

import json
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms, units
from ase.calculators.socketio import IPIProtocol, SocketClient, SocketClosed
from ase.parallel import world

from .connection import Address
from .error_bars import ERROR_BAR, check_error_bar, error_bar_of, read_limit

if TYPE_CHECKING:
    from ..regression import AtomisticRidgeCV

# What a server may send before positions, and after them.
_BEFORE = ("STATUS", "INIT", "POSDATA", "EXIT")
_AFTER = ("STATUS", "GETFORCE", "EXIT")


class _Protocol(IPIProtocol):
    """That of ASE, with checks of what the server sends, and error bars beside the forces."""

    def __init__(self, connection, atoms, limit):
        super().__init__(connection)
        self.n_evaluations = 0
        self._atoms, self._limit = atoms, limit
        self._expected = _BEFORE

    def recvmsg(self):
        try:
            message = super().recvmsg()
        except UnicodeDecodeError:
            message = "bytes that are no text"
        if message not in self._expected:
            raise ValueError(
                f"The server sent {message!r}, where the protocol of i-PI has one of "
                f"{', '.join(self._expected)}. Is it i-PI, and the address the right one?"
            )
        return message

    def recv(self, shape, dtype):
        try:
            return super().recv(shape, dtype)
        except SocketClosed as error:
            raise ConnectionError(
                "The server closed the connection in the middle of a message, after forces were "
                f"computed {self.n_evaluations} times. Its own output may say why."
            ) from error
        except AssertionError as error:  # ASE's check
            raise ValueError(
                "The server sent a cell or positions that are not finite, after forces were "
                f"computed {self.n_evaluations} times. Shorter time steps may help."
            ) from error

    def recvposdata(self):
        """As ASE does, but with the number of atoms checked before their positions are read."""
        cell, inverse = (self.recv((3, 3), np.float64).T.copy() for _ in range(2))
        n_atoms = int(self.recv(1, np.int32)[0])
        if n_atoms != len(self._atoms):
            raise ValueError(
                f"The server sends positions of {n_atoms} atoms, but the template "
                f"{self._atoms.get_chemical_formula()} has {len(self._atoms)}. Give the structure "
                "that the server was started with, its atoms in the same order."
            )
        positions = self.recv((n_atoms, 3), np.float64)
        self._expected = _AFTER
        return cell * units.Bohr, inverse / units.Bohr, positions * units.Bohr

    def sendforce(self, energy, forces, virial):
        if self._limit is not None:
            check_error_bar(self._atoms, self.n_evaluations, self._limit)
        extras = json.dumps({ERROR_BAR: error_bar_of(self._atoms)}).encode()
        super().sendforce(energy, forces, virial, np.frombuffer(extras, np.byte))
        self.n_evaluations += 1
        self._expected = _BEFORE


class _Client(SocketClient):
    """That of ASE on a connection that is there, which ASE would not wait for."""

    def __init__(self, protocol):
        self.comm = world
        self.protocol = protocol
        self.log = protocol.log
        self.closed = False
        self.state = "READY"


def run_driver(
    model: "AtomisticRidgeCV",
    template: Atoms,
    *,
    unixsocket: str | None = None,
    host: str = "localhost",
    port: int | None = None,
    limit: float | None = None,
    wait: float = 60.0,
) -> int:
    """Give energies, forces and virials to i-PI until it ends.

    It is the client that i-PI calls a driver: i-PI moves the atoms and asks for forces over a
    socket. Error bars go with them, as ``energy_std`` (eV) in what i-PI calls extras. Several
    drivers may serve one i-PI, each a process of its own. The protocol is that of ASE's
    `SocketClient`, so that other servers that speak it are served, too, such as ASE's
    `SocketIOCalculator`.

    Parameters
    ----------
    model : AtomisticRidgeCV
        Fitted, with features that have gradients.
    template : ase.Atoms
        What i-PI does not send: elements, periodicity and other arrays of the atoms, in the order
        of the atoms that i-PI was started with. Positions and cell come from i-PI. Constraints
        are left to it, too.
    unixsocket : str, default=None
        Name of a Unix socket, the ``address`` of i-PI in mode "unix".
    host : str, default="localhost"
        Machine of the server, if it is not a Unix socket.
    port : int, default=None
        Port of the server; None is ASE's default, 31415.
    limit : float, default=None
        Largest error bar allowed, in eV for the whole structure; None never stops. i-PI waits for
        another driver then, or ends with a restart file if its ``ffsocket`` says
        ``<exit_on_disconnect> True </exit_on_disconnect>``.
    wait : float, default=60.0
        Seconds to wait for the server to open its socket.

    Returns
    -------
    int
        How often forces were computed.

    Raises
    ------
    ConnectionError
        If there is no server in time, no such host, or if the server breaks off.
    ErrorBarExceeded
        At the first error bar beyond the limit; its ``step`` counts computations of forces from 0.
    PropertyNotImplementedError
        If the features have no gradients.
    ValueError
        If the server sends another number of atoms or what is no structure, and for addresses
        that no server can have: Unix sockets where there are none, or together with a port.

    See Also
    --------
    watch_error_bars : The limit in simulations of ASE.

    Examples
    --------
    A server of ASE in a thread, which asks for one force. i-PI takes its place, see
    :doc:`/simulations`:

    >>> from threading import Thread
    >>> from ase.calculators.socketio import SocketIOCalculator
    >>> from sklode import AtomisticRidgeCV, DensityProjector
    >>> from sklode.datasets import load_s22x5
    >>> from sklode.simulation import run_driver
    >>> dimers = load_s22x5()
    >>> model = AtomisticRidgeCV(DensityProjector(cutoff=4.0, n_max=2, l_max=1))
    >>> model = model.fit(dimers.data, dimers.target)
    >>> atoms = dimers.data[0].copy()
    >>> def serve():
    ...     with SocketIOCalculator(port=31427) as atoms.calc:
    ...         atoms.get_forces()
    >>> server = Thread(target=serve)
    >>> server.start()
    >>> run_driver(model, dimers.data[0], port=31427)
    1
    >>> server.join()
    """
    limit, address = read_limit(limit), Address(unixsocket, host, port)
    atoms = _with_calculator(model, template)
    with address.connect(wait) as connection:
        protocol = _Protocol(connection, atoms, limit)
        _Client(protocol).run(atoms, use_stress=bool(atoms.pbc.any()))
        return protocol.n_evaluations


def _with_calculator(model, template):
    """A copy without constraints, which would change the forces."""
    if not isinstance(template, Atoms):
        raise TypeError(f"template must be ase.Atoms; got {type(template).__name__}.")
    atoms = template.copy()
    atoms.set_constraint()
    atoms.calc = model.calculator()
    return atoms
