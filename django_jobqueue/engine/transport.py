"""Find unsafe connections to the server, for `manage.py check --deploy`."""

import ipaddress
import ssl
from collections.abc import Iterator

from redis import ConnectionPool
from redis.connection import SSLConnection


def exposures(pool: ConnectionPool) -> Iterator[str]:
    """Yield what others can read or forge between here and the server, as ends of a sentence."""
    given = pool.connection_kwargs
    if given.get("path") or (_is_here(given.get("host")) and not hasattr(pool, "service_name")):
        return
    if not issubclass(pool.connection_class, SSLConnection):
        secret = given.get("password") or given.get("credential_provider")
        what = "the password and all jobs" if secret else "all jobs"
        yield f"{what} go over the network without encryption"
    elif given.get("ssl_cert_reqs", "required") in (None, "none", ssl.CERT_NONE):
        yield "TLS does not look at the server's certificate, so anybody can pose as the server"


def _is_here(host: object) -> bool:
    """Return whether a host name means this machine."""
    name = str(host or "localhost")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
