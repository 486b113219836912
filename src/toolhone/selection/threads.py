"""Keeps numpy's threads out of the encoder's way."""

from contextlib import AbstractContextManager


def products_in_one_thread() -> AbstractContextManager[object]:
    """numpy's own threads are not used from here until the exit, which must be in the same thread.

    They spin while they wait for the next product, and so take the core that the encoder needs: with them a
    question to 2,500 tools takes 22 ms instead of 13 on two cores (`python benchmarks/scale.py`).
    """
    # Late, because it is only needed once numpy is there. Not in a worker thread: who limits must give back.
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")
