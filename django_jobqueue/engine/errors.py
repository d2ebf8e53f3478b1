"""What the errors of Redis mean: who can cure them, and whether the server is still the right one.

redis-py has a class for some error replies and the bare text for others; which ones depends
on its version, so a reply is known by its class or by its first word.
"""

import re
from typing import NamedTuple

from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

ONCE = Retry(NoBackoff(), 0)  # of who has better to do after an error than the same again


class Fault(NamedTuple):
    """One kind of error."""

    advice: str
    passing: bool = True  # it may end without a change of settings or code
    elsewhere: bool = False  # another server may be in charge now: find it again


AWAY = Fault("Is the server running, and OPTIONS['URL'] or OPTIONS['CACHE'] right?", elsewhere=True)
REFUSED = Fault("The command was refused.")
CERTIFICATE = Fault(
    "Its certificate is not trusted: check ssl_ca_certs in OPTIONS['URL'], and the host's name.",
    passing=False,
    elsewhere=True,
)
LOGIN = Fault("Check user, password and ACL of the configured Redis.", passing=False)
REPLICA = Fault("The server is a replica: after a failover the master is another.", elsewhere=True)
MOVED = Fault(
    "Another node of the cluster owns these keys. If that goes on, set OPTIONS['CLUSTER'].",
    elsewhere=True,
)
MOVING = Fault("The cluster is moving these keys to another node: they can be used after that.")

BY_WORD = {
    "ASK": MOVING,
    "BUSY": Fault("Somebody's script keeps the server from answering."),
    "CLUSTERDOWN": Fault("No node of the cluster owns these keys now.", elsewhere=True),
    "LOADING": Fault("The server is loading its data."),
    "MASTERDOWN": REPLICA,
    "MISCONF": Fault("The server can't write to its disk, so it takes no writes."),
    "MOVED": MOVED,
    "NOAUTH": LOGIN,
    "NOPERM": LOGIN,
    # A master that was cut off or demoted says so before it knows more.
    "NOREPLICAS": Fault(
        "The server has fewer replicas than its min-replicas-to-write.", elsewhere=True
    ),
    "OOM": Fault("The server is full (maxmemory): it takes new jobs when there is room."),
    "READONLY": REPLICA,
    "TRYAGAIN": MOVING,
    "UNBLOCKED": REPLICA,
    "WRONGPASS": LOGIN,
}
# What a script that may not run a command or touch a key says: since 7.2, and before.
_DENIED = ("ACL failure in script", "The user executing the script can't")
# How Redis before 7 wraps what a command in a script is told.
_IN_SCRIPT = re.compile(r"@user_script: \d+: -?([A-Z]+) ")
# Subclasses before their bases.
_WORD_OF_CLASS: tuple[tuple[type[RedisError], str], ...] = (
    (redis_errors.AuthenticationError, "NOAUTH"),
    (redis_errors.AuthorizationError, "NOPERM"),
    (redis_errors.NoPermissionError, "NOPERM"),
    (redis_errors.BusyLoadingError, "LOADING"),
    (redis_errors.ReadOnlyError, "READONLY"),
    (redis_errors.OutOfMemoryError, "OOM"),
    (redis_errors.MasterDownError, "MASTERDOWN"),
    (redis_errors.ClusterDownError, "CLUSTERDOWN"),
    (redis_errors.TryAgainError, "TRYAGAIN"),
    (redis_errors.MovedError, "MOVED"),
    (redis_errors.AskError, "ASK"),
)


def fault_of(error: RedisError) -> Fault:
    """Return what an error of redis-py means."""
    for kind, word in _WORD_OF_CLASS:
        if isinstance(error, kind):
            return BY_WORD[word]
    text = str(error)
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError):
        return CERTIFICATE if "CERTIFICATE_VERIFY_FAILED" in text else AWAY
    if any(words in text for words in _DENIED):
        return LOGIN
    wrapped = _IN_SCRIPT.search(text)
    return BY_WORD.get(wrapped[1] if wrapped else text.partition(" ")[0], REFUSED)


def unquote(error: RedisError) -> None:
    """Take a command's arguments out of an error's text, where it is the server that quotes them.

    One that does not know HELLO, because it is old or a proxy, would have us log the password.
    """
    text, quoted, _ = str(error).partition(", with args beginning with")
    if quoted:
        error.args = (f"{text}.",)
