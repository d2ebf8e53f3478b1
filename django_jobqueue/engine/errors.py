"""Map Redis errors to advice for people, and to whether another server may be in charge.

redis-py has a class for some error replies and only the text for others, depending on its
version, so a reply is recognised by its class or by its first word.
"""

import re
from typing import Any, NamedTuple

from redis import exceptions as redis_errors
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

NO_RETRY = Retry(NoBackoff(), 0)


class Fault(NamedTuple):
    """One kind of error."""

    advice: str
    passing: bool = True  # it may end without a change of settings or code
    server_may_have_changed: bool = False  # another server may be in charge now: find it again


UNREACHABLE = Fault(
    "Is the server running, and OPTIONS['URL'] or OPTIONS['CACHE'] right?",
    server_may_have_changed=True,
)
REFUSED = Fault("The command was refused.")
CERTIFICATE = Fault(
    "Its certificate is not trusted: check ssl_ca_certs in OPTIONS['URL'], and the host's name.",
    passing=False,
    server_may_have_changed=True,
)
LOGIN = Fault(
    "Check user, password and ACL of the configured Redis. If they were changed, restart this "
    "process with the new ones.",
    passing=False,
)
FORBIDDEN = Fault(
    "The ACL of the Redis user forbids it: give it the rights that the page Secure Redis of the "
    "documentation lists.",
    passing=False,
)
REPLICA = Fault(
    "The server is a replica: after a failover the master is another.", server_may_have_changed=True
)
MOVED = Fault(
    "Another node of the cluster owns these keys. If that goes on, set OPTIONS['CLUSTER'].",
    server_may_have_changed=True,
)
MOVING = Fault("The cluster is moving these keys to another node: they can be used after that.")

BY_WORD = {
    "ASK": MOVING,
    "BUSY": Fault("Somebody's script keeps the server from answering."),
    "CLUSTERDOWN": Fault(
        "No node of the cluster owns these keys now.", server_may_have_changed=True
    ),
    "LOADING": Fault("The server is loading its data."),
    "MASTERDOWN": REPLICA,
    "MISCONF": Fault("The server can't write to its disk, so it takes no writes."),
    "MOVED": MOVED,
    "NOAUTH": LOGIN,
    "NOPERM": FORBIDDEN,
    # A master that was cut off or demoted replies so until it learns of its new role.
    "NOREPLICAS": Fault(
        "The server has fewer replicas than its min-replicas-to-write.",
        server_may_have_changed=True,
    ),
    "OOM": Fault("The server is full (maxmemory): it takes new jobs when there is room."),
    "READONLY": REPLICA,
    "TRYAGAIN": MOVING,
    "UNBLOCKED": REPLICA,
    "WRONGPASS": LOGIN,
}
# The error of a script that may not run a command or touch a key: since Redis 7.2, and before.
_DENIED = ("ACL failure in script", "The user executing the script can't")
# Redis before 7 wraps the error of a command in a script like this.
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
    """Return the fault that an error of redis-py stands for."""
    for kind, word in _WORD_OF_CLASS:
        if isinstance(error, kind):
            return BY_WORD[word]
    text = str(error)
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError):
        return CERTIFICATE if "CERTIFICATE_VERIFY_FAILED" in text else UNREACHABLE
    if any(words in text for words in _DENIED):
        return FORBIDDEN
    wrapped = _IN_SCRIPT.search(text)
    return BY_WORD.get(wrapped[1] if wrapped else text.partition(" ")[0], REFUSED)


def mark_sent(error: Any) -> None:
    """Mark an error after which nobody knows whether the server has run the command."""
    error.was_sent = True


def was_sent(error: BaseException) -> bool:
    return getattr(error, "was_sent", False)


def strip_arguments(error: RedisError) -> None:
    """Remove a command's arguments from an error's text if the server quotes them.

    An old server or a proxy that does not know HELLO quotes the password, which would be logged.
    """
    text, quoted, _ = str(error).partition(", with args beginning with")
    if quoted:
        error.args = (f"{text}.",)
