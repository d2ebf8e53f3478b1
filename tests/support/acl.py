"""The Redis user whom docs/how-to/secure-redis.md makes, for servers of tests.

With TEST_REDIS_ACL=1 the whole suite runs as this user: the engines of the tests and all their
worker processes. What a test does to the server by hand (FLUSHALL, CONFIG SET, looking at keys)
it does as the administrator, through the client that `hands` puts in the engine's place.
"""

import os
import re
from pathlib import Path
from typing import Any

from redis import Redis

PAGE = Path(__file__).parent.parent.parent / "docs" / "how-to" / "secure-redis.md"
WANTED = os.environ.get("TEST_REDIS_ACL", "") not in ("", "0")

_LINES = re.findall(r"^( *)ACL SETUSER (\w+) (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
(USER,) = {user for _, user, _ in _LINES}
# The lines for everybody; those in a list are for some servers only.
RULES = [word for indent, _, words in _LINES if not indent for word in words.split()]
FOR_NEWER, FOR_CLUSTER = [words.split() for indent, _, words in _LINES if indent]
(PASSWORD,) = (word[1:] for word in RULES if word.startswith(">"))
LOGIN = f"{USER}:{PASSWORD}@"
PREFIXES = ("~other:*",)  # what tests of OPTIONS["PREFIX"] use besides


def commands(rules: list[str]) -> set[str]:
    """Return the commands that rules allow, as the server writes them."""
    return {rule[1:] for rule in rules if rule.startswith("+")}


def grant(administrator: Redis, *, cluster: bool = False) -> None:
    """Make the user as the page says for this server."""
    info: Any = administrator.info("server")
    newer = tuple(int(part) for part in info["redis_version"].split(".")[:2]) >= (7, 2)
    extras = [*(FOR_NEWER if newer else []), *(FOR_CLUSTER if cluster else [])]
    administrator.execute_command("ACL", "SETUSER", USER, *RULES, *extras)


def directive() -> str:
    """Return the rules for the option `user` of a server."""
    return " ".join([USER, *RULES, *PREFIXES])


class Hands(Redis):
    """An engine's client for a test: pipelines are the engine's, all else is an administrator's."""

    administrator: Redis

    def execute_command(self, *words: Any, **options: Any) -> Any:
        return self.administrator.execute_command(*words, **options)


def hands(client: Redis) -> Redis:
    """Return a client for tests in the place of one that is logged in as the user."""
    pool = client.connection_pool
    given = pool.connection_kwargs
    if given.get("username") != USER:
        return client
    found = Hands(connection_pool=pool)
    place = {"path": "unix_socket_path", "host": "host", "port": "port", "db": "db"}
    found.administrator = Redis(**{place[key]: given[key] for key in place if key in given})
    return found


def many(client: Redis) -> Any:
    """Return a pipeline for what a test asks by hand."""
    return getattr(client, "administrator", client).pipeline(transaction=False)
