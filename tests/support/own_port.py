"""Ports for the programs that scripts start."""

import os, socket

TAKEN = []


def own_port():
    """A port that is this process's alone until it ends: none that the kernel gives to whoever asks for any, and named so
    that neither another scenario nor a test takes it."""
    ports = range(16384, 32768)
    begin = os.getpid() % len(ports)
    for port in [*ports[begin:], *ports[:begin]]:
        name, probe = socket.socket(socket.AF_UNIX), socket.socket()
        try:
            name.bind(f"\0healthcheck-dashboard-test-port-{port}")
            with probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        TAKEN.append(name)
        return port
    raise SystemExit("no port is free")
