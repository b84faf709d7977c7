"""How the C library keeps freed memory."""

import ctypes

#: mallopt's names of its options, in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for the tensors of the next step.

    glibc hands a large block back to the kernel when it is freed; the next block of that size is mapped and cleared
    page by page again. A training step frees all its activations, so this repeats in every step. With this setting the
    process keeps its peak memory until it ends. The setting holds for the whole process, so commands set it and library
    calls do not.

    Returns:
        Whether it was done: not where the C library is another one (macOS, Windows, musl).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        # no such function; no C library to be named so (Windows)
        return False
    done = [mallopt(option, value) for option, value in ((M_TRIM_THRESHOLD, -1), (M_MMAP_MAX, 0))]
    return all(done)
