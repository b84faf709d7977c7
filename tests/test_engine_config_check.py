"""The error for a wrong key, option or type is one line: place in the config, allowed values, most similar name."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import Registry

from rainrestore.cli.main import main
from rainrestore.config_files import packaged_files
from rainrestore.engine import config_check
from rainrestore.engine.config import accept_faces_without_masks, load_config
from rainrestore.engine.config_check import check_component, check_config
from rainrestore.errors import ConfigError
from rainrestore.registry import DATASETS, MODELS

pytest.importorskip('mmagic')

#: Config, option -> text of the error besides the place.
WRONG = [
    # unused key
    ('fcg_gan_x4', 'optimizer.lr=1', "optimizer.lr: no key 'optimizer' in a config (did you mean 'optim_wrapper'?)"),
    ('fcg_gan_x4', 'default_hook.logger.interval=1', "(did you mean 'default_hooks'?)"),
    ('fcg_gan_x4', 'eval_seed=1', "no key 'eval_seed'"),
    ('fcg_gan_x4', 'scale=2', "no key 'scale'"),
    ('fcg_gan_x4', '_adam.lr=1', "no key '_adam'"),
    ('fcg_gan_x4', 'train_dataloder.batch_size=4', "(did you mean 'train_dataloader'?)"),
    ('fcg_gan_x4', 'lode_from=a.pth', "(did you mean 'load_from'?)"),
    ('fcg_gan_x4', 'modle.generator.scale=4', "(did you mean 'model'?)"),
    ('fcg_gan_x4', 'val_evalutor=None', "(did you mean 'val_evaluator'?)"),
    ('fcg_gan_x4', 'randomnes.seed=1', "(did you mean 'randomness'?)"),
    # a component does not accept the option
    ('fcg_gan_x4', 'model.generater.scale=4', "FCGGAN has no option 'generater' (did you mean 'generator'?)"),
    ('fcg_gan_x4', 'model.generator.scales=4', "(did you mean 'scale'?); its options are"),
    ('fcg_gan_x4', 'model.generator.trunk.num_block=3', "SRResNetTrunk has no option 'num_block'"),
    ('fcg_gan_x4', 'model.generator.trnk.num_blocks=3', "(did you mean 'trunk'?)"),
    ('fcg_gan_x4', 'model.rain_removal.encoder.grwth=3', "DenseNetEncoder has no option 'grwth'"),
    ('fcg_gan_x4', 'model.face_parser.base_chanels=3', "(did you mean 'base_channels'?)"),
    ('fcg_gan_x4', 'model.discriminator.base_channel=3', "(did you mean 'base_channels'?)"),
    ('fcg_gan_x4', 'model.local_discriminators.eyes.bx=3', "eyes has no option 'bx' (did you mean 'box'?)"),
    ('fcg_gan_x4', 'model.local_discriminators.eyes.discriminator.channel=3', 'SRGANDiscriminator has no option'),
    ('fcg_gan_x4', 'model.pixel_loss.weight=3', "(did you mean 'loss_weight'?)"),
    ('fcg_gan_x4', 'model.perceptual_loss.layer=3', "(did you mean 'layers'?)"),
    ('fcg_gan_x4', 'model.adversarial_loss.loss_wieght=3', "(did you mean 'loss_weight'?)"),
    ('fcg_gan_x4', 'model.generator=3', 'FCGGAN needs a component'),
    ('fcg_esrgan_x4', 'model.generator.trunk.network.num_block=3', "RRDBNet has no option 'num_block'"),
    ('pix2pix_x4', 'model.discriminator.num_convs=3', "(did you mean 'num_conv'?)"),
    ('hifacegan_128', 'model.generator.network.level=3', "HiFaceNet has no option 'level' (did you mean 'levels'?)"),
    ('hrrm_x4', 'model.rain_loss.reconstruction=3', "(did you mean 'reconstruction_weight'?)"),
    ('fcg_gan_x4', 'train_cfg.max_iter=10', "ResumableTrainLoop has no option 'max_iter' (did you mean 'max_iters'?)"),
    ('fcg_gan_x4', 'train_cfg.val_intervall=10', "(did you mean 'val_interval'?)"),
    ('fcg_gan_x4', 'train_dataloader.batchsize=4', "has no option 'batchsize' (did you mean 'batch_size'?)"),
    ('fcg_gan_x4', 'train_dataloader.num_worker=4', "(did you mean 'num_workers'?)"),
    ('fcg_gan_x4', 'train_dataloader.dataset.splt=val', "FaceDataset has no option 'splt' (did you mean 'split'?)"),
    ('fcg_gan_x4', 'train_dataloader.dataset.pipeline.1.scal=2', 'pipeline.1.scal: ScaleAwareHeavyRain has no option'),
    ('fcg_gan_x4', 'train_dataloader.sampler.shufle=True', "(did you mean 'shuffle'?)"),
    ('hrrm_x4', 'optim_wrapper.optimizer.lrr=1', "Adam has no option 'lrr' (did you mean 'lr'?)"),
    ('fcg_gan_x4', 'optim_wrapper.generator.optimizer.lrr=1', "(did you mean 'lr'?)"),
    ('fcg_gan_x4', 'optim_wrapper.optimizer.lr=1', 'not a group of slots; the groups are generator, discriminator'),
    ('fcg_gan_x4', 'optim_wrapper.generater.optimizer.lr=1', "(did you mean 'generator'?)"),
    ('fcg_gan_x4', 'optim_wrapper.generator.enable=False', "AutocastOptimWrapper has no option 'enable'"),
    ('hrrm_x4_short', 'param_scheduler.eta_min_ratios=1', "CosineAnnealingLR has no option 'eta_min_ratios'"),
    ('hrrm_x4_short', 'param_scheduler.by_epoch=True', 'param_scheduler.by_epoch: must be False, because the training'),
    ('fcg_gan_x4', 'default_hooks.loger.interval=1', "the hook has no type (did you mean 'logger'?)"),
    ('fcg_gan_x4', 'default_hooks.checkpoint.intervall=1', "(did you mean 'interval'?)"),
    ('fcg_gan_x4', 'custom_hooks.0.image=1', "RestorationSheetHook has no option 'image' (did you mean 'images'?)"),
    ('fcg_gan_x4', 'val_evaluator.0.crop=4', "PSNR has no option 'crop' (did you mean 'crop_border'?)"),
    ('fcg_gan_x4', 'randomness.sed=1', "(did you mean 'seed'?)"),
    ('fcg_gan_x4', 'env_cfg.cudnn_benchmrk=True', "(did you mean 'cudnn_benchmark'?)"),
    # no component has the name
    ('fcg_gan_x4', 'model.type=FCGAN', "model: type='FCGAN': no model has this name (did you mean 'FCGGAN'?)"),
    ('fcg_gan_x4', 'model.generator.trunk.type=SRResNetTrnk', "(did you mean 'SRResNetTrunk'?)"),
    ('fcg_gan_x4', 'model.pixel_loss.type=MSELos', "(did you mean 'MSELoss'?)"),
    ('fcg_gan_x4', 'train_cfg.type=ResumeableTrainLoop', "(did you mean 'ResumableTrainLoop'?)"),
    ('fcg_gan_x4', 'train_dataloader.dataset.type=FaceDatset', "(did you mean 'FaceDataset'?)"),
    ('fcg_gan_x4', 'train_dataloader.dataset.pipeline.0.type=FlipFaces', "(did you mean 'FlipFace'?)"),
    ('hrrm_x4', 'optim_wrapper.optimizer.type=Adamm', "(did you mean 'Adam'?)"),
    ('fcg_gan_x4', 'val_evaluator.0.type=PSRN', "(did you mean 'PSNR'?)"),
    ('fcg_gan_x4', 'custom_hooks.0.type=RestorationSheet', "(did you mean 'RestorationSheetHook'?)"),
    ('fcg_gan_x4', 'visualizer.type=Visualiser', "(did you mean 'Visualizer'?)"),
    # a component of the wrong kind, or no component where one is required
    ('hrrm_x4', 'model=None', 'model: must be a component, dict(type=...), got None'),
    ('hrrm_x4', 'model=abc', "model: must be a dict, got 'abc'"),
    ('hrrm_x4', 'optim_wrapper=None', 'optim_wrapper: must be a dict, got None; train_cfg and train_dataloader'),
    ('hrrm_x4', 'optim_wrapper=abc', "optim_wrapper: must be a dict, got 'abc'"),
    ('hrrm_x4', 'optim_wrapper.optimizer=None', 'optim_wrapper.optimizer: must be a component'),
    ('fcg_gan_x4', 'optim_wrapper.generator.optimizer=None', 'optim_wrapper.generator.optimizer: must be a component'),
    ('hrrm_x4', 'default_hooks=abc', "default_hooks: must be a dict, got 'abc'"),
    ('hrrm_x4', 'default_hooks.logger=3', 'default_hooks.logger: must be a component, dict(type=...), or None, got 3'),
    ('hrrm_x4', 'custom_hooks=abc', "custom_hooks: must be a list of components, [dict(type=...)], got 'abc'"),
    ('hrrm_x4', 'custom_hooks=[3]', 'custom_hooks.0: must be a component, dict(type=...), got 3'),
    ('hrrm_x4', 'train_cfg=abc', "train_cfg: must be a dict, got 'abc'"),
    ('hrrm_x4', 'train_dataloader=None', 'train_dataloader: must be a dict, got None'),
    ('hrrm_x4', 'val_dataloader=None', 'val_dataloader: must be a dict, got None; val_cfg and val_evaluator'),
    ('hrrm_x4', 'val_evaluator=PSNR', "val_evaluator: must be a dict or a list of dicts, got 'PSNR'"),
    ('hrrm_x4', 'model.type=None', 'model.type: must be the name of a component or a class, got None'),
    ('hrrm_x4', 'model.type=3', 'model.type: must be the name of a component or a class, got 3'),
    ('hrrm_x4', 'train_dataloader.dataset=None', 'train_dataloader.dataset: must be a data set'),
    ('hrrm_x4', 'train_dataloader.dataset.pipeline=None', 'train_dataloader.dataset.pipeline: must be a list'),
    ('hrrm_x4', 'train_dataloader.dataset.pipeline=[]', 'train_dataloader.dataset.pipeline: must be a list'),
    # an entry of a list by its number
    ('hrrm_x4', 'custom_hooks.0=None', "custom_hooks.0: an entry of a list cannot be replaced: give the whole list"),
    ('hrrm_x4', 'test_evaluator.0=None', "give the whole list, test_evaluator='[...]'"),
    ('hrrm_x4', 'train_dataloader.dataset.pipeline.0=None', "give the whole list, train_dataloader.dataset.pipeline="),
    # a number of the wrong kind
    ('hrrm_x4', 'train_cfg.max_iters=1.5', 'train_cfg.max_iters: must be a positive integer, got 1.5'),
    ('hrrm_x4', 'train_cfg.max_iters=ten', "train_cfg.max_iters: must be a positive integer, got 'ten'"),
    ('hrrm_x4', 'train_cfg.max_iters=-1', 'train_cfg.max_iters: must be a positive integer, got -1'),
    ('hrrm_x4', 'train_cfg.val_interval=0', 'train_cfg.val_interval: must be a positive integer, got 0'),
    ('hrrm_x4', 'train_dataloader.batch_size=0', 'train_dataloader.batch_size: must be a positive integer, got 0'),
    ('hrrm_x4', 'train_dataloader.batch_size=two', "batch_size: must be a positive integer, got 'two'"),
    ('hrrm_x4', 'train_dataloader.num_workers=-1', 'num_workers: must be a non-negative integer, got -1'),
    ('hrrm_x4', 'default_hooks.logger.interval=0', 'default_hooks.logger.interval: must be a positive integer, got 0'),
    ('hrrm_x4', 'default_hooks.checkpoint.interval=0', 'must be a positive integer, or -1 for none, got 0'),
    ('hrrm_x4', 'randomness.seed=abc', "randomness.seed: must be an integer from 0 to 4294967295, or None, got 'abc'"),
    ('hrrm_x4', 'optim_wrapper.optimizer.lr=fast', "optimizer.lr: must be a non-negative number, got 'fast'"),
    ('fcg_gan_x4', 'optim_wrapper.generator.optimizer.lr=-1', 'generator.optimizer.lr: must be a non-negative number'),
    # a value of another kind
    ('hrrm_x4', 'train_dataloader.collate_fn=None', 'train_dataloader.collate_fn: must be a component, dict(type=...)'),
    ('hrrm_x4', 'train_dataloader.collate_fn=x', "collate_fn: must be a component, dict(type=...), or a function"),
    ('hrrm_x4', 'log_level=LOUD', "log_level: must be one of CRITICAL, ERROR, WARNING, INFO, DEBUG, got 'LOUD'"),
    ('hrrm_x4', 'log_level=None', 'log_level: must be one of CRITICAL'),
    ('hrrm_x4', 'default_scope=nope', "must be the package of a registry, such as rainrestore, got 'nope'"),
    ('hrrm_x4', 'default_scope=no.such', "must be the package of a registry, such as rainrestore, got 'no.such'"),
    ('hrrm_x4', 'default_scope=None', 'default_scope: must be the package of a registry'),
    ('hrrm_x4', 'env_cfg.mp_cfg=x', "env_cfg.mp_cfg: must be a dict, got 'x'"),
    ('hrrm_x4', 'env_cfg.dist_cfg=None', 'env_cfg.dist_cfg: must be a dict, got None'),
    ('hrrm_x4', 'env_cfg.cudnn_benchmark=x', "env_cfg.cudnn_benchmark: must be True or False, got 'x'"),
    ('hrrm_x4', 'env_cfg.resource_limit=-1', 'env_cfg.resource_limit: must be a positive integer, got -1'),
    ('hrrm_x4', 'val_evaluator.0.prefix=3', 'val_evaluator.0.prefix: must be a text or None, got 3'),
    ('hrrm_x4', 'val_evaluator.0.collect_device=tpu', "val_evaluator.0.collect_device: must be 'cpu' or 'gpu'"),
    ('hrrm_x4', 'env_cfg.mp_cfg.mp_start_method=thread', 'env_cfg.mp_cfg.mp_start_method: must be one of'),
    ('hrrm_x4', 'resume=x', "resume: must be True or False, got 'x'"),
    ('hrrm_x4', 'load_from=3', 'load_from: must be a file, an address or None, got 3'),
    ('hrrm_x4', 'launcher=pytorch', '--cfg-options: launcher has no effect: use --launcher'),
    ('hrrm_x4', 'model.rain_removal=None', 'RainRemover needs a component, dict(type=...), got None'),
    ('hrrm_x4', 'model.rain_loss=None', 'model.rain_loss: RainRemover needs a component'),
    ('hrrm_x4', 'model.rain_removal.encoder=None', 'model.rain_removal.encoder: HRRM needs a component'),
    ('fcg_gan_x4', 'model.generator=None', 'model.generator: FCGGAN needs a component'),
    # a value of another type than the annotation of the option
    ('fcg_gan_x4', 'model.generator.trunk.num_blocks=x', "trunk.num_blocks: must be of type int, got 'x'"),
    ('fcg_gan_x4', 'model.pixel_loss.loss_weight=None', 'pixel_loss.loss_weight: must be of type float, got None'),
    ('fcg_gan_x4', 'model.local_discriminators=3', 'local_discriminators: must be a dict of components or None, got 3'),
    ('fcg_gan_x4', 'model.local_discriminators.eyes.box=3', 'eyes.box: must be of type collections.abc.Sequence[int]'),
    ('fcg_gan_x4', 'model.local_discriminators.eyes.discriminator=None', 'eyes.discriminator: must be of type dict'),
    ('hrrm_x4', 'train_dataloader.dataset.size=abc', "train_dataloader.dataset.size: must be of type int, got 'abc'"),
    ('hrrm_x4', 'train_dataloader.drop_last=x', "train_dataloader.drop_last: must be True or False, got 'x'"),
    ('hrrm_x4', 'optim_wrapper.optimizer.betas=3', 'optim_wrapper.optimizer.betas: must be of type tuple'),
    ('hrrm_x4', 'optim_wrapper.optimizer.eps=x', "optim_wrapper.optimizer.eps: must be of type float, got 'x'"),
    ('hrrm_x4', 'default_hooks.checkpoint.max_keep_ckpts=x', 'max_keep_ckpts: must be of type int'),
    ('hrrm_x4', 'log_processor.window_size=x', 'log_processor.window_size: must be a positive integer'),
    ('fcg_gan_x4', 'model.generator.channels=0', 'model.generator.channels: must be above 0, got 0'),
    ('fcg_gan_x4', 'model.generator.trunk.num_blocks=-1', 'trunk.num_blocks: must be at least 0, got -1'),
    ('fcg_gan_x4', 'optim_wrapper.generator.slots=3', 'generator.slots: must be a list of slots, got 3'),
    ('hrrm_x4', 'optim_wrapper.accumulative_counts=0', 'accumulative_counts: must be a positive integer, got 0'),
    ('hrrm_x4', 'default_hooks.checkpoint.rule=biggest', "checkpoint.rule: must be 'greater', 'less' or a list of"),
    ('hrrm_x4', 'visualizer.vis_backends=x', "visualizer.vis_backends: must be a list of components, got 'x'"),
    ('hrrm_x4', 'randomness=None', 'randomness: must be a dict, got None'),
    ('hrrm_x4', 'randomness.deterministic=x', "randomness.deterministic: must be True or False, got 'x'"),
    ('hrrm_x4', 'env_cfg=None', 'env_cfg: must be a dict, got None'),
    # a missing entry
    ('fcg_gan_x4', 'model.local_discriminators.eye=None', "has no effect: no such entry (did you mean 'eyes'?)"),
    ('hrrm_x4', 'default_hooks.chekpoint=None', "has no effect: no such entry (did you mean 'checkpoint'?)"),
    # a module that cannot be imported
    ('hrrm_x4', 'custom_imports.imports=not_there', "--cfg-options: custom_imports: ImportError"),
    ('hrrm_x4', 'custom_imports=not_there', "custom_imports = dict(imports=['not_there'])"),
    # no option name
    ('fcg_gan_x4', 'train_cfg.max_iters', 'expected KEY=VALUE, such as train_cfg.max_iters=20'),
    ('fcg_gan_x4', 'train_cfg.max_iters=[1,2', '--cfg-options'),
    ('fcg_gan_x4', 'param_scheduler=dict(type=1,by_epoch=False)', 'set each key of a dict separately'),
    ('fcg_gan_x4', 'model.rain_removal.type.name=3', '--cfg-options'),
    ('fcg_gan_x4', 'custom_hooks.9.images=3', '--cfg-options'),
]  # fmt: skip


@pytest.mark.parametrize(('config', 'option', 'message'), WRONG, ids=[option for _, option, _ in WRONG])
def test_error_for_a_wrong_option_is_one_line(
    config: str, option: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['train', config, '--work-dir', str(tmp_path / 'run'), '--cfg-options', option]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1
    assert message in error
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('source', ['torchvision://nope', 'modelzoo://nope', 'open-mmlab://nope', 'mmcls://nope'])
def test_error_for_unknown_weights_is_one_line(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['train', 'hrrm_x4', '--work-dir', str(tmp_path), '--cfg-options', f'load_from={source}']) == 2
    error = capsys.readouterr().err
    assert f"error: {source}: no such weights, or a package is missing: 'nope'\n" in error and 'Traceback' not in error


STEPS = dict(type='StepLR', step_size=1)


@pytest.mark.parametrize(
    ('schedules', 'path'),
    [
        ([STEPS], 'param_scheduler.0'),
        (dict(generator=[dict(STEPS, by_epoch=False), STEPS]), 'param_scheduler.generator.1'),
        ([dict(STEPS, by_epoch=False)], None),
    ],
)
def test_schedule_by_epochs_is_refused(schedules: Any, path: str | None) -> None:
    """The training counts its iterations as one epoch, so this schedule would have no effect. by_epoch=True is
    mmengine's default.
    """
    config = load_config('hrrm_x4')
    config.param_scheduler = schedules
    with pytest.raises(ConfigError, match=f'^{path}.by_epoch: must be False') if path else nullcontext():
        check_config(config)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('test_evaluator=PSNR', "test_evaluator: must be a dict or a list of dicts, got 'PSNR'"),
        ('model=None', 'model: must be a component'),
        ('default_hooks=abc', "default_hooks: must be a dict, got 'abc'"),
    ],
)
def test_error_for_a_wrong_option_of_a_test_is_one_line(
    option: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(['test', 'hrrm_x4', 'none', '--cfg-options', option]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1 and message in error


@pytest.mark.parametrize('name', packaged_files())
def test_every_bundled_config_is_accepted(name: str) -> None:
    check_config(load_config(name))


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('train_dataloder = dict(batch_size=1)', "(did you mean 'train_dataloader'?)"),
        ("custom_hook = [dict(type='EMAHook')]", "(did you mean 'custom_hooks'?)"),
    ],
)  # fmt: skip
def test_misspelt_key_of_a_file_is_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / 'mine.py').write_text(f"_base_ = 'rainrestore::srgan_x4'\n{text}\n")
    with pytest.raises(ConfigError) as error:
        load_config(tmp_path / 'mine.py')
    assert message in str(error.value)


def test_invalid_entries_of_a_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'mine.py'
    base = "_base_ = 'rainrestore::srgan_x4'\n"
    path.write_text(f"{base}custom_hooks = [None, dict(type='EMAHook')]\nval_evaluator = [dict(type='PSNR'), None]\n")
    config = load_config(path)
    assert config.custom_hooks == [{'type': 'EMAHook'}]
    assert config.val_evaluator == [{'type': 'PSNR'}]
    path.write_text(f'{base}train_dataloader = dict(dataset=dict(pipeline=[None]))\n')
    with pytest.raises(ConfigError, match=r'train_dataloader\.dataset\.pipeline\.0: must be a component.*got None'):
        load_config(path)


def test_auxiliary_variable_of_a_file_is_not_an_option(tmp_path: Path) -> None:
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'rainrestore::srgan_x4'\nblocks = 3\nmodel = dict(generator=dict(trunk=dict(num_blocks=blocks)))\n"
    )
    assert load_config(tmp_path / 'mine.py').model.generator.trunk.num_blocks == 3
    with pytest.raises(ConfigError, match=r'blocks is an auxiliary variable of .*mine\.py without effect'):
        load_config(tmp_path / 'mine.py', {'blocks': 4})


def test_components_of_other_packages_are_not_checked_inside() -> None:
    """An option that a class passes on, the network of an adapter, a custom class."""

    class Own:
        def __init__(self, block: dict, **others: Any) -> None: ...

    check_component(dict(type=Own, block=dict(type='conv'), anything=1), 'model', MODELS)
    check_component(dict(type='mmagic.SwinIRNet', in_chans=3, embed_dim=4), 'model', MODELS)
    with pytest.raises(ConfigError, match=r"model\.blok: Closed has no option 'blok' \(did you mean 'block'\?\)"):
        check_component(dict(type=type('Closed', (), {'__init__': lambda self, block: None}), blok=1), 'model', MODELS)


def test_different_scales_are_refused(face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ['train_dataloader.batch_size=2', 'train_dataloader.num_workers=0',
             'train_dataloader.persistent_workers=False', 'val_dataloader.num_workers=0',
             'val_dataloader.persistent_workers=False', 'model.generator.scale=2']  # fmt: skip
    words = ['--data', str(face_folder), '--work-dir', str(tmp_path / 'run'), '--cfg-options', *small]
    assert main(['train', 'swinir_x4', *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert '64x64' in error and '128x128' in error and 'model.generator' in error


SLOTS = ('rain_removal', 'face_parser', 'discriminator', 'local_discriminators', 'pixel_loss', 'perceptual_loss',
         'rain_loss', 'parameter_loss', 'parsing_loss', 'local_discriminators.eyes',
         'local_discriminators.lips')  # fmt: skip


@pytest.mark.parametrize('slot', SLOTS)
def test_every_optional_slot_and_entry_can_be_none(slot: str) -> None:
    config = load_config('fcg_gan_x4', {f'model.{slot}': None})
    check_config(config)
    model = MODELS.build(config.model)
    names = {name for name, _ in model.named_modules()}
    assert slot not in names or not list(model.get_submodule(slot).parameters())


@pytest.mark.parametrize(
    ('part', 'registry', 'options', 'message'),
    [
        ('generator', MODELS, {'model.generator.scale': 3}, r'\w+: scale must be a power of 2, at least 2, got 3'),
        ('dataset', DATASETS, {'train_dataloader.dataset.limit': -3}, '^FaceDataset: limit must be at least 1 or None'),
    ],
)
def test_error_for_a_refused_value_names_the_component(
    part: str, registry: Registry, options: dict, message: str
) -> None:
    config = load_config('fcg_gan_x4', options)
    with pytest.raises(ConfigError, match=message):
        registry.build(config.model if part == 'generator' else config.train_dataloader.dataset)


def test_box_outside_the_face_is_refused() -> None:
    config = load_config('fcg_gan_x4', {'model.local_discriminators.eyes.box': [0, 0, 500, 500]})
    eyes = MODELS.build(config.model).local_discriminators['eyes']
    with pytest.raises(ConfigError, match='exceeds the face of 128x128 pixels'):
        eyes(torch.zeros(1, 3, 128, 128))


def test_default_hooks_can_be_none() -> None:
    assert load_config('hrrm_x4', {'default_hooks.timer': None}).default_hooks.timer is None


def test_all_local_discriminators_can_be_removed() -> None:
    entries = {f'model.local_discriminators.{name}': None for name in ('eyes', 'nose', 'lips')}
    config = load_config('fcg_gan_x4', {**entries, 'model.local_adversarial_loss': None})
    assert not list(MODELS.build(config.model).local_discriminators)


@pytest.mark.parametrize(
    ('name', 'options', 'testing', 'asked'),
    [
        ('srgan_x4', {}, True, False),
        ('srgan_x4', {}, False, False),
        ('hrrm_x4', {}, True, False),
        ('bicubic_x4', {}, True, False),
        ('fcg_gan_x4', {}, True, True),
        ('fcg_gan_x4', {}, False, True),
        ('fpm_x4', {}, False, True),
        ('oracle_parsing_x4', {}, True, True),
        ('srgan_x4', {'test_evaluator': [{'type': 'RestoredParsingMIoU'}]}, True, True),
        ('srgan_x4', {'test_dataloader.dataset.require_masks': True}, True, True),
    ],
)
def test_masks_are_required_only_if_a_component_uses_them(name: str, options: dict, testing: bool, asked: bool) -> None:
    config = load_config(name, options)
    accept_faces_without_masks(config, testing)
    part = 'test' if testing else 'train'
    assert config[f'{part}_dataloader'].dataset.get('require_masks', True) == asked


def test_faces_without_masks_are_accepted(
    face_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    for masks in face_folder.glob('*/mask'):
        shutil.rmtree(masks)
    words = ['--data', str(face_folder), '--cfg-options', 'test_dataloader.num_workers=0']
    assert main(['test', 'stretch_x4', 'none', '--out', str(tmp_path / 'a'), *words]) == 0
    fcg_gan = ['test', 'fcg_gan_x4', 'rainrestore://fcg_gan_x4', '--out', str(tmp_path / 'b')]
    capsys.readouterr()
    assert main([*fcg_gan, *words]) == 2
    assert '--no-masks' in capsys.readouterr().err
    assert main([*fcg_gan, '--no-masks', *words]) == 0
    printed = capsys.readouterr().out
    assert 'PSNR' in printed and 'mIoU' not in printed


def test_error_for_a_missing_backend_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(config_check, 'find_spec', lambda package: None if package == 'wandb' else True)
    # the example of docs/howto.md
    backend = "dict(type='WandbVisBackend', init_kwargs=dict(project='rain'))"
    visualizer = f"dict(vis_backends=[dict(type='LocalVisBackend'), {backend}])"
    (tmp_path / 'tracked.py').write_text(
        f"_base_ = 'rainrestore::configs/srgan/srgan_x4.py'\nvisualizer = {visualizer}\n"
    )
    assert main(['train', str(tmp_path / 'tracked.py')]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('WandbVisBackend needs wandb, which is not installed: pip install wandb')


def test_options_of_mmengine_can_be_dicts_without_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_check, 'find_spec', lambda package: True)
    options = {
        'optim_wrapper.generator.type': 'OptimWrapper',
        'optim_wrapper.generator.clip_grad': dict(max_norm=1.0),
        'default_hooks.checkpoint.backend_args': dict(backend='local'),
        'visualizer.vis_backends': [dict(type='WandbVisBackend', init_kwargs=dict(project='rain'))],
    }
    check_config(load_config('srgan_x4', options))
