"""Using up the machine: processes, memory, disk, time."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.script import Hostile

USING_UP = [
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
    print("ESCAPED" if threads > 60 else "refused:", error, threads)  # 40 are allowed
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
