"""Outliving the job."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.script import Hostile

OUTLIVING = [
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
