"""Local Valkey, replicas and Debian's packages: started, found again, and said clearly where they cannot be had."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest

from entitlements.access.caching import shared
from entitlements.local import LocalPostgres, LocalReplica, LocalValkey
from entitlements.local.errors import NoSuchPackages, ServerDidNotStart
from entitlements.local.packages import unpacked
from entitlements.local.varnish import LocalVarnish
from entitlements.wiring.servers import servers_in


def test_valkey_answers_keeps_its_port_and_is_gone_after(tmp_path: Path) -> None:
    with LocalValkey(tmp_path) as server:
        address = server.url
        with closing(shared.connect(address, within_for=2)) as client:
            client.set("a", "b")
            server.restart()
            assert server.url == address
            assert client.get("a") is None, "it keeps nothing over a restart"
    assert not server.is_running


def test_a_replica_has_what_its_primary_writes_and_takes_no_writes(tmp_path: Path) -> None:
    with (
        LocalPostgres(tmp_path / "primary", fast=True, replicated=True) as primary,
        LocalReplica(tmp_path / "replica", primary.url, fast=True) as replica,
        psycopg.connect(primary.url, autocommit=True) as writes,
        psycopg.connect(replica.url, autocommit=True) as reads,
    ):
        writes.execute("create table t as select 1 as a")
        while reads.execute("select to_regclass('t')").fetchone() == (None,):
            pass
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reads.execute("insert into t values (2)")


def test_a_replica_of_nobody_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(ServerDidNotStart, match="could not copy its primary"):
        LocalReplica(tmp_path, "postgresql://nobody@127.0.0.1:1/none").start()


def test_the_servers_of_up_have_a_valkey_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: str, postgres: str
) -> None:
    for name, value in (("KAFKA", kafka), ("POSTGRES", postgres)):
        monkeypatch.setenv(f"ENTITLEMENTS_{name}", value)
    with servers_in(tmp_path) as settings:
        assert settings.valkey is None
    with servers_in(tmp_path, valkey=True) as settings:
        assert settings.valkey is not None
        with closing(shared.connect(settings.valkey, within_for=2)) as client:
            assert client.ping()


def test_where_there_is_no_apt_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSuchPackages, match="apt-get and dpkg are not installed"):
        unpacked("varnish")
    assert not list(tmp_path.iterdir())


def test_varnish_runs_where_there_is_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("apt-get", "dpkg", "dpkg-deb", "tar", "sh", "rm"):
        if (found := shutil.which(name)) is not None:
            (tmp_path / "bin").mkdir(exist_ok=True)
            (tmp_path / "bin" / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    try:
        with LocalVarnish(tmp_path / "varnish", 1) as server:
            assert httpx.get(f"{server.url}/").status_code == 503, "there is nobody behind it"
    except NoSuchPackages as error:
        pytest.skip(str(error))
