"""How a run is driven: optimiser wrappers, hooks, checkpoint files."""

from rainrestore.engine import checkpoints
from rainrestore.engine.metric_hook import PrepareMetricsHook
from rainrestore.engine.optim import AutocastOptimWrapper, SlotOptimWrapperConstructor

# Registered among the hooks with the other parts of a run.
from rainrestore.visualization import RestorationSheetHook

__all__ = [
    'AutocastOptimWrapper',
    'PrepareMetricsHook',
    'RestorationSheetHook',
    'SlotOptimWrapperConstructor',
    'checkpoints',
]
