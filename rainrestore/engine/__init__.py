"""Training and testing: loops, optimiser wrappers, hooks."""

# Registers with mmengine how a run reads checkpoints.
from rainrestore import checkpoints
from rainrestore.engine.data_parallel import RestorerDataParallel
from rainrestore.engine.guard import FiniteLossHook
from rainrestore.engine.loop import ResumableTrainLoop
from rainrestore.engine.metric_hook import PrepareMetricsHook
from rainrestore.engine.optim import AutocastOptimWrapper, SlotOptimWrapperConstructor
from rainrestore.engine.resuming import CompareCheckpointHook
from rainrestore.engine.saving import WholeCheckpointHook
from rainrestore.engine.signals import StopSignalHook
from rainrestore.engine.watch import TrainingWatchHook

# Registered among the hooks with the other parts of a run.
from rainrestore.visualization import RestorationSheetHook

__all__ = [
    'AutocastOptimWrapper',
    'CompareCheckpointHook',
    'FiniteLossHook',
    'PrepareMetricsHook',
    'RestorationSheetHook',
    'RestorerDataParallel',
    'ResumableTrainLoop',
    'SlotOptimWrapperConstructor',
    'StopSignalHook',
    'TrainingWatchHook',
    'WholeCheckpointHook',
    'checkpoints',
]
