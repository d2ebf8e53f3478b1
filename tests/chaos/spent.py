"""What the server says of its work, added up over its lives."""

from dataclasses import dataclass

from tests.support.servers import TcpServer


@dataclass(slots=True)
class Spent:
    """Script calls and their time; a server forgets both when it is killed."""

    calls: int = 0
    microseconds: int = 0
    slowest: int = 0  # microseconds of the slowest command but DEBUG; 0: none above 1 ms

    def add(self, server: TcpServer) -> None:
        """Take what a server has counted since it started; call it just before its end."""
        stats = server.info("commandstats").get("cmdstat_evalsha", {})
        self.calls += int(stats.get("calls", 0))
        self.microseconds += int(stats.get("usec", 0))
        for entry in server.client.slowlog_get(1000):
            if not entry["command"].upper().startswith(b"DEBUG"):
                self.slowest = max(self.slowest, int(entry["duration"]))

    @property
    def per_call(self) -> float:
        """Return microseconds per script call."""
        return self.microseconds / self.calls if self.calls else 0.0
