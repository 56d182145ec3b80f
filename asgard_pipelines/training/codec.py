"""skops with a list of our own: exactly the types that our estimators are made of, nothing else.

skops by itself trusts every scikit-learn estimator and every NumPy and SciPy function, and reads no
list but the one it is given. What is loaded here holds only the types and loaders named below.
Importing skops walks all of scikit-learn, so it is done where something is kept or read.
"""

from __future__ import annotations

import io
import json
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from asgard_pipelines.errors import Untrusted

TRUSTED = frozenset(
    {
        *(f"builtins.{name}" for name in ("bool", "dict", "float", "int", "list", "slice", "str", "tuple")),
        "numpy.dtype",
        "numpy.ndarray",
        *(f"numpy.{name}" for name in ("bool", "float32", "float64", "int32", "int64", "uint32", "uint64")),
        "numpy.random._generator.Generator",
        "numpy.random.mtrand.RandomState",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.dummy.DummyClassifier",
        "sklearn.dummy.DummyRegressor",
        "sklearn.ensemble._forest.RandomForestClassifier",
        "sklearn.ensemble._forest.RandomForestRegressor",
        "sklearn.ensemble._gb.GradientBoostingClassifier",
        "sklearn.ensemble._gb.GradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.impute._base.SimpleImputer",
        "sklearn.linear_model._logistic.LogisticRegression",
        "sklearn.linear_model._ridge.Ridge",
        "sklearn.pipeline.Pipeline",
        "sklearn.preprocessing._data.StandardScaler",
        "sklearn.preprocessing._encoders.OneHotEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
        *(
            f"sklearn._loss.link.{name}"
            for name in (
                "HalfLogitLink",
                "IdentityLink",
                "Interval",
                "LogLink",
                "LogitLink",
                "MultinomialLogit",
            )
        ),
        *(
            f"sklearn._loss.{module}{name}"
            for module in ("loss.", "_loss.Cy")
            for name in (
                "AbsoluteError",
                "ExponentialLoss",
                "HalfBinomialLoss",
                "HalfGammaLoss",
                "HalfMultinomialLoss",
                "HalfPoissonLoss",
                "HalfSquaredError",
                "HuberLoss",
                "PinballLoss",
            )
        ),
    }
)

_LOADERS = frozenset(
    f"{kind}Node"
    for kind in (
        "DType",
        "Dict",
        "Json",
        "List",
        "Loss",
        "NdArray",
        "Object",
        "RandomGenerator",
        "RandomState",
        "Slice",
        "Tree",
        "Tuple",
        "Type",
    )
)
_SCHEMA = "schema.json"
_BOMB_BYTES, _BOMB_RATIO = 64_000_000, 100
"""A file is no bomb while what it unpacks to is less than the one, or than the other times its own size."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def dump_skops(fitted: Any) -> bytes:
    """`fitted` as a skops file; equal objects give equal bytes.

    skops numbers parts by their addresses in memory: they are numbered again, as they are met.
    """
    import skops.io

    numbers: dict[str, int] = {}
    result = io.BytesIO()
    # Compressed from the start: a forest's arrays are many times the size of its file.
    raw = io.BytesIO(skops.io.dumps(fitted, compression=ZIP_DEFLATED, compresslevel=1))
    with ZipFile(raw) as source, ZipFile(result, "w") as target:
        schema = _renumbered(json.loads(source.read(_SCHEMA)), numbers)
        parts = {_part(name, numbers): name for name in source.namelist() if name != _SCHEMA}
        for name in sorted(parts, key=lambda name: int(name.partition(".")[0])):
            _store(target, name, source.read(parts[name]))
        _store(target, _SCHEMA, json.dumps(schema).encode())
    return result.getvalue()


def _renumbered(node: Any, numbers: dict[str, int]) -> Any:
    if isinstance(node, list):
        return [_renumbered(one, numbers) for one in node]
    if not isinstance(node, dict):
        return node
    renewed: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__" and isinstance(value, int):
            renewed[key] = numbers.setdefault(str(value), len(numbers) + 1)
        elif key == "file" and isinstance(value, str):
            renewed[key] = _part(value, numbers)
        else:
            renewed[key] = _renumbered(value, numbers)
    return renewed


def _part(name: str, numbers: dict[str, int]) -> str:
    stem, _, suffix = name.partition(".")
    return f"{numbers.setdefault(stem, len(numbers) + 1)}.{suffix}"


def _store(target: ZipFile, name: str, data: bytes) -> None:
    entry = ZipInfo(name, _EPOCH)
    entry.compress_type = ZIP_DEFLATED
    target.writestr(entry, data, compresslevel=1)


def load_skops(data: bytes, name: str) -> Any:
    """The object in a skops file.

    Raises:
        Untrusted: it holds a type or a loader that is not on our list, unpacks to absurd sizes, or is no
            skops file.
    """
    import skops.io

    try:
        with ZipFile(io.BytesIO(data)) as source:
            unpacked = sum(entry.file_size for entry in source.infolist())
            if unpacked > max(_BOMB_BYTES, _BOMB_RATIO * len(data)):
                raise Untrusted(f"'{name}' unpacks to {unpacked} bytes from {len(data)}.", file=name)
            foreign = _foreign(json.loads(source.read(_SCHEMA)))
        if foreign:
            raise Untrusted(
                f"'{name}' holds what no model of ours is made of: {', '.join(sorted(foreign))}.",
                file=name,
                types=sorted(foreign),
            )
        return skops.io.loads(data, trusted=sorted(TRUSTED))
    except Untrusted:
        raise
    except Exception as error:  # there is no end to what can be wrong in it
        raise Untrusted(f"'{name}' is no skops file of ours: {error}", file=name) from error


def _foreign(node: Any) -> set[str]:
    """The types and loaders anywhere in a schema that are not on our lists."""
    if isinstance(node, list):
        return set().union(*map(_foreign, node))
    if not isinstance(node, dict):
        return set()
    found = set().union(*map(_foreign, node.values()))
    if "__loader__" in node and node["__loader__"] not in _LOADERS:
        found.add(str(node["__loader__"]))
    if "__class__" in node or "__module__" in node:
        kind = f"{node.get('__module__')}.{node.get('__class__')}"
        if kind not in TRUSTED:
            found.add(kind)
    return found
