"""Loading unchanged definitions is cheap: a code location starts by it, again and again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
HEAVY = ["feast", "mlflow", "sklearn", "xgboost", "lightgbm", "pyiceberg", "duckdb", "pyarrow", "matplotlib"]

LOAD = """
import json, sys
from asgard_pipelines.definitions import defs
defs().resolve_asset_graph()
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""


def test_loading_unchanged_definitions_imports_no_vendor_but_dagster(tmp_path: Path) -> None:
    environment = os.environ | {
        "ASGARD_HOME": str(tmp_path),
        "ASGARD_REPO": str(CHECKOUT / "feature_repo"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    for _ in range(2):  # the first one compiles
        ended = subprocess.run(
            [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, ended.stderr
    loaded = json.loads(ended.stdout.splitlines()[-1])
    assert [name for name in HEAVY if name in loaded] == []
