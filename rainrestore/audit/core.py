"""The audit of a trained model: the contribution of each part."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn
from torch.utils.data import Dataset

from rainrestore.audit.ablation import SlotAudit, audit_slots
from rainrestore.audit.discriminators import (
    ALL,
    GENERATOR,
    IMAGE,
    DiscriminatorsAudit,
    audit_discriminators,
    has_discriminators,
)
from rainrestore.audit.faces import Scorer, TestFaces, predict
from rainrestore.audit.layers import LayersAudit, audit_layers
from rainrestore.audit.maps import MapsAudit, audit_maps, predicts_maps, training_means
from rainrestore.checkpoints import load_checkpoint, load_weights
from rainrestore.datasets.face_dataset import resolve_data_root
from rainrestore.device import find_device
from rainrestore.engine.config import build_model
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.registry import DATASETS

#: Default number of faces of :func:`cheap_audit`.
CHEAP_FACES = 50


@dataclass(frozen=True)
class Audit:
    """The contribution of each part of a model.

    Attributes:
        name: Name of the model.
        data: Folder of the faces.
        faces: Number of test faces.
        scores: Mean scores of the model.
        slots: The gains and the constant outputs of each slot.
        layers: Small layers, and those without effect.
        maps: Accuracy of parsing and rain maps; None if the model predicts neither.
        discriminators: Accuracy and gradients of the discriminators; None if the model or the checkpoint has none, and
            in the fast part of the audit.
        notes: Missing measurements, with reasons.
    """

    name: str
    data: str
    faces: int
    scores: dict[str, float]
    slots: list[SlotAudit]
    layers: LayersAudit
    maps: MapsAudit | None = None
    discriminators: DiscriminatorsAudit | None = None
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """All fields for JSON, with the finding of each slot."""
        found = asdict(self)
        for entry, slot in zip(found['slots'], self.slots, strict=True):
            entry['finding'] = slot.finding
        if self.discriminators is not None:
            targets = (IMAGE, GENERATOR, ALL)
            found['discriminators']['shares'] = {target: self.discriminators.shares(target) for target in targets}
        return found


def audit(
    config: Config,
    checkpoint: str | Path | None,
    *,
    name: str = '',
    data_root: str | Path | None = None,
    faces: int | None = None,
    device: str | None = None,
    ablate: bool = True,
) -> Audit:
    """Audit a trained model on its test faces.

    Args:
        config: A config with ``model`` and ``test_dataloader``, for any registered restorer.
        checkpoint: Its weights, a file or ``rainrestore://NAME``; None for a method without weights.
        name: Name of the model in messages; default: the file of the config.
        data_root: Folder ``{train,val,test}/{img,mask}``; default: the folder in the config, or ``$RAINRESTORE_DATA``,
            or the bundled portraits.
        faces: Number of test faces, from the first; None for all.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:1'``; default: a GPU if there is one.
        ablate: False omits LPIPS, the gains of the slots and the discriminators.

    Raises:
        CheckpointError: The weights are missing, damaged or belong to another network.
        ConfigError: The config has no model or no test data, the network has no output with a score, or there are fewer
            than two faces or faces of different sizes.
        DatasetError: The folder is no data set.
    """
    name = name or str(config.filename or 'the network')
    model = load_model(config, checkpoint, name).to(find_device(device))
    samples = TestFaces(_dataset(config, name, data_root), faces)
    probe = predict(model, next(samples.batches()))[0]
    scorer = Scorer(probe['output'], perceptual=ablate)
    scores, slots = audit_slots(model, samples, scorer, ablate)
    maps, discriminators = None, None
    notes = [] if scorer.missing is None else [f'LPIPS is not measured: {scorer.missing}']
    if predicts_maps(probe):
        maps = audit_maps(model, samples, training_means(_dataset(config, name, data_root, split='train')))
    if ablate and checkpoint is not None and has_discriminators(model):
        discriminators = audit_discriminators(model, load_checkpoint(checkpoint)['state_dict'], samples)
        if discriminators is None:
            notes.append('Discriminators: not in this checkpoint')
    root = str(resolve_data_root(data_root or config.test_dataloader.dataset.get('data_root')))
    layers = audit_layers(model, config.model, next(samples.batches()))
    return Audit(name, root, len(samples), scores, slots, layers, maps, discriminators, notes)


def cheap_audit(
    config: Config, checkpoint: str | Path | None, *, faces: int | None = CHEAP_FACES, **options: Any
) -> Audit:
    """The fast part of :func:`audit`: small layers, constant outputs, accuracy of the maps of 50 faces.

    Args:
        config: See :func:`audit`.
        checkpoint: See :func:`audit`.
        faces: See :func:`audit`.
        **options: Other arguments of :func:`audit`.
    """
    return audit(config, checkpoint, faces=faces, ablate=False, **options)


def load_model(config: Config, checkpoint: str | Path | None, name: str) -> nn.Module:
    """The restorer of a config with its weights, in evaluation mode."""
    model = build_model(config, name)
    if checkpoint is not None:
        load_weights(model, checkpoint)
    elif next(model.parameters(), None) is not None:
        raise CheckpointError(f'{name} has weights: pass its checkpoint, a file or rainrestore://NAME')
    return model.eval()


def _dataset(config: Config, name: str, data_root: str | Path | None, **changes: Any) -> Dataset:
    if not config.get('test_dataloader'):
        raise ConfigError(f"{name}: no test_dataloader; add 'rainrestore::_base_/data/rain_x4.py' to its _base_")
    changes |= {} if data_root is None else {'data_root': str(data_root)}
    return DATASETS.build({**config.test_dataloader.dataset, **changes})
