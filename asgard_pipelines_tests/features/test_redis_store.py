"""What only Redis brings with it: passwords, databases, restarts, errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from asgard_pipelines.errors import BackendUnavailable, InvalidSettings
from asgard_pipelines.features.online import Written
from asgard_pipelines.features.online.encoded_rows import encoded
from asgard_pipelines.features.online.redis import RedisStore
from asgard_pipelines.features.online.redis_wire import Wires, command
from asgard_pipelines.settings import Settings
from asgard_pipelines_tests.contracts.online.views import NOON, SECOND, pages, rows, view, visit
from asgard_pipelines_tests.stack.servers import free_port, redis_server

pytestmark = pytest.mark.stack
VISITS = view()
SETTINGS = Settings()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with redis_server(tmp_path, "--requirepass", "p@ss/word") as made:
        yield made


def _wires(store: RedisStore) -> Wires:
    return store._wires


def test_a_password_is_sent_and_never_shown(port: int) -> None:
    store = RedisStore("shop", f"redis://:p%40ss%2Fword@127.0.0.1:{port}/3")
    assert store.write(VISITS, visit(VISITS, 1, NOON)) == Written(1, 0)
    assert store.address == f"redis://127.0.0.1:{port}/3"
    assert RedisStore("shop", f"redis://default:p%40ss%2Fword@127.0.0.1:{port}/0").count(VISITS) == 0
    with pytest.raises(BackendUnavailable, match="refuses: WRONGPASS") as refused:
        RedisStore("shop", f"redis://:wrong@127.0.0.1:{port}/0").ping()
    assert "wrong" not in str(refused.value)
    with pytest.raises(BackendUnavailable, match="refuses: NOAUTH"):
        RedisStore("shop", f"redis://127.0.0.1:{port}/0").ping()


def test_tls_is_spoken_with_a_server_whose_authority_is_trusted_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, port = trustme.CA(), free_port()
    certificate, trusted, key = (
        str(tmp_path / name) for name in ("server.pem", "authority.pem", "server.key")
    )
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(trusted)
    tls = ["--tls-port", str(port), "--tls-cert-file", certificate, "--tls-key-file", key]
    address = f"rediss://:p%40ss%2Fword@127.0.0.1:{port}/2"
    with redis_server(
        tmp_path,
        "--requirepass",
        "p@ss/word",
        *tls,
        "--tls-ca-cert-file",
        trusted,
        "--tls-auth-clients",
        "no",
    ):
        with pytest.raises(BackendUnavailable, match="certificate verify failed"):
            RedisStore("shop", address).ping()
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        store, many = RedisStore("shop", address), list(range(5_000))
        for at, expected in ((NOON, Written(len(many), 0)), (NOON - SECOND, Written(0, len(many)))):
            written = rows(VISITS, visitor_id=many, pages=many, city=["x" * 100] * len(many), at=at)
            assert store.write(VISITS, written) == expected
        assert pages(SETTINGS, store, VISITS) == 1
        assert store.count(VISITS) == len(many)


def test_a_database_is_a_number() -> None:
    with pytest.raises(InvalidSettings, match="names the Redis database 'shop'; it is a number"):
        RedisStore("shop", "redis://127.0.0.1:6379/shop")


def test_where_nobody_listens_it_is_said() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        store = RedisStore("shop", f"redis://127.0.0.1:{nobody.getsockname()[1]}/0")
        with pytest.raises(BackendUnavailable, match="does not answer"):
            store.write(VISITS, visit(VISITS, 1, NOON))
        with pytest.raises(BackendUnavailable, match="does not answer"):
            pages(SETTINGS, store, VISITS)


def test_lost_scripts_and_connections_are_made_good(tmp_path: Path) -> None:
    with redis_server(tmp_path) as port:
        store = RedisStore("shop", f"redis://127.0.0.1:{port}/0")
        identity = store.identity("visits")
        store.write(VISITS, visit(VISITS, 1, NOON))
        _wires(store).ask(command(b"SCRIPT", b"FLUSH"), 1)
        assert store.write(VISITS, visit(VISITS, 2, NOON)) == Written(1, 0)
        _wires(store).ask(command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"no"), 1)
        assert pages(SETTINGS, store, VISITS) == 2
        _wires(store).ask(command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"no"), 1)
        assert store.write(VISITS, visit(VISITS, 3, NOON - SECOND)) == Written(0, 1)
        _wires(store).ask(command(b"FLUSHALL"), 1)
        assert pages(SETTINGS, store, VISITS) is None
        assert store.identity("visits") != identity
    with pytest.raises(BackendUnavailable):
        store.ping()


def test_rows_that_were_ready_are_put_over_other_connections_if_theirs_are_lost(tmp_path: Path) -> None:
    many = list(range(300))
    kill = command(b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"no")
    with redis_server(tmp_path) as port:
        store, other = (RedisStore("shop", f"redis://127.0.0.1:{port}/0") for _ in range(2))
        for at in (NOON, NOON + SECOND):  # over new connections, and over kept ones that are lost
            given = rows(VISITS, visitor_id=many, pages=many, city=["x"] * 300, at=at)
            _wires(other).ask(kill, 1)
            with store.ready("visits", encoded(VISITS, given)) as put:
                _wires(other).ask(kill, 1)
                assert put() == 300
        assert pages(SETTINGS, store, VISITS) == 1
        with store.ready("visits", encoded(VISITS, given)) as put:
            pass
        assert store.write(VISITS, given) == Written(300, 0)
    with store.ready("visits", encoded(VISITS, given)) as put, pytest.raises(BackendUnavailable):
        put()


def test_many_rows_that_redis_refuses_are_said(tmp_path: Path) -> None:
    many = list(range(300))
    given = encoded(VISITS, rows(VISITS, visitor_id=many, pages=many, city=["x"] * 300, at=NOON))
    with redis_server(tmp_path) as port:
        store = RedisStore("shop", f"redis://127.0.0.1:{port}/0")
        _wires(store).ask(command(b"SET", given.key_list()[7] + b"shop", b"text"), 1)
        with store.ready("visits", given) as put, pytest.raises(BackendUnavailable, match="WRONGTYPE"):
            put()
        _wires(store).ask(command(b"FLUSHALL"), 1)
        _wires(store).ask(command(b"ACL", b"SETUSER", b"default", b"-multi"), 1)
        with store.ready("visits", given) as put:
            assert store.count(VISITS) == 0
            assert put() == 300
        _wires(store).ask(command(b"CONFIG", b"SET", b"maxmemory", b"1"), 1)
        with store.ready("visits", given) as put, pytest.raises(BackendUnavailable, match="maxmemory"):
            put()


def test_another_applications_keys_are_in_nobodys_way(tmp_path: Path) -> None:
    with redis_server(tmp_path) as port:
        store = RedisStore("sh*p", f"redis://127.0.0.1:{port}/0")
        _wires(store).ask(command(b"SET", b"text sh*p", b"1") + command(b"HSET", b"xshop", b"a", b"1"), 2)
        store.write(VISITS, visit(VISITS, 1, NOON))
        assert store.count(VISITS) == 1
        store.drop(VISITS)
        assert store.count(VISITS) == 0
        assert _wires(store).ask(command(b"DBSIZE"), 1) == [2]


def test_memory_that_is_full_is_said(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--maxmemory", "1mb", "--maxmemory-policy", "noeviction") as port:
        store = RedisStore("shop", f"redis://127.0.0.1:{port}/0")
        many = rows(VISITS, visitor_id=list(range(100)), pages=[1] * 100, city=["x" * 100_000] * 100, at=NOON)
        with pytest.raises(BackendUnavailable, match=r"refuses: .*maxmemory"):
            store.write(VISITS, many)
        with pytest.raises(BackendUnavailable, match=r"refuses: .*maxmemory"):
            store.write(VISITS, many.slice(0, 1))
