"""Powers over others: signals, tracing, mounts, namespaces, the kernel."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.script import Hostile

POWERS = [
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
