"""Redis over TLS: jobs run, another authority's certificate is refused, checks tell."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from django_jobqueue.checks import check_servers
from django_jobqueue.engine import Engine, get_engine
from django_jobqueue.exceptions import QueueUnavailable
from embedded.server import EmbeddedServer, ServerFailed, find_server
from tests.project import tasks
from tests.support.processes import PATIENCE, WorkerProcess, free_port

BACKEND = "django_jobqueue.backend.JobQueueBackend"
DJANGO = "django.core.cache.backends.redis"
PASSWORD = "hunter2"
# The kind of key that is made fastest.
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """Two authorities in a folder, and a server's certificate from the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ours", "theirs"):
            self._openssl(
                *("req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.crt"),
                *("-days", "1", "-subj", f"/CN={name}"),
                *("-addext", "basicConstraints=critical,CA:TRUE"),
                *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            )
        self._openssl("req", *KEY, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=s")
        # Python 3.13 verifies strictly: what signs says that it may, and is named by its key.
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        self._openssl(
            *("x509", "-req", "-in", "server.csr", "-out", "server.crt", "-days", "1"),
            *("-CA", "ours.crt", "-CAkey", "ours.key", "-CAcreateserial", "-extfile", "names"),
        )

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def _openssl(self, *words: str) -> None:
        done = subprocess.run(
            ["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make certificates with")
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(certificates: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that speaks TLS there, and nothing else."""
    port = free_port()
    config = {
        "bind": "127.0.0.1",
        "tls-port": str(port),
        "tls-cert-file": certificates.path("server.crt"),
        "tls-key-file": certificates.path("server.key"),
        "tls-auth-clients": "no",
        "requirepass": PASSWORD,
        "appendonly": "no",
    }
    found = map(shutil.which, ("redis-server", "valkey-server"))
    for binary in [find_server(), *(Path(name) for name in found if name)]:
        server = EmbeddedServer(tmp_path_factory.mktemp("server"), binary=binary, config=config)
        try:
            server.start()
        except ServerFailed as error:
            if "tls" not in str(error):
                raise
            continue  # it was built without
        with server:
            yield port
        return
    pytest.skip("there is no server that speaks TLS")


@pytest.fixture
def secured(engine: Engine, port: int, certificates: Certificates, settings: Any) -> Any:
    """Let the default alias lead to that server by an address with the given words."""

    def lead(
        scheme: str = "rediss", host: str = "127.0.0.1", authority: str = "ours", **more: str
    ) -> str:
        query = {"ssl_check_hostname": "true"} | more
        if authority:
            query["ssl_ca_certs"] = certificates.path(f"{authority}.crt")
        words = "&".join(f"{name}={value}" for name, value in query.items())
        url = f"{scheme}://:{PASSWORD}@{host}:{port}/1" + (f"?{words}" if scheme != "redis" else "")
        settings.TASKS = {
            "default": {"BACKEND": BACKEND, "OPTIONS": {"URL": url, "STORE_IN_TESTS": True}}
        }
        return url

    return lead


def refusal() -> str:
    """Return what a caller is told; the password is not in it."""
    with pytest.raises(QueueUnavailable) as caught:
        get_engine("default").queues.names()
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


def test_jobs_run_over_tls(
    secured: Callable[..., str], worker_process: Callable[..., WorkerProcess]
) -> None:
    """Of a web process and a worker that trust the authority."""
    worker = worker_process("--processes", "1", TEST_REDIS_URL=secured())
    assert tasks.add.enqueue(1, 2).wait(PATIENCE) == 3
    assert worker.stop() == 0
    assert PASSWORD not in worker.output()
    assert [message.id for message in check_servers()] == ["jobqueue.W009"]


def test_log_in_may_stand_beside_the_url(secured: Callable[..., str], settings: Any) -> None:
    """It wins over one in the URL, and then nothing is left to warn of."""
    right = secured()
    for url in (right.replace(f":{PASSWORD}@", ""), right.replace(PASSWORD, "old")):
        options = {"URL": url, "USERNAME": "default", "PASSWORD": PASSWORD}
        settings.TASKS = {"default": {"BACKEND": BACKEND, "OPTIONS": options}}
        assert get_engine("default").queues.names() == ["default"]
        assert check_servers() == []


def test_by_cache(secured: Callable[..., str], settings: Any) -> None:
    """A cache's certificates are used for jobs too."""
    for authority in ("ours", "theirs"):
        url = secured(authority=authority)
        settings.CACHES = {"default": {"BACKEND": f"{DJANGO}.RedisCache", "LOCATION": url}}
        settings.TASKS = {"default": {"BACKEND": BACKEND}}
        if authority == "ours":
            assert get_engine("default").queues.names() == ["default"]
        else:
            assert "certificate is not trusted" in refusal()


@pytest.mark.parametrize(
    "given", [{"authority": "theirs"}, {"authority": ""}, {"host": "localhost"}], ids=str
)
def test_certificate_that_is_not_trusted_is_refused(
    secured: Callable[..., str], given: dict[str, str]
) -> None:
    """Of another authority, of none that the system knows, or made for another host."""
    secured(**given)
    told = refusal()
    assert "certificate verify failed" in told
    assert "certificate is not trusted: check ssl_ca_certs" in told
    login, message = check_servers()
    assert (login.id, message.id) == ("jobqueue.W009", "jobqueue.W004")
    assert PASSWORD not in message.msg


def test_worker_does_not_start_without_trust(
    secured: Callable[..., str], worker_process: Callable[..., WorkerProcess]
) -> None:
    """It says why and exits: waiting would not help."""
    worker = worker_process(TEST_REDIS_URL=secured(authority="theirs"))
    assert worker.wait() == 1
    assert "certificate is not trusted" in worker.output()
    assert PASSWORD not in worker.output()
    assert "Traceback" not in worker.output()


def test_port_for_tls_does_not_take_plain_words(secured: Callable[..., str]) -> None:
    """Nothing is stored by who forgot an s."""
    secured("redis")
    refusal()


def test_a_certificate_that_is_not_looked_at_is_told(
    secured: Callable[..., str], settings: Any
) -> None:
    """It works, so only the check tells; between processes of one machine it says nothing."""
    secured(authority="", ssl_cert_reqs="none", ssl_check_hostname="false")
    assert get_engine("default").queues.names() == ["default"]
    assert "jobqueue.W005" not in [message.id for message in check_servers()]
