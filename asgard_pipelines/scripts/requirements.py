"""What a script asks to have installed: names on the list, in versions that are there."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from asgard_pipelines.errors import Invalid, did_you_mean


def check_requirements(requirements: Sequence[str], allowed: Sequence[str]) -> None:
    """
    Raises:
        Invalid: one that is no `name` or `name>=1,<2`, is not `allowed`, or is not met by what is installed;
            all of them are told.
    """
    known = {str(canonicalize_name(name)): name for name in allowed}
    problems = [
        {"field": f"requirements.{place}", "message": problem}
        for place, text in enumerate(requirements)
        if (problem := _problem(text, known))
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise Invalid(
            f"{problems[0]['field']}: {problems[0]['message']}{more}",
            problems=problems,
            allowed=sorted(known.values()),
        )


def _problem(text: str, known: dict[str, str]) -> str | None:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return (
            f"'{text[:200]}' is no requirement: a name, and versions if you like, such as 'scikit-learn>=1.5'"
        )
    if wanted.url or wanted.marker or wanted.extras:
        return (
            f"'{text[:200]}': only a name and versions, such as 'scikit-learn>=1.5'; no URL, path or option"
        )
    name = canonicalize_name(wanted.name)
    if name not in known:
        return (
            f"'{wanted.name}' is not on the list of what scripts may use."
            f"{did_you_mean(name, known)} Whoever runs Asgard adds to it: ASGARD_SCRIPTS_PACKAGES"
        )
    try:
        version = metadata.version(known[name])
    except metadata.PackageNotFoundError:
        return f"'{wanted.name}' is on the list and not installed here"
    if not wanted.specifier.contains(version, prereleases=True):
        return f"'{wanted}' is not met: {version} is installed, and nothing is installed for a script"
    return None
