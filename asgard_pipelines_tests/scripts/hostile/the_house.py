"""The house: its registry, its warehouse, its environment, its logs."""

from __future__ import annotations

from asgard_pipelines_tests.scripts.hostile.script import Hostile

THE_HOUSE = [
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
