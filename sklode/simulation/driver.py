"""A fitted model as the driver of i-PI, or of any other server that speaks its protocol."""

import json
import socket
from time import monotonic, sleep
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.socketio import IPIProtocol, SocketClient, SocketServer, actualunixsocketname
from ase.parallel import world

from .error_bars import ERROR_BAR, check_error_bar, error_bar_of, read_limit

if TYPE_CHECKING:
    from ..regression import AtomisticRidgeCV

_PAUSE = 0.1  # seconds between two attempts to connect


class _Protocol(IPIProtocol):
    """That of ASE, with a check of the atoms and with error bars beside the forces."""

    def __init__(self, connection, atoms, limit):
        super().__init__(connection)
        self.n_evaluations = 0
        self._atoms, self._limit = atoms, limit

    def recvposdata(self):
        cell, inverse, positions = super().recvposdata()
        if len(positions) != len(self._atoms):
            raise ValueError(
                f"The server sends positions of {len(positions)} atoms, but the template "
                f"{self._atoms.get_chemical_formula()} has {len(self._atoms)}. Give the structure "
                "that the server was started with, its atoms in the same order."
            )
        return cell, inverse, positions

    def sendforce(self, energy, forces, virial):
        if self._limit is not None:
            check_error_bar(self._atoms, self.n_evaluations, self._limit)
        extras = json.dumps({ERROR_BAR: error_bar_of(self._atoms)}).encode()
        super().sendforce(energy, forces, virial, np.frombuffer(extras, np.byte))
        self.n_evaluations += 1


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
        If there is no server in time, or if it breaks off.
    ErrorBarExceeded
        At the first error bar beyond the limit; its ``step`` counts computations of forces from 0.
    PropertyNotImplementedError
        If the features have no gradients.
    ValueError
        If the server sends another number of atoms, and for a Unix socket where there are none.

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
    limit = read_limit(limit)
    atoms = _with_calculator(model, template)
    with _connected(unixsocket, host, port, wait) as connection:
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


def _connected(unixsocket, host, port, wait):
    """A connection, as soon as the server has opened its socket."""
    end = monotonic() + wait
    while True:
        try:
            return _connect(unixsocket, host, port)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if monotonic() > end:
                raise ConnectionError(_nobody_there(unixsocket, host, port, wait)) from error
        sleep(_PAUSE)


def _connect(unixsocket, host, port):
    if unixsocket is None:
        port = SocketServer.default_port if port is None else port
        connection = socket.create_connection((host, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # many small messages
        return connection
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("This system has no Unix sockets: give host and port, here and to i-PI.")
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(actualunixsocketname(unixsocket))
    except OSError:
        connection.close()
        raise
    return connection


def _nobody_there(unixsocket, host, port, wait):
    if unixsocket is None:
        address = f"port {SocketServer.default_port if port is None else port} of {host}"
    else:
        address = f"the Unix socket {actualunixsocketname(unixsocket)}"
    return (
        f"No server at {address} within {wait:g} seconds. Start i-PI first, with the same address, "
        "or wait longer."
    )
