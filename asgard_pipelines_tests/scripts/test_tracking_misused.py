"""The one door out of the sandbox, MLflow, misused: other people's runs, the registry, paths, addresses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient

from asgard_pipelines.errors import Conflict
from asgard_pipelines.models import JobTracking, ModelRegistry
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.scripts.conftest import Bench

pytestmark = pytest.mark.scripts

ASKING = r"""
import http.client, json, socket, sys
RUN, OTHER, MODEL, EXPERIMENT = "$RUN$", "$OTHER$", "$MODEL$", "$EXPERIMENT$"
MLFLOW, FILES = "/api/2.0/mlflow/", "/api/2.0/mlflow-artifacts/artifacts/"

def ask(method, path, body=None, raw=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", 5000, timeout=10)
    try:
        connection.request(method, path, raw if raw is not None else None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except ConnectionError:
        return 499, b"it hung up"

def refused(method, path, body=None, raw=None, **headers):
    status, text = ask(method, path, body, raw, **headers)
    if status < 400 or b"secret" in text or b"$HOME$" in text:
        print("ESCAPED", method, path, body, status, text[:300])
    elif status >= 500:
        print("BROKEN", method, path, body, status, text[:300])
    else:
        print(status, path)

status, text = ask("POST", MLFLOW + "runs/create", {"experiment_id": "$OWN$", "start_time": 1})
assert status == 200, text
mine = json.loads(text)["run"]["info"]["run_id"]
assert json.loads(text)["run"]["info"]["artifact_uri"] == "mlflow-artifacts:/runs/" + mine
"""
MISUSES = {
    "deleting": """
refused("POST", MLFLOW + "runs/delete", {"run_id": mine})
refused("POST", MLFLOW + "runs/delete", {"run_id": OTHER})
refused("POST", MLFLOW + "runs/delete-tag", {"run_id": mine, "key": "asgard.script_job"})
refused("POST", MLFLOW + "experiments/delete", {"experiment_id": "$OWN$"})
refused("POST", MLFLOW + "experiments/update", {"experiment_id": "$OWN$", "new_name": "mine"})
refused("POST", MLFLOW + "experiments/restore", {"experiment_id": EXPERIMENT})
refused("DELETE", MLFLOW + "logged-models/" + MODEL)
refused("DELETE", FILES + "runs/" + mine)
""",
    "the-registry": """
for path in ("registered-models/create", "registered-models/rename", "model-versions/create", "model-versions/transition-stage",
             "registered-models/set-tag", "model-versions/set-tag", "registered-models/alias", "model-versions/update"):
    refused("POST", MLFLOW + path, {"name": "champion", "source": "runs:/" + mine, "run_id": mine, "alias": "champion", "version": "1", "key": "k", "value": "v"})
for path in ("registered-models/delete", "model-versions/delete", "registered-models/alias?name=a&alias=champion"):
    refused("DELETE", MLFLOW + path, {"name": "champion", "version": "1"})
refused("GET", MLFLOW + "registered-models/search")
refused("GET", MLFLOW + "model-versions/get-download-uri?name=a&version=1")
""",
    "other-experiments": """
refused("POST", MLFLOW + "runs/create", {"experiment_id": EXPERIMENT})
refused("POST", MLFLOW + "runs/create", {})
refused("POST", MLFLOW + "runs/create", {"experiment_id": 0})
refused("POST", MLFLOW + "experiments/create", {"name": "another"})
refused("POST", MLFLOW + "experiments/create", {"name": "$NAME$", "artifact_location": "file:///etc"})
refused("POST", MLFLOW + "experiments/set-experiment-tag", {"experiment_id": EXPERIMENT, "key": "asgard.scripts", "value": "true"})
refused("GET", MLFLOW + "experiments/get?experiment_id=" + EXPERIMENT)
refused("GET", MLFLOW + "experiments/get-by-name?experiment_name=others")
refused("POST", MLFLOW + "experiments/search", {"max_results": 10})
refused("POST", MLFLOW + "runs/search", {"experiment_ids": [EXPERIMENT]})
refused("POST", MLFLOW + "runs/search", {"experiment_ids": ["$OWN$", EXPERIMENT]})
refused("POST", MLFLOW + "runs/search", {"experiment_ids": ["$OWN$"], "filter": "1=1; DROP TABLE runs"})
refused("POST", MLFLOW + "logged-models", {"experiment_id": EXPERIMENT, "name": "m"})
refused("POST", MLFLOW + "logged-models/search", {"experiment_ids": [EXPERIMENT]})
""",
    "other-runs": """
for name, body in {
    "log-metric": {"key": "k", "value": 1, "timestamp": 1}, "log-parameter": {"key": "k", "value": "v"}, "set-tag": {"key": "k", "value": "v"},
    "log-batch": {"metrics": [{"key": "k", "value": 1, "timestamp": 1}]}, "update": {"status": "FINISHED"}, "log-inputs": {"datasets": []},
    "outputs": {"models": [{"model_id": MODEL}]},
}.items():
    refused("POST", MLFLOW + "runs/" + name, {"run_id": OTHER, **body})
    refused("POST", MLFLOW + "runs/" + name, {"run_uuid": OTHER, **body})
    refused("POST", MLFLOW + "runs/" + name, {"run_id": "", **body})
refused("GET", MLFLOW + "runs/get?run_id=" + OTHER)
refused("GET", MLFLOW + "metrics/get-history?metric_key=k&run_id=" + OTHER)
refused("GET", MLFLOW + "artifacts/list?run_id=" + OTHER)
refused("GET", FILES + "runs/" + OTHER + "/secret.txt")
refused("GET", FILES.rstrip("/") + "?path=runs/" + OTHER)
refused("PUT", FILES + "runs/" + OTHER + "/mine.txt", raw=b"x")
refused("POST", MLFLOW + "runs/outputs", {"run_id": mine, "models": [{"model_id": MODEL}]})
refused("POST", MLFLOW + "runs/log-inputs", {"run_id": mine, "models": [{"model_id": MODEL}]})
refused("GET", MLFLOW + "logged-models/" + MODEL)
refused("PATCH", MLFLOW + "logged-models/" + MODEL + "/tags", {"tags": [{"key": "k", "value": "v"}]})
refused("POST", MLFLOW + "logged-models", {"experiment_id": "$OWN$", "source_run_id": OTHER})
refused("PUT", FILES + "models/" + MODEL + "/MLmodel", raw=b"x")
""",
    "tags-of-the-house": """
for key in ("asgard.key", "asgard.sha256", "asgard.script_job", "model_version"):
    refused("POST", MLFLOW + "runs/set-tag", {"run_id": mine, "key": key, "value": "v"})
    refused("POST", MLFLOW + "runs/log-batch", {"run_id": mine, "tags": [{"key": key, "value": "v"}]})
    refused("POST", MLFLOW + "runs/create", {"experiment_id": "$OWN$", "tags": [{"key": key, "value": "v"}]})
    refused("POST", MLFLOW + "logged-models", {"experiment_id": "$OWN$", "tags": [{"key": key, "value": "v"}]})
refused("POST", MLFLOW + "runs/set-tag", {"run_id": mine, "key": "mlflow.parentRunId", "value": OTHER})
""",
    "paths": """
for path in ("../x", "../../../../../../tmp/$MARK$", "a/../../x", "..%2f..%2fx", "%2e%2e/x", "%2e%2e%2fx", "a//b", "/etc/passwd", "", ".", "..", "~/x",
             "a/./b", "a%00b", "C:%5Cx", "..%5C..%5Cx", "a" * 300, "a/" * 50 + "b", "%c0%ae%c0%ae/x", "%252e%252e/x", ".ssh/x", "x%0d%0aX:%20y"):
    refused("PUT", FILES + "runs/" + mine + "/" + path, raw=b"escaped")
    refused("GET", FILES + "runs/" + mine + "/" + path)
for path in ("runs/../models/x", "runs/" + mine + "/../../x", "../runs", "runs", "", "nothing/" + mine + "/x", "runs//x"):
    refused("PUT", FILES + path, raw=b"escaped")
    refused("GET", FILES.rstrip("/") + "?path=" + path)
refused("GET", FILES.rstrip("/") + "?path=runs/" + mine + "/../../..")
assert ask("PUT", FILES + "runs/" + mine + "/a/b.txt", raw=b"fine")[0] == 200
refused("PUT", FILES + "runs/" + mine + "/a", raw=b"a folder")
refused("PUT", FILES + "runs/" + mine + "/a/b.txt/c", raw=b"below a file")
assert ask("GET", FILES + "runs/" + mine + "/a/b.txt") == (200, b"fine")
""",
    "addresses": """
for target in ("http://169.254.169.254/latest/meta-data", "http://127.0.0.1:$PORT$/", "https://example.com/", "//127.0.0.1:$PORT$/x", "/\\\\127.0.0.1:$PORT$",
               "file:///etc/passwd", "/api/2.0/mlflow/../../../graphql", "/graphql", "/", "/health", "/ajax-api/2.0/mlflow/runs/search", "/get-artifact?path=x&run_uuid=" + OTHER,
               "/model-versions/get-artifact?name=a", "/api/2.0/mlflow-artifacts/mpu/create/x", "/api/2.0/mlflow/gateway-proxy?gateway_path=http://127.0.0.1:$PORT$",
               "/api/2.0/mlflow/webhooks", "/api/2.0/mlflow/upload-artifact?path=x", "/v1/traces", "/api/3.0/mlflow/server-info"):
    refused("GET", target)
    refused("POST", target, {"url": "http://127.0.0.1:$PORT$/"})
for header in ({"Host": "127.0.0.1:$PORT$"}, {"X-Forwarded-Host": "127.0.0.1:$PORT$"}, {"X-HTTP-Method-Override": "DELETE"}):
    refused("GET", MLFLOW + "runs/get?run_id=" + OTHER, **header)
refused("POST", MLFLOW + "webhooks/create", {"url": "http://127.0.0.1:$PORT$/"})
""",
    "bodies": """
for raw in (b"", b"{", b"[]", b"null", b'"x"', b"\\xff\\xfe", b"[" * 100000, b'{"run_id": {}}', b'{"run_id": [1]}', b'{"key": 1e999}', b'{"metrics": 3}'):
    refused("POST", MLFLOW + "runs/log-batch", raw=raw)
refused("POST", MLFLOW + "runs/log-metric", {"run_id": mine, "key": "../../k", "value": 1, "timestamp": 1})
refused("POST", MLFLOW + "runs/log-metric", {"run_id": mine, "key": "", "value": 1, "timestamp": 1})
refused("POST", MLFLOW + "runs/log-batch", {"run_id": mine, "metrics": [{"key": "k" * 10000, "value": 1, "timestamp": 1}]})
refused("PUT", FILES + "runs/" + mine + "/big", raw=b"x" * 6_000_000)
for number in range(3):
    status, _ = ask("PUT", FILES + "runs/" + mine + "/part%d" % number, raw=b"x" * 4_000_000)
print("ESCAPED" if status == 200 else "full", status)
made = 0
while made < 300 and ask("POST", MLFLOW + "runs/create", {"experiment_id": "$OWN$"})[0] == 200:
    made += 1
print("ESCAPED" if made > 120 else "enough", made)
""",
    "requests": """
def raw(data, close=True):
    with socket.create_connection(("127.0.0.1", 5000), 5) as one:
        try:
            one.sendall(data)
            if close:
                one.shutdown(socket.SHUT_WR)
            one.settimeout(3)
            return one.recv(100)
        except OSError:
            return b""
for data in (b"\\x00" * 1000, b"GET", b"GET / HTTP/9.9\\r\\n\\r\\n", b"POST /api/2.0/mlflow/runs/create HTTP/1.1\\r\\nContent-Length: -5\\r\\n\\r\\n",
             b"POST / HTTP/1.1\\r\\nContent-Length: 99999999999999999999\\r\\n\\r\\n", b"POST / HTTP/1.1\\r\\nContent-Length: abc\\r\\n\\r\\n",
             b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n", b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nFFFFFFFFFF\\r\\n",
             b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n-1\\r\\n", b"GET /" + b"a" * 100000 + b" HTTP/1.1\\r\\n\\r\\n",
             b"GET / HTTP/1.1\\r\\n" + b"X: y\\r\\n" * 5000 + b"\\r\\n", b"\\x16\\x03\\x01\\x02\\x00\\x01\\x00", b"GET /%zz%ff?%=&&&=%00 HTTP/1.1\\r\\n\\r\\n",
             b"CONNECT 127.0.0.1:$PORT$ HTTP/1.1\\r\\n\\r\\n", b"TRACE / HTTP/1.1\\r\\n\\r\\n"):
    answer = raw(data)
    if b" 200 " in answer:
        print("ESCAPED", data[:60], answer)
held = [socket.create_connection(("127.0.0.1", 5000)) for _ in range(30)]
del held
assert ask("GET", MLFLOW + "runs/get?run_id=" + mine)[0] == 200
""",
}


@pytest.fixture
def others(tracked: Settings) -> dict[str, str]:
    """What a job must not touch: an experiment of somebody else's, with a run, a model and a file in it."""
    client = MlflowClient(tracked.tracking_uri)
    place = tracked.state_folder / "others"
    experiment = client.create_experiment("others", artifact_location=str(place))
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "a secret", "secret.txt")
    client.create_registered_model("champion")
    model = client.create_logged_model(experiment, "theirs", source_run_id=run)
    return {
        "OTHER": run,
        "EXPERIMENT": experiment,
        "MODEL": model.model_id,
        "HOME": str(tracked.state_folder),
    }


@pytest.mark.parametrize("misuse", MISUSES)
def test_mlflow_is_not_to_be_misused(
    misuse: str,
    bench: Bench,
    tracked: Settings,
    others: dict[str, str],
    job_tracking: Callable[[str], JobTracking],
) -> None:
    tracking = job_tracking("mine")
    client = MlflowClient(tracked.tracking_uri)
    before = _state(client, others, tracked)
    source = ASKING + MISUSES[misuse] + '\nprint("DONE")'
    mark = f"escaped-{uuid4().hex}"  # the machine's own folder may hold what another run left
    values = {**others, "OWN": tracking.experiment_id, "NAME": "mine", "RUN": "", "MARK": mark}
    for name, value in values.items():
        source = source.replace(f"${name}$", value)
    ran = bench.run(source, tracking=tracking, seconds=60, cpu_seconds=30)
    story = f"{ran.ended}\n{ran.text[-4000:]}"
    assert "ESCAPED" not in ran.text, story
    assert "BROKEN" not in ran.text, story
    assert "DONE" in ran.text, story
    assert bench.machine.visitors == []
    assert _state(client, others, tracked) == before
    outside = [one for one in tracked.state_folder.parent.rglob("*") if one.name in (mark, "x", "mine.txt")]
    assert outside == []
    assert not Path("/tmp", mark).exists()


def _state(client: MlflowClient, others: dict[str, str], settings: Settings) -> object:
    """Everything that is not the job's."""
    run = client.get_run(others["OTHER"])
    return (
        run.to_dictionary(),
        sorted(str(one) for one in (settings.state_folder / "others").rglob("*")),
        sorted(one.name for one in client.search_experiments()),
        [(one.name, one.aliases) for one in client.search_registered_models()],
        client.search_model_versions(),
        client.get_logged_model(others["MODEL"]).to_dictionary(),
        {one.name: one.tags for one in client.search_experiments()},
    )


def test_an_experiment_of_models_is_not_for_scripts(
    tracked: Settings, others: dict[str, str], job_tracking: Callable[[str], JobTracking]
) -> None:
    with pytest.raises(Conflict, match="'others' is not one of scripts"):
        job_tracking("others")
    job_tracking("mine")
    client = MlflowClient(tracked.tracking_uri)
    found = client.get_experiment_by_name("mine")
    assert found is not None
    client.delete_experiment(found.experiment_id)
    with pytest.raises(Conflict, match="deleted"):
        JobTracking(tracked, "mine", "job", tracked.state_folder, 1000, lambda _: None)
    assert ModelRegistry(tracked).versions() == []


def test_a_slow_sender_keeps_only_itself_waiting(
    bench: Bench, job_tracking: Callable[[str], JobTracking]
) -> None:
    script = """
import socket, time
one = socket.create_connection(("127.0.0.1", 5000))
one.send(b"POST / HTTP/1.1\\r\\nContent-Length: 100\\r\\n\\r\\n")
time.sleep(60)
"""
    ran = bench.run(script, tracking=job_tracking("mine"), seconds=2)
    assert ran.ended.reason == "it ran for longer than 2 seconds"
    assert ran.seconds < 8
