"""Pipeline stages in threads, with a bounded number of items ahead."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar('T')


def ahead(source: Iterable[T], size: int) -> Generator[T, None, None]:
    """Iterate over ``source`` in a thread that is ``size`` items ahead of the consumer.

    An error of ``source`` is raised in the place of its item. When the iterator is closed, the thread ends, and
    ``source`` is closed.

    Args:
        source: The items.
        size: Number of items that wait or are in progress, at least 1.
    """
    items, end = iter(source), object()
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Any]] = deque(pool.submit(next, items, end) for _ in range(size))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(pool.submit(next, items, end))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)
            if close := getattr(source, 'close', None):
                close()
