"""What a kind of key is, and the kinds that limits, rates, fairness and workflows need."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of key, for the reference page and the tests."""

    type: str  # Redis type
    of: str  # meaning of <name>; empty: the alias has one such key
    holds: str
    until: str  # lifetime


FLOW_KINDS: dict[str, Kind] = {
    "parked": Kind(
        type="ZSET",
        of="key of a limit",
        holds="ids of the waiting jobs that found this key full; score as in queued",
        until="the job is admitted or cancelled",
    ),
    "places": Kind(
        type="ZSET",
        of="key of a limit",
        holds="ids of the running jobs of this key; score when they were claimed, in ms",
        until="the lease of the job is taken away",
    ),
    "older": Kind(
        type="ZSET",
        of="key of a limit",
        holds="ids of jobs that the next job of this key cancels; score (a number) in their order",
        until="a newer one was stored, or the job is trimmed or deleted",
    ),
    "awaited": Kind(
        type="ZSET",
        of="",
        holds="keys of limits with waiting jobs; score when maintenance looks next, in ms",
        until="maintenance finds that none waits",
    ),
    "starts": Kind(
        type="LIST",
        of="key of a rate",
        holds=(
            "the last starts of its jobs, the latest at its end: per entry its last start, when "
            "the rate would be used evenly until now (ms), and how many starts it stands for"
        ),
        until="twice the window of the rate, and a minute (TTL)",
    ),
    "rates": Kind(
        type="ZSET",
        of="",
        holds="keys of rates with waiting jobs; score when the next one is to be admitted, in ms",
        until="none waits",
    ),
    "fair": Kind(
        type="ZSET",
        of="queue",
        holds=(
            "of a queue that numbers fairly: priority, score of the last claim; <priority>:<key>, "
            "an empty key for jobs without; score of its last job, as in queued"
        ),
        until="the queue has no queued job",
    ),
    "workflow": Kind(
        type="HASH",
        of="workflow id",
        holds=(
            "state: staged until it is sealed, then running, succeeded, failed or cancelled; "
            "total: members; if_failed; keep (ms); output: whose results are its own, signed; "
            "created_at, ended_at (ms); cancel: why it is being cancelled; early: a member ended "
            "before the seal; unsealed: it ended without one; checked: at which open member the "
            "maintenance looks next"
        ),
        until="the longest retention after its end",
    ),
    "workflow-members": Kind(
        type="HASH",
        of="workflow id",
        holds=(
            "number of a member, or name of a callback → id of its job; name of an added member → "
            "its number"
        ),
        until="the workflow goes",
    ),
    "workflow-steps": Kind(
        type="HASH",
        of="workflow id",
        holds="number of a step → numbers of its first and its last member",
        until="the workflow goes",
    ),
    "workflow-open": Kind(
        type="ZSET",
        of="workflow id",
        holds="numbers of the members that have not ended; score the step that each one feeds",
        until="the workflow goes, or all have ended",
    ),
    "workflow-failed": Kind(
        type="ZSET",
        of="workflow id",
        holds="numbers of the members that ended without success; score the step that each feeds",
        until="the workflow goes",
    ),
    "workflow-results": Kind(
        type="HASH",
        of="workflow id",
        holds=(
            "number of a member that succeeded → version, signature and JSON of its result; added: "
            "there is a list of added members"
        ),
        until="the workflow goes",
    ),
    "workflow-added": Kind(
        type="LIST",
        of="workflow id",
        holds="added members, in their order: number of a group, number and name of the member",
        until="the workflow goes",
    ),
    "workflow-notes": Kind(
        type="ZSET",
        of="",
        holds=(
            "what is left to do for workflows: kind, workflow id and what the kind takes, joined "
            "by spaces; score when noted, in ms"
        ),
        until="it is done",
    ),
    "workflows": Kind(
        type="ZSET",
        of="",
        holds="ids of workflows; score when maintenance looks next, in ms",
        until="the workflow goes",
    ),
    "limits": Kind(
        type="HASH",
        of="",
        holds="path of a task → number and mode of each of its limits, as its workers have them",
        until="for ever",
    ),
}
