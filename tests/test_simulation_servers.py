"""What the driver says of addresses that are none, and of servers that misbehave."""

import socket
from contextlib import suppress
from threading import Thread

import numpy as np
import pytest
from ase import units
from ase.mep import NEB
from ase.optimize import FIRE
from toy import PairSums, cluster, crystal, with_results

from sklode import AtomisticRidgeCV
from sklode.simulation import run_driver, watch_error_bars

RNG = np.random.default_rng(0)
X = [with_results(maker(RNG, n)) for n in (3, 4, 5) for maker in (cluster, crystal)]
ATOMS = X[3]
N_ATOMS = len(ATOMS)


@pytest.fixture(scope="module")
def model():
    return AtomisticRidgeCV(PairSums((0.6, 1.1)), [1e-6, 1e-4]).fit(X)


def header(text):
    return text.ljust(12).encode()


def positions(n_atoms=N_ATOMS, scale=1.0):
    cell = ATOMS.cell[:] / units.Bohr
    parts = (cell.T, np.linalg.inv(cell).T, np.int32(n_atoms), scale * ATOMS.positions / units.Bohr)
    return header("POSDATA") + b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


def served(model, sent):
    """Drive a server that sends this, and nothing more."""
    with socket.create_server(("localhost", 0)) as server:

        def serve():
            connection = server.accept()[0]
            with connection, suppress(OSError):  # where the driver is gone, or leaves a part unread
                connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):  # until the driver ends
                    pass

        thread = Thread(target=serve)
        thread.start()
        try:
            return run_driver(model, ATOMS, port=server.getsockname()[1], wait=5.0)
        finally:
            thread.join(timeout=20)


def test_a_server_that_ends_after_forces(model):
    assert served(model, positions() + header("GETFORCE")) == 1
    assert served(model, positions() + header("GETFORCE") + header("EXIT")) == 1


@pytest.mark.parametrize(
    ("sent", "error", "message"),
    [
        (positions()[:-8], ConnectionError, r"closed the connection .* computed 0 times"),
        (positions(scale=np.nan), ValueError, "The server sent .* not finite"),
        (positions(n_atoms=-4), ValueError, "The server sends positions of -4 atoms"),
        (positions(n_atoms=2**30), ValueError, rf"of {2**30} atoms, .* has {N_ATOMS}"),
        (b"GET / HTTP/1.0\r\n\r\n", ValueError, "server sent 'GET / HTTP/1', where .* i-PI has"),
        (b"\xff" * 12, ValueError, "server sent 'bytes that are no text'"),
        (header("GETFORCE"), ValueError, "'GETFORCE', where .* STATUS, INIT, POSDATA, EXIT"),
        (positions() * 2, ValueError, "'POSDATA', where .* STATUS, GETFORCE, EXIT"),
    ],
    ids=["cut", "nan", "negative", "many", "http", "bytes", "no positions", "positions twice"],
)
def test_what_the_server_does_wrong_is_said_of_the_server(model, sent, error, message):
    with pytest.raises(error, match=message):
        served(model, sent)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"unixsocket": "a", "port": 3}, r"unixsocket='a' and port=3 are two servers: give one"),
        ({"unixsocket": "/tmp/a"}, r"a name without '/', .* got '/tmp/a'. The file is /tmp/ipi_N"),
        ({"unixsocket": ""}, "a name without '/'"),
        ({"unixsocket": "a" * 200}, "209 bytes, at most 103"),
        ({"port": 99999999}, "port must be an integer from 1 to 65535, or None; got 99999999"),
        ({"port": 0}, "port must be"),
        ({"port": "1"}, "port must be .*; got '1'"),
        ({"unixsocket": "a", "wait": float("nan")}, "wait must be a number of seconds"),
    ],
    ids=str,
)
def test_addresses_that_no_server_has(model, given, message):
    with pytest.raises(ValueError, match=message):
        run_driver(model, ATOMS, **given)


def test_a_host_that_is_not_known(model):
    with pytest.raises(ConnectionError, match=r"No connection to port 9 of no\.such\.invalid: .+"):
        run_driver(model, ATOMS, host="no.such.invalid", port=9, wait=60.0)


def test_paths_have_no_error_bar_to_watch(model):
    images = [ATOMS.copy() for _ in range(3)]
    for atoms in images:
        atoms.calc = model.calculator()
    with pytest.raises(TypeError, match=r"must move one structure; got FIRE of .*NEB\. Of a path"):
        watch_error_bars(FIRE(NEB(images, method="improvedtangent"), logfile=None), limit=10)
