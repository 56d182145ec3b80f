"""Ways out: to this machine, to others, to the hypervisor."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.script import Hostile

NETWORK = [
    Hostile(
        "network-loopback-of-the-host",
        'attempt("tcp", lambda: connected(socket.AF_INET, ("127.0.0.1", $PORT$)))',
    ),
    Hostile("network-ipv6", 'attempt("tcp6", lambda: connected(socket.AF_INET6, ("::1", $PORT$)))'),
    Hostile(
        "network-internet",
        """
for place in (("1.1.1.1", 53), ("8.8.8.8", 443), ("169.254.169.254", 80), ("10.0.0.1", 22), ("172.17.0.1", 80)):
    attempt(place, lambda: connected(socket.AF_INET, place))
""",
    ),
    Hostile(
        "network-udp",
        'for place in ("8.8.8.8", "255.255.255.255", "224.0.0.1"):\n'
        "    attempt(place, lambda: connected(socket.AF_INET, (place, 53), socket.SOCK_DGRAM))",
    ),
    Hostile("network-names", 'attempt("dns", lambda: socket.getaddrinfo("example.com", 80))'),
    Hostile(
        "network-of-other-kinds",
        """
for family in (3, 4, 9, 15, 17, 29, 31, 38, 40, 42, 44):  # ax25, ipx, x25, key, packet, can, bt, alg, vsock, qipcrtr, xdp
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        attempt((family, kind), lambda: socket.socket(family, kind))
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("vsock", lambda: connected(40, (2, 22)))
""",
    ),
    Hostile(
        "network-abstract-socket", 'attempt("abstract", lambda: connected(socket.AF_UNIX, "\\0$ABSTRACT$"))'
    ),
    Hostile(
        "network-sockets-of-the-host",
        """
for path in ("$SOCKET$", "/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket",
             "/run/systemd/private", "/run/containerd/containerd.sock"):
    attempt(path, lambda: connected(socket.AF_UNIX, path))
""",
    ),
    Hostile(
        "network-new-interface",
        """
attempt("ioctl", lambda: __import__("fcntl").ioctl(socket.socket(), 0x8914, b"eth0".ljust(32, b"\\0")))
attempt("interfaces", lambda: [name for _, name in socket.if_nameindex() if name != "lo"])
attempt("tun", lambda: open("/dev/net/tun", "rb"))
""",
    ),
]
