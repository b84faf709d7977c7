"""The component registries of scope ``rainrestore``.

Each is a child of mmengine's registry of the same kind, so that a config may name a part of this package
(``type='HRRM'``), of mmengine (``type='CheckpointHook'``) or of another OpenMMLab package (``type='mmagic.RRDBNet'``).
A registry imports the rooms that hold its parts (``locations``) at the first build, not at ``import rainrestore``.
"""

from mmengine import registry as _root

SCOPE = 'rainrestore'


def _child(parent: _root.Registry, *rooms: str) -> _root.Registry:
    locations = [f'rainrestore.{room}' for room in rooms]
    return _root.Registry(parent.name, parent=parent, scope=SCOPE, locations=locations)


MODELS = _child(_root.MODELS, 'models')
DATASETS = _child(_root.DATASETS, 'datasets')
TRANSFORMS = _child(_root.TRANSFORMS, 'datasets')
METRICS = _child(_root.METRICS, 'evaluation')
EVALUATOR = _child(_root.EVALUATOR, 'evaluation')
HOOKS = _child(_root.HOOKS, 'engine')
LOOPS = _child(_root.LOOPS, 'engine')
OPTIM_WRAPPERS = _child(_root.OPTIM_WRAPPERS, 'engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(_root.OPTIM_WRAPPER_CONSTRUCTORS, 'engine')
VISUALIZERS = _child(_root.VISUALIZERS, 'visualization')
VISBACKENDS = _child(_root.VISBACKENDS, 'visualization')
OPTIMIZERS = _child(_root.OPTIMIZERS, 'engine')
PARAM_SCHEDULERS = _child(_root.PARAM_SCHEDULERS, 'engine')
DATA_SAMPLERS = _child(_root.DATA_SAMPLERS, 'datasets')
FUNCTIONS = _child(_root.FUNCTIONS, 'datasets')
RUNNERS = _child(_root.RUNNERS, 'engine')
RUNNER_CONSTRUCTORS = _child(_root.RUNNER_CONSTRUCTORS, 'engine')
LOG_PROCESSORS = _child(_root.LOG_PROCESSORS, 'engine')
MODEL_WRAPPERS = _child(_root.MODEL_WRAPPERS, 'engine')
WEIGHT_INITIALIZERS = _child(_root.WEIGHT_INITIALIZERS, 'models')
STRATEGIES = _child(_root.STRATEGIES, 'engine')
#: What finds faces in photos. mmengine has no registry of this kind.
FACE_DETECTORS = _root.Registry('face detector', scope=SCOPE, locations=['rainrestore.faces'])
