"""Training and testing: loops, optimiser wrappers, hooks."""

# Registers the checkpoint loader with mmengine.
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

# Imported to register the hook.
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
