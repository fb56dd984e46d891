"""Ports for child processes."""

from __future__ import annotations

import socket
import subprocess
import sys

from local.children import free_ports

_OUTGOING_FROM = 32_768
"""The lowest port that Linux gives to an outgoing connection, unless told otherwise."""


def test_no_outgoing_connection_can_take_a_free_port_before_its_child_does() -> None:
    """Hundreds of connections are opened while a child starts: each may get any port from the lowest of theirs on."""
    assert all(1024 < port < _OUTGOING_FROM for port in free_ports(100))


def test_a_port_is_not_given_twice_in_a_row() -> None:
    """A child that was told one may not have come to listen there when the next is asked for."""
    given = [*free_ports(3), *free_ports(3), *free_ports(3)]
    assert len(given) == len(set(given))


def test_two_processes_do_not_choose_the_same_ports() -> None:
    """Each of the suite's workers starts children of its own at the same time."""
    program = "from local.children import free_ports; import os; print(os.getpid(), *free_ports(20))"
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    chosen = [set(process.communicate()[0].split()) for process in running]
    assert not set.intersection(*chosen)


def test_a_port_at_which_something_listens_is_passed_over() -> None:
    """The next one is given."""
    (port,) = free_ports(1)
    with socket.create_server(("127.0.0.1", port + 1)):
        assert [port + 1] != free_ports(1)
