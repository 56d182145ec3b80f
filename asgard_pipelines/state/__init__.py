"""Small SQL tables of Asgard's own: what was made over REST, decisions, elections, pins, workers, jobs."""

from asgard_pipelines.state.access_tokens import (
    ANYBODY,
    SCOPES,
    Token,
    create_token,
    find_token,
    revoke_token,
    tokens,
)
from asgard_pipelines.state.access_tokens import Scope as TokenScope
from asgard_pipelines.state.artefacts import StoredFile, record_artefact, recorded_artefact
from asgard_pipelines.state.audit import Act, acts, record_act
from asgard_pipelines.state.decisions import Decision, last_decisions, record_decision
from asgard_pipelines.state.differences import Difference, recall_difference, remember_difference
from asgard_pipelines.state.elections import ElectionRecord, last_election, record_election
from asgard_pipelines.state.feast_registry import require_feast_registry
from asgard_pipelines.state.made_declarations import (
    Made,
    MadeKind,
    made,
    made_history,
    made_revision,
    make,
    unmake,
)
from asgard_pipelines.state.pins import move_pin, pin_once, run_pins
from asgard_pipelines.state.request_keys import (
    RequestKey,
    StoredAnswer,
    begin_request,
    drop_request,
    keep_answer,
)
from asgard_pipelines.state.script_jobs import (
    JobStatus,
    ScriptJob,
    add_job,
    change_job,
    find_job,
    remove_job,
    script_jobs,
)
from asgard_pipelines.state.workers import sign_in, worker_is_gone

__all__ = [
    "ANYBODY",
    "SCOPES",
    "Act",
    "Decision",
    "Difference",
    "ElectionRecord",
    "JobStatus",
    "Made",
    "MadeKind",
    "RequestKey",
    "ScriptJob",
    "StoredAnswer",
    "StoredFile",
    "Token",
    "TokenScope",
    "acts",
    "add_job",
    "begin_request",
    "change_job",
    "create_token",
    "drop_request",
    "find_job",
    "find_token",
    "keep_answer",
    "last_decisions",
    "last_election",
    "made",
    "made_history",
    "made_revision",
    "make",
    "move_pin",
    "pin_once",
    "recall_difference",
    "record_act",
    "record_artefact",
    "record_decision",
    "record_election",
    "recorded_artefact",
    "remember_difference",
    "remove_job",
    "require_feast_registry",
    "revoke_token",
    "run_pins",
    "script_jobs",
    "sign_in",
    "tokens",
    "unmake",
    "worker_is_gone",
]
