"""Pipeline stages in threads, with a bounded number of waiting items."""

import atexit
import queue
import threading
import weakref
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar('T')

#: Interval in seconds at which a waiting thread checks whether it must stop.
CHECK = 0.1
#: Time in seconds that the interpreter waits for each thread at its end.
PATIENCE = 10.0

#: The running threads with their stop events.
_running: weakref.WeakKeyDictionary[threading.Thread, threading.Event] = weakref.WeakKeyDictionary()


@atexit.register
def _stop_all() -> None:
    """Stop the threads before the interpreter ends. A thread that still computes would abort the process."""
    for thread, stop in list(_running.items()):
        stop.set()
        thread.join(PATIENCE)


def ahead(source: Iterable[T], size: int) -> Generator[T, None, None]:
    """Iterate over ``source`` in a thread that is at most ``size`` items ahead of the consumer.

    An error of ``source`` is raised in the place of its item. When the iterator is closed, the thread ends and closes
    ``source``.

    Args:
        source: The items.
        size: Greatest number of waiting items, without the item in progress.
    """
    made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(size)
    stop, done = threading.Event(), StopIteration()

    def put(item: T | None, error: BaseException | None = None) -> bool:
        while not stop.is_set():
            try:
                made.put((item, error), timeout=CHECK)
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
        except BaseException as error:  # noqa: BLE001  (also interruptions: the waiting thread must raise them)
            put(None, error)
        finally:
            if close := getattr(source, 'close', None):
                close()

    thread = threading.Thread(target=work, daemon=True)
    _running[thread] = stop
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
