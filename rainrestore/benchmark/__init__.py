"""Comparison of methods, trained with the same budget and tested on the same degraded faces."""

from rainrestore.benchmark.spec import Benchmark, Method, Task, load_benchmark

__all__ = ['Benchmark', 'Method', 'Task', 'load_benchmark']
