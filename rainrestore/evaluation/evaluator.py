"""An evaluator for the metrics of this package and of mmagic, in mmengine's validation and test loops."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.evaluator import BaseMetric, Evaluator
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from torch.utils.data import DataLoader

from rainrestore.errors import ConfigError
from rainrestore.evaluation.metrics import SampleMetric, write_csv
from rainrestore.optional import optional_import
from rainrestore.registry import EVALUATOR, METRICS

MMAGIC_SCOPE = 'mmagic.'


@EVALUATOR.register_module()
class RestorationEvaluator(Evaluator):
    """Computes metrics of this package, of mmengine and of mmagic (``type='mmagic.NIQE'``) together.

    mmagic's metrics are written for its own evaluator and loops. They need the number of images before ``evaluate``,
    the network and the data loader before a run, and the generated image under ``fake_img``, and they assume BGR. This
    evaluator provides all of this. If two metrics have the same key, such as ``PSNR`` and ``mmagic.PSNR``, one of them
    needs a ``prefix``.

    Args:
        metrics: Configs or instances.
        per_image: CSV file for the values of each image, with a column for each metric that scores single images.

    Raises:
        MissingPackageError: A config names a metric of mmagic, and mmagic is not installed.
    """

    def __init__(
        self,
        metrics: Mapping[str, Any] | BaseMetric | Sequence[Mapping[str, Any] | BaseMetric],
        per_image: str | None = None,
    ) -> None:
        listed = [metrics] if isinstance(metrics, (Mapping, BaseMetric)) else metrics
        super().__init__([metric if isinstance(metric, BaseMetric) else _build(metric) for metric in listed])
        self.per_image = Path(per_image) if per_image else None

    def prepare_metrics(self, module: nn.Module, dataloader: DataLoader) -> None:
        """Pass the network and the data loader to mmagic's metrics; called by ``PrepareMetricsHook``."""
        for metric in self.metrics:
            if hasattr(metric, 'prepare'):
                metric.prepare(module, dataloader)

    def process(self, data_samples: Sequence[Any], data_batch: Any = None) -> None:
        """Pass one batch of predictions to each metric; metrics without ``on_device`` get them on the CPU."""
        samples = [sample if isinstance(sample, Mapping) else sample.to_dict() for sample in data_samples]
        on_cpu = tree_map_only(Tensor, Tensor.cpu, samples)
        generated = [_as_generated(sample) for sample in on_cpu]
        for metric in self.metrics:
            inputs = samples if getattr(metric, 'on_device', False) else on_cpu
            # A generative metric of mmagic.
            metric.process(data_batch, generated if hasattr(metric, 'fake_nums') else inputs)

    def evaluate(self, size: int) -> dict[str, float]:
        """Compute the metrics of the ``size`` images since the last call, and write the per-image file if set.

        Raises:
            ConfigError: Two metrics have the same key.
        """
        values: dict[str, float] = {}
        for metric in self.metrics:
            if 'size' in inspect.signature(metric.evaluate).parameters:
                found = metric.evaluate(size)
            else:
                metric.size = size
                found = metric.evaluate()
            if twice := values.keys() & found.keys():
                raise ConfigError(
                    f'two metrics have the key {sorted(twice)[0]!r}; set prefix for {type(metric).__name__}'
                )
            # Some metrics of mmagic return tensors, which JSON and loggers cannot write as numbers.
            values.update({key: value.item() if hasattr(value, 'item') else value for key, value in found.items()})
        if self.per_image is not None and is_main_process():
            self._write_per_image(self.per_image)
        return values

    def _write_per_image(self, path: Path) -> None:
        columns = {metric.key: metric.per_image for metric in self.metrics if isinstance(metric, SampleMetric)
                   and any(value == value for _, value in metric.per_image)}  # fmt: skip
        images = zip(*columns.values(), strict=True)
        write_csv(path, list(columns), [(image[0][0], [value for _, value in image]) for image in images])


def _build(config: Mapping[str, Any]) -> BaseMetric:
    if str(config.get('type')).startswith(MMAGIC_SCOPE):
        # mmengine finds a scope only after its package is imported.
        optional_import('mmagic.evaluation', config['type'])
    metric = METRICS.build(dict(config))
    if getattr(metric, 'channel_order', None) == 'BGR':
        # mmagic assumes BGR; images are RGB in this package, and the luma depends on the order.
        metric.channel_order = 'RGB'
    return metric


def _as_generated(sample: Mapping[str, Any]) -> dict[str, Any]:
    output = sample.get('output', {})
    return {**sample, 'fake_img': output['pred_img']} if 'pred_img' in output else dict(sample)
