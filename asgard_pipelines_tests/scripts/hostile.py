"""Hostile scripts. Each tries its ways, says ESCAPED of any that works, and at the end that it is DONE."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from asgard_pipelines.scripts.supervision import Ended

_PRELUDE = """
import ctypes, errno, glob, os, signal, socket, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, way):
    "Runs one way; what it gives, unless it is nothing, has escaped."
    try:
        found = way()
    except (OSError, ValueError, MemoryError, subprocess.SubprocessError) as error:
        print(name, "refused:", type(error).__name__, getattr(error, "errno", ""), flush=True)
        return None
    if found not in (None, False, [], b"", ""):
        print("ESCAPED", name, repr(found)[:300], flush=True)
    return found

def called(number, *arguments):
    "A system call by its number; raises OSError."
    ctypes.set_errno(0)
    found = libc.syscall(ctypes.c_long(number), *arguments)
    if found == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found if found else True

def written(path, text):
    return os.write(os.open(path, os.O_WRONLY), text.encode())

def connected(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as one:
        one.settimeout(1)
        one.connect(address)
        if kind == socket.SOCK_DGRAM:
            one.send(b"hello")
        return "connected"

ARM = os.uname().machine == "aarch64"
"""
_DONE = '\nprint("DONE", flush=True)\n'


@dataclass(frozen=True)
class Hostile:
    """`ends`: what its end is told as, when it is not to come to its own; `says`: what it says then."""

    name: str
    body: str
    ends: str | None = None
    says: str = "DONE"
    limits: dict[str, Any] = field(default_factory=dict)

    @property
    def script(self) -> str:
        return _PRELUDE + self.body + _DONE

    def met(self, ended: Ended, text: str) -> bool:
        if self.ends is not None:
            told = ended.reason or f"exit code {ended.code}"
            return re.search(self.ends, told) is not None
        return ended.reason is None and re.search(self.says, text) is not None


_NETWORK = [
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
_USING_UP = [
    Hostile(
        "fork-bomb",
        """
born = 0
while True:
    try:
        if os.fork() == 0:
            while True:
                try:
                    os.fork()
                except OSError:
                    time.sleep(0.05)
        born += 1
    except OSError:
        time.sleep(0.05)
""",
        ends="longer than|memory",
        limits={"seconds": 2},
    ),
    Hostile(
        "fork-bomb-of-sessions",
        """
while True:
    try:
        subprocess.Popen([sys.executable, "-S", "-c", "import os\\nos.setsid()\\nwhile True:\\n try: os.fork()\\n except OSError: pass"],
                         start_new_session=True)
    except OSError:
        time.sleep(0.1)
""",
        ends="longer than|memory",
        limits={"seconds": 2},
    ),
    Hostile(
        "thread-bomb",
        """
import threading
threads = 0
try:
    while threads < 5000:
        threading.Thread(target=time.sleep, args=[60], daemon=True).start()
        threads += 1
    print("ESCAPED", threads)
except RuntimeError as error:
    print("refused:", error, threads)
os.write(1, b"DONE\\n"); os._exit(0)
""",
    ),
    Hostile(
        "memory-of-one",
        """
held = []
try:
    while True:
        held.append(bytearray(b"x" * 20_000_000))
except MemoryError:
    print("refused")
    del held
""",
        ends="memory|exit code",
    ),
    Hostile(
        "memory-at-once",
        'attempt("bytes", lambda: len(bytearray(200_000_000_000)))\nattempt("mmap", lambda: len(__import__("mmap").mmap(-1, 100_000_000_000)))',
    ),
    Hostile(
        "memory-of-many",
        """
for _ in range(12):
    if os.fork() == 0:
        held = bytearray(b"x" * 60_000_000)
        time.sleep(60)
time.sleep(60)
""",
        ends="memory",
    ),
    Hostile(
        "memory-shared",
        """
import mmap
one = mmap.mmap(-1, 900_000_000)
for place in range(0, len(one), 4096):
    one[place] = 1
time.sleep(60)
""",
        ends="memory",
    ),
    Hostile(
        "memory-that-nobody-counts",
        """
attempt("memfd", lambda: called(279 if ARM else 319, b"one", 0))
attempt("memfd_secret", lambda: called(447, 0))
attempt("shmget", lambda: called(194 if ARM else 29, 0, 1 << 30, 0o1600))
attempt("msgget", lambda: called(186 if ARM else 68, 0, 0o1600))
attempt("mqueue", lambda: ctypes.CDLL("librt.so.1").mq_open(b"/one", 66, 0o600, None) >= 0)
""",
    ),
    Hostile(
        "disk",
        """
size = 0
for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/", "/dev", "/tmp/feast_repo"):
    def fill():
        global size
        for number in range(1000):
            with open(f"{folder}/{number}", "wb") as file:
                for _ in range(64):
                    file.write(b"x" * 1_000_000); file.flush(); size += 1_000_000
    attempt(folder, fill)
print("ESCAPED" if size > 60_000_000 else "kept within", size)
""",
    ),
    Hostile(
        "disk-one-file",
        'attempt("file", lambda: os.posix_fallocate(os.open("/tmp/one", os.O_CREAT | os.O_RDWR), 0, 10**12) or "made")',
    ),
    Hostile(
        "disk-names",
        """
for number in range(2_000_000):
    os.symlink("nowhere", f"/tmp/{number}") if number % 2 else os.close(os.open(f"/tmp/{number}", os.O_CREAT))
""",
        ends="files|exit code",
    ),
    Hostile(
        "disk-of-the-output",
        'while True:\n    os.write(1, b"y" * 65536)',
        ends="longer than|exit code",
        limits={"seconds": 1.5},
    ),
    Hostile("time", "while True:\n    time.sleep(1)", ends="longer than 1 s", limits={"seconds": 1}),
    Hostile(
        "time-deaf",
        """
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        time.sleep(1)
    except BaseException:
        pass
""",
        ends="longer than 1 s",
        limits={"seconds": 1},
    ),
    Hostile(
        "processor", "while True:\n    pass", ends="exit code 1[35]", limits={"cpu_seconds": 1, "seconds": 6}
    ),
    Hostile(
        "files-open",
        """
held = []
try:
    while len(held) < 100_000:
        held.append(os.open("/dev/null", os.O_RDONLY))
    print("ESCAPED", len(held))
except OSError as error:
    print("refused", error, len(held))
""",
    ),
    Hostile(
        "limits-raised",
        """
import resource
for what in (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
    attempt(what, lambda: resource.setrlimit(what, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)) or "raised")
attempt("nice", lambda: os.nice(-15) or "raised")
attempt("oom", lambda: written("/proc/self/oom_score_adj", "-1000"))
""",
    ),
]
_READING = [
    Hostile(
        "files-of-the-host",
        """
for path in ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/root/.bashrc", "/root/.ssh", "/home", "/var/log", "$SECRET$",
             "/etc/ssl/private", "/boot", "/sys", "/run/secrets", "/mnt", "/srv", "/opt", "/var/lib", "/proc/1/root/etc/shadow"):
    attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(10))
""",
    ),
    Hostile(
        "files-of-the-project",
        """
import sysconfig
found = []
for top in ("/work", "/root", "/home", "/tmp"):
    for folder, folders, files in os.walk(top):
        if folder.startswith((sys.prefix, sys.base_prefix)) or "asgard_pipelines" in folder:
            folders.clear(); continue
        found += [os.path.join(folder, one) for one in files]
mine = {"/tmp/feast_repo/registry.db", "$WAREHOUSE$/rows.parquet"}
attempt("walk", lambda: [one for one in found if one not in mine])
""",
    ),
    Hostile(
        "symbolic-links",
        """
for number, target in enumerate(("$SECRET$", "/etc/shadow", "/proc/1/root/etc/shadow", "/root/.bashrc", "../../../../../../..$SECRET$")):
    os.symlink(target, f"/tmp/{number}")
    attempt(target, lambda: open(f"/tmp/{number}", "rb").read())
os.symlink("/usr/lib", "/tmp/lib")
attempt("write", lambda: open("/tmp/lib/x", "w"))
attempt("hard link", lambda: os.link("/given/train.py", "/tmp/hard") or "linked")
""",
    ),
    Hostile(
        "ways-up",
        """
for start in ("/given", "/tmp", "$WAREHOUSE$", "/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/dev/shm"):
    attempt(start, lambda: open(f"{start}/../../../../../../../..$SECRET$").read())
    attempt(start, lambda: os.listdir(f"{start}/../../../../../../../../old_root"))
""",
    ),
    Hostile(
        "open-files-inherited",
        """
attempt("descriptors", lambda: [(one, os.readlink(f"/proc/self/fd/{one}")) for one in os.listdir("/proc/self/fd")
                                if int(one) > 2 and os.path.exists(f"/proc/self/fd/{one}") and not os.readlink(f"/proc/self/fd/{one}").startswith("/proc")])
for process in filter(str.isdigit, os.listdir("/proc")):
    for one in glob.glob(f"/proc/{process}/fd/*"):
        attempt(one, lambda: os.path.isdir(one) and os.listdir(one + "/.."))
for number in range(3, 200):
    attempt(number, lambda: os.fstat(number) and not os.readlink(f"/proc/self/fd/{number}").startswith(("/dev/null", "pipe")) and number)
""",
    ),
    Hostile(
        "secrets-in-variables",
        """
attempt("own", lambda: [name for name in os.environ if "TOKEN" in name or "SECRET" in name or "CANARY" in name])
for path in glob.glob("/proc/[0-9]*/environ"):
    attempt(path, lambda: b"CANARY" in open(path, "rb").read())
for path in glob.glob("/proc/[0-9]*/cmdline"):
    attempt(path, lambda: b"pytest" in open(path, "rb").read())
""",
    ),
    Hostile(
        "secrets-in-keyrings",
        """
for ring in (-1, -2, -3, -4, -5):
    attempt(ring, lambda: called(219 if ARM else 250, 0, ring, 0))
    attempt(ring, lambda: called(219 if ARM else 250, 11, ring, 0, 0))
attempt("add", lambda: called(217 if ARM else 248, b"user", b"one", b"x", 1, -3))
attempt("keys", lambda: [line for line in open("/proc/keys") if "_ses" in line or "user" in line.split()[7:8]])
""",
    ),
    Hostile(
        "processes-of-the-host",
        """
attempt("seen", lambda: [one for one in os.listdir("/proc") if one.isdigit() and int(one) > 30])
for path in ("/proc/$VICTIM$/status", "/proc/$ME$/status", "/proc/$ME$/mem", "/proc/kcore", "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda"):
    attempt(path, lambda: open(path, "rb").read(1))
""",
    ),
]
_OUTLIVING = [
    Hostile(
        "daemon",
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for one in range(3):
            os.close(one)
        time.sleep(600)
    os._exit(0)
""",
    ),
    Hostile(
        "daemons-deaf",
        """
for _ in range(10):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        libc.prctl(1, 0)
        libc.prctl(36, 1)
        time.sleep(600)
""",
    ),
    Hostile(
        "orphans-that-hold-the-output",
        'for _ in range(5):\n    subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)',
    ),
    Hostile(
        "orphans-that-breed",
        """
code = "import os, sys, time\\nwhile True:\\n    time.sleep(0.01)\\n    if os.fork(): os._exit(0)\\n    os.setsid()"
for _ in range(5):
    subprocess.Popen([sys.executable, "-S", "-c", code], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
time.sleep(0.5)
""",
    ),
    Hostile(
        "everything-stopped",
        "os.kill(-1, signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGSTOP)",
        ends="longer than",
        limits={"seconds": 1},
    ),
    Hostile("ends-badly", "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)", ends="exit code"),
]
_OTHERS = [
    Hostile(
        "signals",
        """
attempt("victim", lambda: os.kill($VICTIM$, 9) or "sent")
attempt("parent", lambda: os.kill($ME$, 9) or "sent")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for pid in range(40, 400):
    try:
        os.kill(pid, 9)
        print("ESCAPED", pid)
    except OSError:
        pass
""",
    ),
    Hostile(
        "tracing",
        """
number = 117 if ARM else 101
for pid in (1, os.getppid(), $ME$, $VICTIM$):
    attempt(("attach", pid), lambda: called(number, 16, pid, 0, 0))
    attempt(("seize", pid), lambda: called(number, 0x4206, pid, 0, 0))
    attempt(("memory", pid), lambda: open(f"/proc/{pid}/mem", "r+b") and pid == $ME$)
attempt("traceme", lambda: called(number, 0, 0, 0, 0))
attempt("vm_readv", lambda: called(270 if ARM else 310, 1, 0, 0, 0, 0, 0))
attempt("pidfd_getfd", lambda: called(438, os.pidfd_open(1), 0, 0))
attempt("kcmp", lambda: called(272 if ARM else 312, 1, os.getpid(), 0, 0, 0))
""",
    ),
    Hostile(
        "mounting",
        """
os.mkdir("/tmp/m")
for kind, source in ((b"tmpfs", b"none"), (b"proc", b"proc"), (b"ext4", b"/dev/vda"), (b"overlay", b"none"), (b"sysfs", b"none")):
    attempt(kind, lambda: libc.mount(source, b"/tmp/m", kind, 0, b"") == 0)
attempt("bind", lambda: libc.mount(b"/", b"/tmp/m", None, 4096, None) == 0)
attempt("writable", lambda: libc.mount(None, b"$WAREHOUSE$", None, 32 | 4096, None) == 0)
attempt("writable root", lambda: libc.mount(None, b"/", None, 32, None) == 0)
attempt("umount", lambda: libc.umount2(b"/tmp", 2) == 0)
attempt("pivot", lambda: called(41 if ARM else 155, b"/tmp", b"/tmp/m"))
attempt("chroot", lambda: os.chroot("/tmp") or "done")
for new in (428, 429, 430, 432, 442):
    attempt(new, lambda: called(new, -100, b"/", 1, 0, 0))
""",
    ),
    Hostile(
        "namespaces",
        """
for flag in (0x10000000, 0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000, 0x80):
    attempt(hex(flag), lambda: called(97 if ARM else 272, ctypes.c_long(flag)))
    attempt(("with a user's", hex(flag)), lambda: called(97 if ARM else 272, ctypes.c_long(flag | 0x10000000)))
stack = ctypes.create_string_buffer(1 << 16)
child = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(lambda _: 0)
attempt("clone", lambda: libc.clone(child, ctypes.byref(stack, 1 << 15), 0x10000000 | 17, None) > 0)
for name in os.listdir("/proc/1/ns"):
    attempt(("setns", name), lambda: called(268 if ARM else 308, os.open(f"/proc/1/ns/{name}", os.O_RDONLY), 0))
""",
    ),
    Hostile(
        "becoming-somebody",
        """
attempt("setuid", lambda: os.setuid(0) or "root")
attempt("setgid", lambda: os.setgid(0) or "root")
attempt("groups", lambda: os.setgroups([0]) or "root")
attempt("other", lambda: os.setresuid(1000, 1000, 1000) or "other")
attempt("ids", lambda: 0 in (os.getuid(), os.geteuid(), os.getgid()))
attempt("capabilities", lambda: [line for line in open("/proc/self/status") if line.startswith("Cap") and int(line.split()[1], 16)])
attempt("map", lambda: written("/proc/self/uid_map", "0 0 1"))
attempt("setuid programs", lambda: [one for one in ("/usr/lib", sys.prefix, "/tmp", "/dev/shm", "/given") if not os.statvfs(one).f_flag & os.ST_NOSUID])
attempt("privileges", lambda: libc.prctl(39, 0, 0, 0, 0) != 1)
""",
    ),
    Hostile(
        "the-kernel",
        """
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/sys/vm/overcommit_memory",
             "/proc/sys/net/ipv4/ip_forward", "/proc/sys/user/max_user_namespaces", "/sys/fs/cgroup/cgroup.procs", "/proc/self/setgroups"):
    attempt(path, lambda: written(path, "1"))
attempt("device", lambda: os.mknod("/tmp/d", 0o60666, os.makedev(254, 0)) or "made")
attempt("bpf", lambda: called(280 if ARM else 321, 0, 0, 0))
attempt("perf", lambda: called(241 if ARM else 298, 0, 0, -1, -1, 0))
attempt("io_uring", lambda: called(425, 4, ctypes.create_string_buffer(256)))
attempt("userfaultfd", lambda: called(282 if ARM else 323, 1))
attempt("module", lambda: called(105 if ARM else 175, b"", 0, b""))
attempt("kexec", lambda: called(104 if ARM else 246, 0, 0, 0, 0))
attempt("reboot", lambda: called(142 if ARM else 169, 0xFEE1DEAD, 672274793, 0, 0))
attempt("syslog", lambda: called(116 if ARM else 103, 3, ctypes.create_string_buffer(64), 64))
attempt("hostname", lambda: socket.sethostname("mine") or "set")
attempt("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, 0) or "set")
attempt("handle", lambda: called(265 if ARM else 304, -100, ctypes.create_string_buffer(64), 0))
""",
    ),
    Hostile(
        "calls-of-32-bits",
        """
import mmap
if not ARM:
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(bytes.fromhex("b8 14 00 00 00 cd 80 48 98 c3"))  # getpid by int 0x80
    run = ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    attempt("int 0x80", lambda: run() > 0)
    attempt("x32", lambda: called(0x40000000 + 39))
""",
    ),
    Hostile(
        "terminal",
        """
attempt("tty", lambda: os.open("/dev/tty", os.O_RDWR) and "opened")
for one in (0, 1, 2):
    attempt(("tiocsti", one), lambda: __import__("fcntl").ioctl(one, 0x5412, b"x") or "typed")
attempt("console", lambda: open("/dev/console", "w"))
""",
    ),
]
_THE_HOUSE = [
    Hostile(
        "registry",
        """
with open("/tmp/feast_repo/registry.db", "ab") as mine:
    mine.write(b"mine")
for path in ("/given/files/feast_repo/registry.db", "/given/train.py", "/given/inside.py", "/given/new"):
    attempt(path, lambda: open(path, "ab"))
    attempt(path, lambda: os.remove(path) or "removed")
attempt("chmod", lambda: os.chmod("/given/files/feast_repo/registry.db", 0o777) or "done")
attempt("rename", lambda: os.rename("/given", "/gone") or "done")
""",
    ),
    Hostile(
        "warehouse",
        """
print(open("$WAREHOUSE$/rows.parquet").read())
for mode in ("ab", "r+b", "wb"):
    attempt(mode, lambda: open("$WAREHOUSE$/rows.parquet", mode))
attempt("new", lambda: open("$WAREHOUSE$/new", "w"))
attempt("remove", lambda: os.remove("$WAREHOUSE$/rows.parquet") or "removed")
attempt("rename", lambda: os.rename("$WAREHOUSE$/rows.parquet", "/tmp/rows") or "moved")
attempt("truncate", lambda: os.truncate("$WAREHOUSE$/rows.parquet", 0) or "cut")
attempt("folder", lambda: os.rmdir("$WAREHOUSE$") or "removed")
attempt("descriptor", lambda: open("/proc/self/fd/%d" % os.open("$WAREHOUSE$/rows.parquet", os.O_RDONLY), "r+b"))
attempt("beside", lambda: os.listdir(os.path.dirname("$WAREHOUSE$")) != ["warehouse"])
""",
    ),
    Hostile(
        "environment-of-the-house",
        """
import site
for folder in {sys.prefix, sys.base_prefix, *site.getsitepackages(), os.path.dirname(os.__file__), "/usr/lib"}:
    attempt(folder, lambda: open(os.path.join(folder, "sitecustomize.py"), "w"))
import asgard_pipelines
attempt("asgard", lambda: open(os.path.join(os.path.dirname(asgard_pipelines.__file__), "settings.py"), "a"))
attempt("python", lambda: open(os.path.realpath(sys.executable), "r+b"))
""",
    ),
    Hostile(
        "output-that-deceives",
        'os.write(1, b"\\xff\\xfe\\x00\\x1b[2J\\x1b]0;title\\x07" + "‮".encode() + b"\\r\\n" * 10)',
    ),
]

HOSTILE = [*_NETWORK, *_USING_UP, *_READING, *_OUTLIVING, *_OTHERS, *_THE_HOUSE]
