"""Reading what is not the script's: files, processes, secrets."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.script import Hostile

READING = [
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
