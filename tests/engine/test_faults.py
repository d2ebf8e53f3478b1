"""What each error of Redis means."""

import pytest
from redis import exceptions as errors
from redis._parsers.base import BaseParser

from django_jobqueue.engine import Engine
from django_jobqueue.engine.errors import (
    BY_WORD,
    CERTIFICATE,
    FORBIDDEN,
    LOGIN,
    MOVED,
    MOVING,
    REFUSED,
    UNREACHABLE,
    fault_of,
)
from tests.support import acl

WRAPPED = "ERR Error running script (call to f_1): @user_script:46: @user_script: 46: -"  # by 6.2
REPLIES = {
    "READONLY You can't write against a read only replica.": BY_WORD["READONLY"],
    "LOADING Redis is loading the dataset in memory": BY_WORD["LOADING"],
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": BY_WORD[
        "MASTERDOWN"
    ],
    "CLUSTERDOWN The cluster is down": BY_WORD["CLUSTERDOWN"],
    "MISCONF Redis is configured to save RDB snapshots": BY_WORD["MISCONF"],
    "OOM command not allowed when used memory > 'maxmemory'.": BY_WORD["OOM"],
    "UNBLOCKED force unblock from blocking operation": BY_WORD["UNBLOCKED"],
    "BUSY Redis is busy running a script.": BY_WORD["BUSY"],
    "NOREPLICAS Not enough good replicas to write.": BY_WORD["NOREPLICAS"],
    "TRYAGAIN Multiple keys request during rehashing of slot": MOVING,
    "ASK 3999 127.0.0.1:6381": MOVING,
    "MOVED 3999 127.0.0.1:6381": MOVED,
    "NOAUTH Authentication required.": LOGIN,
    "WRONGPASS invalid username-password pair": LOGIN,
    "NOPERM this user has no permissions to run the 'eval' command": FORBIDDEN,
    "ERR ACL failure in script: User u has no permissions to run the 'set' command": FORBIDDEN,
    "ERR The user executing the script can't run this command or subcommand": FORBIDDEN,
    "ERR Error running script: @user_script: 1: The user executing the script can't": FORBIDDEN,
    f"{WRAPPED}READONLY You can't write against a read only replica.": BY_WORD["READONLY"],
    f"{WRAPPED}OOM command not allowed when used memory > 'maxmemory'.": BY_WORD["OOM"],
    f"{WRAPPED}MISCONF Redis is configured to save RDB snapshots": BY_WORD["MISCONF"],
    f"{WRAPPED}NOREPLICAS Not enough good replicas to write.": BY_WORD["NOREPLICAS"],
    f"{WRAPPED}WRONGTYPE Operation against a key holding the wrong kind of value": REFUSED,
    "ERR unknown command": REFUSED,
    "WRONGTYPE Operation against a key holding the wrong kind of value": REFUSED,
}


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: " ".join(reply.split()[:4]))
def test_reply_is_known_by_class_or_text(reply: str) -> None:
    """As this redis-py reads it, and as one reads it that has no class for it."""
    assert fault_of(BaseParser.parse_error(reply)) == REPLIES[reply]
    assert fault_of(errors.ResponseError(reply)) == REPLIES[reply]


@pytest.mark.parametrize(
    "error", [errors.ConnectionError("Connection refused"), errors.TimeoutError("Timeout")]
)
def test_silence_means_away(error: errors.RedisError) -> None:
    """Whatever the reason, another server may have taken over."""
    assert fault_of(error) == UNREACHABLE
    assert UNREACHABLE.server_may_have_changed


def test_certificate_that_is_not_trusted_is_told() -> None:
    """It is no server that is down: waiting does not help."""
    text = "Error 1 connecting to h:1. [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"
    assert fault_of(errors.ConnectionError(text)) == CERTIFICATE
    assert not CERTIFICATE.passing


def test_what_a_failover_says_leads_elsewhere() -> None:
    """And nothing else does: a full server is still the right one."""
    elsewhere = {word for word, fault in BY_WORD.items() if fault.server_may_have_changed}
    assert elsewhere == {
        "CLUSTERDOWN",
        "MASTERDOWN",
        "MOVED",
        "NOREPLICAS",
        "READONLY",
        "UNBLOCKED",
    }


def test_only_log_in_needs_a_change() -> None:
    """Everything else may pass by itself, so a worker waits."""
    lasting = {word for word, fault in BY_WORD.items() if not fault.passing}
    assert lasting == {"NOAUTH", "NOPERM", "WRONGPASS"}


WRITES = "return redis.call('SET', KEYS[1], '1')"
# The user of the docs may not ask for the number of a connection.
asks_for_numbers = pytest.mark.skipif(acl.WANTED, reason="CLIENT is an administrator's command")


@asks_for_numbers
@pytest.mark.parametrize("words", [("SET", "x", "1"), ("EVAL", WRITES, 1, "x")])
def test_demoted_server_is_left(engine: Engine, words: tuple[str | int, ...]) -> None:
    """READONLY: the next command takes a new connection, which may lead to another server."""
    far = engine.client
    client = engine.client.redis
    before = far.execute("CLIENT", "ID")
    assert far.execute("CLIENT", "ID") == before
    client.replicaof("127.0.0.1", "1")
    try:
        with pytest.raises(errors.ResponseError, match="can't write against a read only replica"):
            far.execute(*words)
        assert far.execute("CLIENT", "ID") != before
    finally:
        client.replicaof("NO", "ONE")
        far.close()


@asks_for_numbers
def test_refusal_keeps_the_connection(engine: Engine) -> None:
    """Its reply was read to the end."""
    far = engine.client
    before = far.execute("CLIENT", "ID")
    with pytest.raises(errors.ResponseError):
        far.execute("NO-SUCH-COMMAND")
    assert far.execute("CLIENT", "ID") == before
    far.close()


@asks_for_numbers
def test_one_broken_connection_ends_all_idle_ones(engine: Engine) -> None:
    """A server that restarted costs one failed try, not one for each idle connection."""
    far = engine.client
    ids = [far.execute("CLIENT", "ID")]
    held = [far.sockets.idle.pop()]  # in use by another thread
    ids.append(far.execute("CLIENT", "ID"))
    far.sockets.idle.extend(held)
    for client_id in ids:
        engine.client.redis.client_kill_filter(_id=client_id)

    assert far.execute("CLIENT", "ID") not in ids
    assert len(far.sockets.idle) == 1
    far.close()
