"""The thread that computes ahead: order, bounded queue, errors at the correct item, and the end of the thread."""

import subprocess
import sys
import threading
import time

import pytest

from rainrestore.apis.ahead import ahead


def test_items_are_returned_in_order() -> None:
    assert list(ahead(range(100), 3)) == list(range(100))
    assert list(ahead([], 1)) == []


def test_queue_size_bounds_the_items_ahead() -> None:
    made = []

    def numbers():
        for number in range(20):
            made.append(number)
            yield number

    taken = ahead(numbers(), 4)
    assert next(taken) == 0
    time.sleep(0.3)
    assert 2 <= len(made) <= 6  # one item is taken, four wait, one is being computed
    assert list(taken) == list(range(1, 20))


@pytest.mark.parametrize('kind', [ValueError, KeyboardInterrupt])
def test_error_is_raised_after_the_earlier_items(kind) -> None:
    def two():
        yield 1
        yield 2
        raise kind('third')

    taken = ahead(two(), 5)
    assert next(taken) == 1 and next(taken) == 2
    with pytest.raises(kind, match='third'):
        next(taken)


def test_stages_overlap() -> None:
    """Three stages of 20 ms take little more time than one."""

    def slow(items):
        for item in items:
            time.sleep(0.02)
            yield item

    begin = time.perf_counter()
    assert list(slow(ahead(slow(ahead(slow(range(20)), 2)), 2))) == list(range(20))
    assert time.perf_counter() - begin < 0.85 * 3 * 20 * 0.02


def test_closing_ends_the_threads_and_closes_the_sources() -> None:
    closed = []

    def source():
        try:
            yield from iter(int, 1)
        finally:
            closed.append(True)

    before = threading.active_count()
    taken = ahead(ahead(source(), 2), 2)
    assert next(taken) == 0
    taken.close()
    assert closed == [True] and threading.active_count() == before


def test_interpreter_exits_cleanly_while_a_thread_computes() -> None:
    script = (
        'import torch\nfrom rainrestore.apis.ahead import ahead\n'
        'def products():\n'
        '    a = torch.rand(300, 300)\n'
        '    while True:\n'
        '        for _ in range(20): a = torch.nn.functional.normalize(a @ a)\n'
        '        yield a\n'
        'taken = ahead(products(), 2)\nnext(taken)\n'
    )
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
