"""The ledger: the rows in the database of durable jobs, which Redis can't lose.

outbox.py writes a row with each enqueue, runs.py follows the runs of its job, settling.py ends the
rows of jobs that ended without a slot, rounds.py requeues and cancels, and reconciling.py stores
again what Redis has lost. record.py has what a row holds.
"""
