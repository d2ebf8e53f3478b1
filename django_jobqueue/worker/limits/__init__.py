"""Time-outs and cancellation of runs: a run is interrupted first and killed after a grace.

1. The executor computes the run's `Limits`. `Interrupt.on` (interrupt.py) writes them and the id of
   the run into memory that the slot shares with the supervisor (shared_state.py).
2. The supervisor compares the limits with the clock in `Enforcer` (enforcer.py). The reply to the
   heartbeat (worker/heartbeat.py) reports cancelled jobs and lost leases.
3. When a limit is reached, the supervisor writes the reason into the shared memory and sends
   INTERRUPT_SIGNAL of interrupt.py (worker/child.py sends it). In the slot, `Interrupt.deliver`
   raises JobTimeout or JobCancelled in the task, or cancels its coroutine. The executor derives the
   run's result from the exception.
4. The supervisor kills a run that continues after its grace, or has `stop_on_lease_loss` and may
   have lost its lease (kill.py). It kills a stopped process that is still at that run.
5. The supervisor finishes the run with the result of the `Kill` (`Child.release_jobs`). If the kill
   has no result, the job is recovered, as after any lost process.
"""
