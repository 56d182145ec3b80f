"""`asgard token`: made, listed, revoked; told once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asgard_pipelines.settings import Settings
from asgard_pipelines.state import find_token

Asgard = Callable[..., tuple[int, str, str]]
AsgardJson = Callable[..., tuple[int, Any]]


def test_a_token_is_told_once_alone_on_stdout(settings: Settings, asgard: Asgard) -> None:
    code, out, err = asgard("token", "create", "mira", "--scope", "features:read", "--scope", "predict")
    secret = out.strip()
    assert code == 0
    assert secret not in err
    token = find_token(settings, secret)
    assert token is not None
    assert (token.name, token.scopes) == ("mira", ["features:read", "predict"])
    assert token.expires_at - token.created_at == timedelta(days=90)
    for told in (
        asgard("token", "list"),
        asgard("token", "list", "--json"),
        asgard("token", "revoke", "mira"),
    ):
        assert secret not in "".join(map(str, told))
    written = b"".join(path.read_bytes() for path in settings.state_folder.rglob("*") if path.is_file())
    assert secret.encode() not in written


def test_a_tokens_life_is_told(settings: Settings, asgard_json: AsgardJson) -> None:
    code, made = asgard_json("token", "create", "jon", "--scope", "admin", "--days", "1")
    assert code == 0
    token = find_token(settings, made["token"])
    assert token is not None
    assert token.valid(datetime.now(UTC))
    assert not token.valid(datetime.now(UTC) + timedelta(days=1))
    assert asgard_json("token", "revoke", "jon") == (0, {"revoked": "jon"})
    [listed] = asgard_json("token", "list")[1]["tokens"]
    assert (listed["name"], listed["state"], listed["scopes"]) == ("jon", "revoked", ["admin"])
    gone = find_token(settings, made["token"])
    assert gone is not None
    assert not gone.valid(datetime.now(UTC))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mira", "--scope", "feature:read"], "Did you mean 'features:read'?"),
        (["mira", "--scope", "admin", "--days", "0"], "days"),
        (["mira"], "--scope"),
        (["loopback", "--scope", "admin"], "cannot be a token's name"),
        (["two words", "--scope", "admin"], "cannot be a token's name"),
        (["-x" * 65, "--scope", "admin"], ""),
    ],
)
def test_a_token_that_cannot_be_is_refused(asgard: Asgard, arguments: list[str], says: str) -> None:
    code, out, err = asgard("token", "create", *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_a_name_is_given_once(asgard: Asgard) -> None:
    assert asgard("token", "create", "mira", "--scope", "admin")[0] == 0
    code, _, err = asgard("token", "create", "mira", "--scope", "admin")
    assert code == 2
    assert "made before" in err


def test_revoking_what_is_not_there_names_what_is(asgard: Asgard) -> None:
    asgard("token", "create", "mira", "--scope", "admin")
    code, _, err = asgard("token", "revoke", "mirra")
    assert code == 2
    assert "Did you mean 'mira'?" in err
