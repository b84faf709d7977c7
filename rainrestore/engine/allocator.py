"""Settings of the memory allocator of the C library."""

import ctypes

#: Options of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Let this process reuse freed memory instead of returning it to the kernel.

    glibc returns a large freed block to the kernel. The kernel then maps and clears the next block of this size page by
    page. A training step frees all its activations, so this repeats in every step. With this setting the process keeps
    its peak memory until it ends. The setting is global for the process, so only commands use it, not library calls.

    Returns:
        Whether the setting was applied. False without glibc (macOS, Windows, musl).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, TypeError, OSError):
        # No mallopt, or no C library to load (Windows).
        return False
    done = [mallopt(option, value) for option, value in ((M_TRIM_THRESHOLD, -1), (M_MMAP_MAX, 0))]
    return all(done)
