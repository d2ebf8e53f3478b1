"""The queues that are measured, this one first."""

from benchmarks.peers import celery, dramatiq, huey, jobqueue, rq, taskiq, vtasks

PEERS = {
    peer.name: peer
    for peer in (
        jobqueue.PEER,
        huey.PEER,
        vtasks.PEER,
        taskiq.PEER,
        dramatiq.PEER,
        celery.PEER,
        rq.PEER,
        rq.SIMPLE,
    )
}
