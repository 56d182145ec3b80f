"""Where Parquet may be read that somebody outside has named: below the settings' roots, nowhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

from asgard_pipelines.errors import Invalid


def below_a_root(roots: str, path: str) -> str:
    """Where to read what `path` names.

    Args:
        roots: folders and addresses, separated by commas; `s3://data-lake=/srv/lake` reads the one from the
            other.

    Raises:
        Invalid: it is below no root, or leads out of it (by `..`, or a link).
    """
    asked = path.removeprefix("file://")
    if any(part in ("..", ".") for part in asked.split("/")) or not asked.isprintable() or "\\" in asked:
        raise _refused(path)
    for root, place in _roots(roots):
        if asked.rstrip("/") == root or asked.startswith(f"{root}/"):
            found = place + asked[len(root) :]
            if "://" in place:
                return found
            real, allowed = os.path.realpath(found), os.path.realpath(place)
            if real == allowed or real.startswith(f"{allowed.rstrip('/')}/"):
                return real
    raise _refused(path)


def _roots(written: str) -> Iterator[tuple[str, str]]:
    """Root, and where it is read, both without a slash at their end."""
    for one in written.split(","):
        root, _, place = one.strip().partition("=")
        root = root.removeprefix("file://").rstrip("/")
        if root:
            yield root, place.strip().removeprefix("file://").rstrip("/") or root


def _refused(path: str) -> Invalid:
    scheme = urlsplit(path).scheme if "://" in path else "a path"
    return Invalid(
        f"'{path[:200]}' ({scheme[:20]}) is below none of ASGARD_STORAGE_ROOTS: name Parquet below one of "
        "them, or have the root added to the server's settings.",
        field="feature_view.source.path",
        path=path[:1000],
    )
