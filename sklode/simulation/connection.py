"""The socket of a server of simulations: what may name one, and the time until it opens."""

import numbers
import os
import socket
from dataclasses import dataclass
from time import monotonic, sleep

import numpy as np
from ase.calculators.socketio import SocketServer, actualunixsocketname

_PAUSE = 0.1  # seconds between two attempts to connect
_LONGEST = 103  # bytes of the path of a Unix socket, on macOS; Linux has 107
_PORTS = 65535


@dataclass(frozen=True)
class Address:
    """Where a server listens.

    Parameters
    ----------
    unixsocket : str or None
        Name of a Unix socket, as i-PI has it.
    host : str
        Machine, if it is no Unix socket.
    port : int or None
        Of the machine; None is ASE's default.

    Raises
    ------
    ValueError
        For what no server can have.
    """

    unixsocket: str | None
    host: str
    port: int | None

    def __post_init__(self):
        if self.unixsocket is None:
            _check_port(self.port)
        elif self.port is not None:
            raise ValueError(
                f"unixsocket={self.unixsocket!r} and port={self.port!r} are two servers: give one."
            )
        else:
            _check_name(self.unixsocket)

    def __str__(self):
        if self.unixsocket is None:
            return f"port {self._port} of {self.host}"
        return f"the Unix socket {actualunixsocketname(self.unixsocket)}"

    @property
    def _port(self):
        return SocketServer.default_port if self.port is None else int(self.port)

    def connect(self, wait: float) -> socket.socket:
        """A connection, as soon as the server has opened its socket.

        Parameters
        ----------
        wait : float
            Seconds to wait for that.

        Returns
        -------
        socket.socket

        Raises
        ------
        ConnectionError
            If there is no server in time, or no such machine.
        ValueError
            For a time that is none.
        """
        if not isinstance(wait, numbers.Real) or not wait >= 0:
            raise ValueError(f"wait must be a number of seconds, 0 or more; got {wait!r}.")
        end = monotonic() + wait
        while True:
            try:
                return self._connect(max(end - monotonic(), _PAUSE))
            except (FileNotFoundError, ConnectionRefusedError, TimeoutError) as error:
                if monotonic() > end:
                    raise ConnectionError(
                        f"No server at {self} within {wait:g} seconds. Start i-PI first, with the "
                        "same address, or wait longer."
                    ) from error
            except (OSError, UnicodeError) as error:  # such as a host that is not known
                raise ConnectionError(f"No connection to {self}: {error}.") from error
            sleep(_PAUSE)

    def _connect(self, timeout):
        if self.unixsocket is None:
            connection = socket.create_connection((self.host, self._port), timeout)
            connection.settimeout(None)  # the server may take its time from here on
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # small messages
            return connection
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(actualunixsocketname(self.unixsocket))
        except OSError:
            connection.close()
            raise
        return connection


def _check_port(port):
    if port is None:
        return
    whole = isinstance(port, numbers.Integral) and not isinstance(port, bool | np.bool_)
    if not (whole and 0 < port <= _PORTS):
        raise ValueError(f"port must be an integer from 1 to {_PORTS}, or None; got {port!r}.")


def _check_name(name):
    if not hasattr(socket, "AF_UNIX"):
        raise ValueError("This system has no Unix sockets: give host and port, here and to i-PI.")
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(
            f"unixsocket must be a name without '/', the `address` that i-PI has; got {name!r}. "
            f"The file is {actualunixsocketname('NAME')}."
        )
    path = actualunixsocketname(name)
    size = len(os.fsencode(path))
    if size > _LONGEST:
        raise ValueError(
            f"unixsocket is too long: {path} has {size} bytes, at most {_LONGEST} are allowed. "
            "Give a shorter name, here and to i-PI."
        )
