"""A page of another origin, in the browser of somebody whose server asks for no tokens, gets nowhere."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Page, sync_playwright

from asgard_pipelines.api import create_app
from asgard_pipelines.cli.ports import free_port
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import made
from asgard_pipelines_tests.api.conftest import house_settings, view_body
from asgard_pipelines_tests.serving import until
from asgard_pipelines_tests.ui.lineage_page import CHROMIUM, QUIET

__all__ = ["house_settings", "view_body"]

_ATTACKS = """async ([api, body]) => {
  const tries = {}, text = JSON.stringify(body)
  const late = () => new Promise((_, fail) => setTimeout(fail, 5000))
  const attempt = async (name, work) => {
    try { tries[name] = String(await Promise.race([work(), late()])) } catch { tries[name] = 'refused' }
  }
  const post = {method: 'POST', body: text}
  const read = async (path, options) => {
    const answer = await fetch(api + path, options)
    return answer.type === 'opaque' ? 'opaque' : answer.status
  }
  const json = {'Content-Type': 'application/json'}
  await attempt('read', () => read('/feast/features'))
  await attempt('read, opaque', () => read('/feast/features', {mode: 'no-cors'}))
  await attempt('read metrics', () => read('/metrics'))
  await attempt('read health', () => read('/health/live'))
  await attempt('declare', () => read('/feast/features', {...post, headers: json}))
  await attempt('declare, plain', () => read('/feast/features', post))
  await attempt('declare, opaque', () => read('/feast/features', {...post, mode: 'no-cors'}))
  await attempt('delete', () => read('/feast/features/customer_features', {method: 'DELETE'}))
  await attempt('credentials', () => read('/feast/features', {...post, credentials: 'include'}))
  await attempt('beacon', () => navigator.sendBeacon(api + '/feast/features', text) && 'sent')
  await attempt('image', () => new Promise((done, fail) => {
    const image = new Image(); image.onload = () => done('loaded'); image.onerror = fail
    image.src = api + '/feast/features'
  }))
  await attempt('script', () => new Promise((done, fail) => {
    const script = document.createElement('script'); script.onload = () => done('loaded')
    script.onerror = fail; script.src = api + '/openapi.json'; document.body.append(script)
  }))
  await attempt('socket', () => new Promise((done, fail) => {
    const socket = new WebSocket(api.replace('http', 'ws') + '/feast/features')
    socket.onopen = () => done('open'); socket.onerror = fail
  }))
  await attempt('frame', () => new Promise(done => {
    const frame = document.createElement('iframe'); frame.name = 'target'
    document.body.append(frame)
    const form = document.createElement('form')
    Object.assign(form, {method: 'POST', enctype: 'text/plain', target: 'target'})
    form.action = api + '/feast/features'
    const field = document.createElement('input')
    // as text/plain a form sends name=value: together they are JSON
    field.name = text.slice(0, -1) + ',"description":"'; field.value = '"}'
    form.append(field); document.body.append(form)
    frame.onload = () => done('sent'); form.submit()
  }))
  return tries
}"""


@dataclass
class Open:
    """The API without tokens, with what it answered: (method, route, status)."""

    address: str
    answered: list[tuple[str, str, int]]


@pytest.fixture
def opened(house_settings: Settings) -> Iterator[Open]:
    app = create_app(house_settings)
    answered: list[tuple[str, str, int]] = []
    observed = app.state.house.metrics
    observed.observe = lambda method, route, status, _: answered.append((method, route, status))
    for middleware in app.user_middleware:
        if "on_answer" in middleware.kwargs:
            middleware.kwargs["on_answer"] = app.state.house.metrics.observe
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started, 30)
    yield Open(f"http://127.0.0.1:{port}", answered)
    server.should_exit = True
    thread.join(30)


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """The port of another server on this machine, with an empty page."""

    class Blank(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html><body>free prizes</body></html>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Blank)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(30)
    server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    """Chromium, for which every name of `.example` is this machine: as after a name was bound anew."""
    with sync_playwright() as playwright:
        rules = "--host-resolver-rules=MAP *.example 127.0.0.1"
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, rules])
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "prizes.example"])
def test_a_page_of_another_origin_makes_it_do_nothing(
    opened: Open,
    elsewhere: int,
    page: Page,
    house_settings: Settings,
    view_body: dict[str, Any],
    host: str,
) -> None:
    page.goto(f"http://{host}:{elsewhere}/")
    for api in (opened.address, opened.address.replace("127.0.0.1", "localhost")):
        tries = page.evaluate(_ATTACKS, [api, view_body])
        assert set(tries.values()) <= {"refused", "opaque", "sent"}, tries
    page.set_content(f"<a href='{opened.address}/feast/features'>prize</a>")
    with page.expect_navigation():
        page.click("a")
    assert "FORBIDDEN" in page.inner_text("body")
    assert len(opened.answered) > 20
    # The last is the icon that the browser asks for beside the refusal that it shows.
    assert {status for _, _, status in opened.answered} <= {403, 404}
    assert {route for _, route, _ in opened.answered} == {"unmatched"}
    assert made(house_settings) == []


def test_a_name_bound_anew_to_this_machine_gets_nowhere(opened: Open, page: Page) -> None:
    bound_anew = opened.address.replace("127.0.0.1", "prizes.example")
    page.goto(f"{bound_anew}/feast/features")
    assert "FORBIDDEN" in page.inner_text("body")
    assert page.evaluate("async () => (await fetch('/feast/features')).status") == 403
    assert {route for _, route, _ in opened.answered} == {"unmatched"}


def test_its_own_page_can_do_it_all(
    opened: Open,
    page: Page,
    house_settings: Settings,
    view_body: dict[str, Any],
) -> None:
    page.goto(f"{opened.address}/health/live")
    assert json.loads(page.inner_text("body")) == {"status": "live"}
    tries = page.evaluate(_ATTACKS, [opened.address, view_body])
    assert tries["declare"] == "201"
    assert tries["delete"] == "200"
    assert made(house_settings) != []
