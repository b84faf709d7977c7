"""Methods side by side: trained for one budget, tested on the same degraded faces, in one table."""

from rainrestore.benchmark.spec import Benchmark, Method, Task, load_benchmark

__all__ = ['Benchmark', 'Method', 'Task', 'load_benchmark']
