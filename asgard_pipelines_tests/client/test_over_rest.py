"""What can go wrong between the client and the API: each an error that says so, and never the token."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from subprocess import run
from threading import Thread

import pytest
from pydantic import SecretStr

from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.client import AsyncFeatureStoreClient, FeatureStoreClient
from asgard_pipelines.errors import (
    AsgardError,
    BackendUnavailable,
    Forbidden,
    InvalidSettings,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
)
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import create_token
from asgard_pipelines_tests.client.world import World

ROW = [{"customer_id": "CUST_000001"}]


def _settings(url: str, token: str = "") -> Settings:
    return Settings(client_url=url, client_token=SecretStr(token))


def _refused(settings: Settings) -> AsgardError:
    """The error of both clients."""
    with FeatureStoreClient(settings) as client, pytest.raises(AsgardError) as caught:
        client.get_online_features(ROW)

    async def asked() -> None:
        async with AsyncFeatureStoreClient(settings) as client:
            await client.get_online_features(ROW)

    with pytest.raises(type(caught.value)) as awaited:
        asyncio.run(asked())
    assert awaited.value.message == caught.value.message
    return caught.value


def test_without_a_token_or_its_scope_the_api_s_refusal_is_raised(world: World) -> None:
    assert type(_refused(_settings(world.address))) is Unauthenticated
    assert type(_refused(_settings(world.address, "asgard_" + "x" * 43))) is Unauthenticated
    other = create_token(world.settings, "trainer", ["models:train"], timedelta(days=1))
    assert type(_refused(_settings(world.address, other))) is Forbidden


def test_nobody_at_the_address_is_said_with_the_setting_and_without_a_password() -> None:
    port = free_port()
    error = _refused(_settings(f"http://me:hidden@127.0.0.1:{port}", "asgard_hidden"))
    assert type(error) is BackendUnavailable
    assert f"http://127.0.0.1:{port} does not answer" in error.message
    assert "ASGARD_CLIENT_URL" in error.message
    assert "hidden" not in error.message + json.dumps(dict(error.details))


class _Other(BaseHTTPRequestHandler):
    """Answers every request with what `path` says: `/STATUS/CODE`."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        _, status, code, *_ = self.path.split("/")
        error = {"code": code, "message": "Said so.", "details": {}, "request_id": "r1"}
        self.send_response(int(status))
        self.end_headers()
        self.wfile.write(b"<html>" if code == "page" else json.dumps({"error": error}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Other) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("429/RATE_LIMITED", RateLimited),
        ("413/PAYLOAD_TOO_LARGE", PayloadTooLarge),
        ("503/BACKEND_UNAVAILABLE", BackendUnavailable),
        ("500/INTERNAL_ERROR", BackendUnavailable),
        ("502/page", BackendUnavailable),
        ("302/page", BackendUnavailable),
    ],
)
def test_whatever_is_answered_is_a_typed_error(other: str, answer: str, kind: type[AsgardError]) -> None:
    error = _refused(_settings(f"{other}/{answer}"))
    assert type(error) is kind
    assert error.message.endswith("Said so.") is not answer.endswith("page")


def test_an_answer_that_is_no_answer_of_the_api_is_said(other: str) -> None:
    for answer in ("200/page", "200/NONE"):
        error = _refused(_settings(f"{other}/{answer}"))
        assert type(error) is BackendUnavailable
        assert "not as Asgard's REST API does" in error.message


def test_an_address_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGARD_CLIENT_URL", "asgard.example.com")
    with pytest.raises(InvalidSettings, match="ASGARD_CLIENT_URL"):
        Settings.read()


def test_the_token_is_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from asgard_pipelines.cli.command import run as asgard

    monkeypatch.setenv("COLUMNS", "200")  # so that no address is broken in two
    monkeypatch.setenv("ASGARD_CLIENT_TOKEN", "asgard_hidden")
    monkeypatch.setenv("ASGARD_CLIENT_URL", "https://me:hidden@asgard.example.com")
    for arguments in (["config"], ["config", "--json"]):
        assert asgard(arguments) == 0
        shown = "".join(capsys.readouterr())
        assert "asgard.example.com" in shown
        assert "hidden" not in shown
    settings = Settings.read()
    assert "asgard_hidden" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_program_over_rest_needs_neither_feast_nor_the_stores(world: World) -> None:
    program = (
        "import sys\n"
        "from asgard_pipelines.client import get_features_for_prediction\n"
        "assert get_features_for_prediction('CUST_000001')['customer_age'] > 17\n"
        "print({'feast', 'pyiceberg', 'sqlalchemy', 'dagster', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    environment = {"ASGARD_CLIENT_URL": world.address, "ASGARD_CLIENT_TOKEN": world.token}
    ended = run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "set()\n", ended.stderr
