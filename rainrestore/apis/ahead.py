"""Stages of a pipeline that overlap: a thread works ahead of whoever takes its results, by a bounded number."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar('T')

#: In seconds: how often a thread that waits for room looks whether it should stop.
LOOK = 0.1


def ahead(source: Iterable[T], size: int) -> Generator[T, None, None]:
    """The items of ``source``, made in a thread that is at most ``size`` items ahead.

    An error of ``source`` is raised where its item would have been. When the iterator is closed, the thread ends and
    closes ``source``.

    Args:
        source: The items to produce in the thread.
        size: How many items wait at most; one more is in the making.
    """
    made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(size)
    stop, done = threading.Event(), StopIteration()

    def put(item: T | None, error: BaseException | None = None) -> bool:
        while not stop.is_set():
            try:
                made.put((item, error), timeout=LOOK)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in source:
                if not put(item):
                    break
            put(None, done)
        except BaseException as error:  # noqa: BLE001  (an interruption as well: it belongs to the thread that waits)
            put(None, error)
        finally:
            if close := getattr(source, 'close', None):
                close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is done:
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stop.set()
        thread.join()
