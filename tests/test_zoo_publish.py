import json
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import nn
from zoos import add_model, write_zoo

from rainrestore.apis import Restorer
from rainrestore.checkpoints import load_safetensors, load_weights, save_safetensors
from rainrestore.cli.main import main
from rainrestore.engine.config import load_config
from rainrestore.errors import CheckpointError, ConfigError, RunError
from rainrestore.files import sha256_of
from rainrestore.registry import MODELS
from rainrestore.zoo import publish as publishing
from rainrestore.zoo.files import load_by_name, zoo_file
from rainrestore.zoo.index import Zoo, changed_index, models, read_index, write_index, zoo_entry
from rainrestore.zoo.measurements import enter, enter_audit
from rainrestore.zoo.publish import publish
from rainrestore.zoo.schema import ZooIndexError

SLOTS = ('rain_removal', 'face_parser', 'generator')


@MODELS.register_module(name='PublishedJoint', force=True)
class Joint(nn.Module):
    def __init__(self, width=4, slots=SLOTS, discriminator=True):
        super().__init__()
        for name in slots:
            self.add_module(name, nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width)))
        if discriminator:
            self.discriminator = nn.Linear(2, 2)
            self.local_discriminators = nn.ModuleDict({'eyes': nn.Linear(2, 2)})
        self.perceptual_loss = nn.Conv2d(3, 3, 1)


@pytest.fixture
def training(tmp_path):
    torch.manual_seed(0)
    model = Joint()
    optimizer = torch.optim.Adam(model.parameters())
    sum(value.sum() for value in model.parameters()).backward()
    optimizer.step()
    path = tmp_path / 'iter_10.pth'
    torch.save({'state_dict': model.state_dict(), 'optimizer': optimizer.state_dict(), 'meta': {'iter': 10}}, path)
    return model, path


@pytest.fixture
def zoo(tmp_path):
    return Zoo.at(tmp_path / 'zoo')


@pytest.fixture
def joint(tmp_path):
    """A config of the published network."""
    return config(tmp_path, 'joint')


def config(folder, name, **options):
    path = folder / f'{name}.py'
    path.write_text(f'model = dict(type="PublishedJoint", **{options!r})\n')
    return str(path)


def test_published_model_contains_only_the_restoring_slots(training, zoo, joint):
    model, path = training
    facts = {'Faces': 1200, 'Training Data': 'drawn', 'Rain gauge': 'broken'}
    entry = publish(path, 'joint_x4', joint, metadata=facts, zoo=zoo)
    assert models(zoo) == {'joint_x4': entry}
    assert entry['SHA256'] == sha256_of(zoo_file('joint_x4', zoo))
    assert entry['Bytes'] == (zoo.files / 'joint_x4.safetensors').stat().st_size
    parameters = sum(value.numel() for slot in SLOTS for value in getattr(model, slot).parameters())
    assert entry['Metadata'] == {**facts, 'Parameters': parameters}
    assert (entry['Config'], entry['Licence']) == ('joint_x4.py', 'Apache-2.0')
    assert Config.fromfile(zoo.config(entry)).model == Config.fromfile(joint).model
    weights, metadata = load_safetensors(zoo.files / 'joint_x4.safetensors')
    assert {name.partition('.')[0] for name in weights} == set(SLOTS)
    expected = model.generator[0].weight.half().float()
    assert torch.equal(weights['generator.0.weight'], expected)
    assert metadata['Training Data'] == 'drawn'
    assert sorted(file.name for file in zoo.files.iterdir()) == [
        *('.model-index.yml.lock', 'joint_x4.py', 'joint_x4.safetensors', 'model-index.yml')
    ]


def test_slots_and_full_precision_can_be_chosen(tmp_path, training, zoo):
    model, path = training
    alone = config(tmp_path, 'alone', slots=['rain_removal'])
    publish(path, 'rain_x4', alone, slots=['rain_removal'], half=False, zoo=zoo)
    weights, _ = load_safetensors(zoo.files / 'rain_x4.safetensors')
    assert {name.partition('.')[0] for name in weights} == {'rain_removal'}
    assert torch.equal(weights['rain_removal.0.weight'], model.rain_removal[0].weight)


def test_second_model_is_added_and_a_new_version_replaces_the_old(training, zoo, joint):
    publish(training[1], 'a_x4', joint, zoo=zoo)
    publish(training[1], 'b_x4', joint, zoo=zoo)
    entry = publish(training[1], 'a_x4', joint, half=False, zoo=zoo)
    assert list(models(zoo)) == ['a_x4', 'b_x4']
    assert models(zoo)['a_x4'] == entry
    zoo_file('a_x4', zoo)


def test_new_version_keeps_manual_entries_but_not_old_results(training, zoo, joint):
    publish(training[1], 'a_x4', joint, licence='MIT', metadata={'Faces': 12}, zoo=zoo)
    publish(training[1], 'b_x4', joint, zoo=zoo)
    text = zoo.index.read_text()
    document = read_index(zoo) | {'Datasets': [{'Name': 'drawn', 'Faces': 3}]}
    first, second = document['Models']
    results = [{'Dataset': 'drawn', 'Metrics': {'PSNR': 20.0}}]
    audit = {'Dataset': 'drawn', 'Findings': {'layers': '0 of 2 below 1/100 of their initial size'}}
    document['Models'] = [
        first | {'Task': 'Drawing', 'Results': results, 'Audit': audit},
        second | {'Results': results},
    ]
    document['Models'][0]['Metadata'] = {'Hardware': 'an abacus', **first['Metadata']}
    compared = {'Model': 'a_x4', 'Reference': 'b_x4', 'Dataset': 'drawn', 'PSNR': [0.1, 0.0, 0.2]}
    document['Comparisons'] = [compared]
    kept = {
        'Name': 'kept',
        'Title': 'of a_x4',
        'Config': 'a.py',
        'Checkpoint': 'rainrestore://a_x4',
        'Results': results,
    }
    document['References'] = [kept]
    write_index(document, zoo)
    zoo.index.write_text(f'# By hand.\n{zoo.index.read_text()}')
    assert text != zoo.index.read_text()

    again = publish(training[1], 'a_x4', joint, metadata={'Faces': 12}, zoo=zoo)
    assert zoo.index.read_text().startswith('# By hand.\n')
    assert again == models(zoo)['a_x4'] == document['Models'][0]
    zoo_file('a_x4', zoo)
    assert read_index(zoo)['Comparisons'] == [compared]

    changed = torch.load(training[1])['state_dict']
    changed['generator.0.bias'] += 1
    torch.save(changed, training[1])
    other = publish(training[1], 'a_x4', joint, metadata={'Faces': 15}, zoo=zoo)
    assert (other['Licence'], other['Task'], other['Metadata']['Hardware']) == ('MIT', 'Drawing', 'an abacus')
    assert other['Metadata']['Faces'] == 15
    assert 'Results' not in other and 'Audit' not in other
    assert models(zoo)['b_x4']['Results'] == results
    assert read_index(zoo)['Comparisons'] == []
    assert 'Results' not in read_index(zoo)['References'][0]


def test_publications_at_the_same_time_are_all_in_the_index(training, zoo, joint):
    names = [f'joint_{number}' for number in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: publish(training[1], name, joint, zoo=zoo), names))
    assert sorted(models(zoo)) == names


def test_measurement_of_older_weights_is_not_entered(training, zoo, joint, tmp_path, monkeypatch):
    monkeypatch.setenv('RAINRESTORE_ZOO', str(zoo.files))
    measured = publish(training[1], 'joint_x4', joint, zoo=zoo)
    enter(measured, {'portraits': {'PSNR': 20.0}})
    with torch.no_grad():
        training[0].generator[0].weight.add_(1)
    torch.save({'state_dict': training[0].state_dict()}, tmp_path / 'other.pth')
    publish(tmp_path / 'other.pth', 'joint_x4', joint, zoo=zoo)
    for write in (
        lambda: enter(measured, {'portraits': {'PSNR': 20.0}}),
        lambda: enter_audit(measured, 'portraits', {'a': 'b'}),
    ):
        with pytest.raises(RunError, match='joint_x4 was published again during the measurement'):
            write()
    assert not {'Results', 'Audit'} & models(zoo)['joint_x4'].keys()


def test_files_of_a_killed_publication_are_removed(training, zoo, joint):
    (zoo.files / '.publish-abc').mkdir(parents=True)
    publish(training[1], 'joint_x4', joint, zoo=zoo)
    assert not list(zoo.files.glob('.publish-*'))


def test_changes_of_an_index_wait_for_each_other(zoo):
    zoo.files.mkdir()
    started = threading.Event()

    def add(key: str, value: str) -> None:
        with changed_index(zoo) as document:
            document.setdefault('Licences', {})[key] = value
            started.set()
            time.sleep(0.2)  # without the lock, the second change would begin in this time

    first = threading.Thread(target=add, args=('a', 'first'))
    first.start()
    assert started.wait(10)
    add('b', 'second')
    first.join()
    assert read_index(zoo)['Licences'] == {'a': 'first', 'b': 'second'}


def test_too_large_model_is_refused_without_a_file(training, zoo, joint, monkeypatch):
    monkeypatch.setattr(publishing, 'MAX_BYTES', 1000)
    with pytest.raises(CheckpointError, match=r'would be .* MB'):
        publish(training[1], 'joint_x4', joint, zoo=zoo)
    assert [file.name for file in zoo.files.iterdir()] == ['.model-index.yml.lock']
    publish(training[1], 'joint_x4', joint, allow_large=True, zoo=zoo)
    assert list(models(zoo)) == ['joint_x4']


def test_invalid_names_metadata_and_slots_are_named(tmp_path, training, zoo, joint):
    with pytest.raises(ConfigError, match=r"got 'Joint-x4'"):
        publish(training[1], 'Joint-x4', joint, zoo=zoo)
    with pytest.raises(ConfigError, match='at most 100 lower-case letters'):
        publish(training[1], 'x' * 300, joint, zoo=zoo)
    for key in ('licence', 'name', 'config', 'Parameters'):
        with pytest.raises(ConfigError, match=f"joint: the metadata '{key}' follows from the other arguments"):
            publish(training[1], 'joint', joint, metadata={key: 'MIT'}, zoo=zoo)
    with pytest.raises(ZooIndexError, match=r"joint, Metadata: Faces is 'many', it must be a non-negative integer"):
        publish(training[1], 'joint', joint, metadata={'Faces': 'many'}, zoo=zoo)
    with pytest.raises(CheckpointError, match='no slot tail; it has face_parser, generator, rain_removal'):
        publish(training[1], 'joint', joint, slots=['generator', 'tail'], zoo=zoo)
    torch.save({'discriminator.weight': torch.zeros(1)}, tmp_path / 'discriminator.pth')
    with pytest.raises(CheckpointError, match='contains no weights for inference'):
        publish(tmp_path / 'discriminator.pth', 'joint', joint, zoo=zoo)
    assert not zoo.index.exists()


@pytest.mark.parametrize(
    ('options', 'slots', 'message'),
    [
        (dict(width=5), None, r'another network than the config: \S+ is \(4,\) instead of \(5,\), and \d+ more'),
        (dict(slots=['rain_removal']), None, 'has no face_parser, generator; it has .*rain_removal'),
        (dict(slots=[*SLOTS, 'tail']), None, r'tail\.0\.weight is missing'),
        ({}, ['generator'], r'\w+\.0\.weight is missing'),
    ],
)
def test_weights_of_another_config_are_refused(tmp_path, training, zoo, options, slots, message):
    other = config(tmp_path, 'other', **options)
    with pytest.raises(CheckpointError, match=message):
        publish(training[1], 'joint', other, slots=slots, zoo=zoo)
    assert [file.name for file in zoo.files.iterdir()] == ['.model-index.yml.lock']


def test_missing_config_is_named(tmp_path, training, zoo, monkeypatch):
    with pytest.raises(ConfigError, match=r'configs/no\.py: no such config at this path'):
        publish(training[1], 'joint', 'configs/no.py', zoo=zoo)
    # The package's own zoo needs a config that is found from any folder, so a file of the working directory is refused.
    monkeypatch.chdir(tmp_path)
    config(tmp_path, 'here')
    monkeypatch.setattr(Zoo, 'bundled', lambda: zoo)
    with pytest.raises(ConfigError, match=r'here\.py: no such config of this package'):
        publish(training[1], 'joint', 'here.py')
    with pytest.raises(ConfigError, match='use the path relative to the folder that contains configs/'):
        publish(training[1], 'joint', str(tmp_path / 'here.py'))
    (tmp_path / 'empty.py').write_text('scale = 4\n')
    with pytest.raises(ConfigError, match='the config has no "model"'):
        publish(training[1], 'joint', 'empty.py', zoo=zoo)


def test_parts_of_other_models_are_not_stored_but_loaded(tmp_path, training, zoo, joint):
    model, path = training
    alone = config(tmp_path, 'alone', slots=['rain_removal'])
    publish(path, 'rain_x4', alone, licence='CC-BY-NC-4.0', slots=['rain_removal'], zoo=zoo)
    entry = publish(path, 'joint_x4', joint, parts={'rain_removal': 'rain_x4'}, zoo=zoo)
    assert entry['Parts'] == {'rain_removal': 'rain_x4'}
    assert entry['Licence'] == 'CC-BY-NC-4.0'
    weights, _ = load_safetensors(zoo.files / 'joint_x4.safetensors')
    assert {name.partition('.')[0] for name in weights} == {'face_parser', 'generator'}
    loaded = load_by_name('joint_x4', zoo=zoo)['state_dict']
    whole = {name: value for name, value in model.state_dict().items() if name.partition('.')[0] in SLOTS}
    assert loaded.keys() == whole.keys()
    for name, value in whole.items():
        assert torch.equal(loaded[name], value.half().float() if value.is_floating_point() else value)
    parameters = sum(value.numel() for slot in SLOTS for value in getattr(model, slot).parameters())
    assert entry['Metadata']['Parameters'] == parameters
    # A new version keeps its parts.
    assert publish(path, 'joint_x4', joint, zoo=zoo)['Parts'] == {'rain_removal': 'rain_x4'}


def test_changed_part_and_unknown_slot_are_refused(tmp_path, training, zoo, joint):
    _, path = training
    publish(path, 'rain_x4', config(tmp_path, 'alone', slots=['rain_removal']), slots=['rain_removal'], zoo=zoo)
    with pytest.raises(CheckpointError, match=r'rain_x4 cannot fill generator: it has no generator'):
        publish(path, 'joint_x4', joint, parts={'generator': 'rain_x4'}, zoo=zoo)
    changed = torch.load(path)['state_dict']
    changed['rain_removal.1.running_mean'] += 1
    torch.save(changed, path)
    with pytest.raises(CheckpointError, match=r'cannot fill rain_removal: .*rain_removal\.1\.running_mean'):
        publish(path, 'joint_x4', joint, parts={'rain_removal': 'rain_x4'}, zoo=zoo)
    assert list(models(zoo)) == ['rain_x4']


def test_training_log_is_published(tmp_path, training, zoo, joint):
    for name, first in (('first', 0.8), ('second', 0.4)):
        folder = tmp_path / name / '20260101_000000'
        (folder / 'vis_data').mkdir(parents=True)
        lines = [{'loss': first / step, 'time': 1.8, 'lr': 1e-3, 'step': step, 'iter': step} for step in (10, 20)]
        lines.append({'PSNR': 20 + first, 'time': 7.0, 'step': 20})
        (folder / 'vis_data' / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
        (folder / 'vis_data' / 'config.py').write_text('train_dataloader = dict(batch_size=16)\n')
        (folder / '20260101_000000.log').write_text('Runtime environment:\n    seed: 7\n    GPU number: 2\n---\n')
    entry = publish(training[1], 'joint_x4', joint, logs=[tmp_path / 'first', tmp_path / 'second'], zoo=zoo)
    # Two stages of 20 steps of 16 faces in 2 processes, each step takes 1.8 s.
    facts = {key: entry['Metadata'][key] for key in ('Seed', 'Faces', 'Hours')}
    assert facts == {'Seed': 7, 'Faces': 1280, 'Hours': 0.02}
    log = json.loads((zoo.files / entry['Log']).read_text())
    assert log['runs'] == [
        {
            'name': name,
            'steps': 20,
            'curves': {'PSNR': [[20, 20 + first]], 'loss': [[10, first / 10], [20, first / 20]]},
        }
        for name, first in (('first', 0.8), ('second', 0.4))
    ]
    with pytest.raises(ConfigError, match='no such run'):
        publish(training[1], 'joint_x4', joint, logs=[tmp_path / 'third'], zoo=zoo)
    # The curves are replaced and removed together with their weights.
    assert publish(training[1], 'joint_x4', joint, zoo=zoo)['Log'] == entry['Log']
    assert (zoo.files / entry['Log']).is_file()
    torch.save({name: value + 1 for name, value in training[0].state_dict().items()}, training[1])
    assert 'Log' not in publish(training[1], 'joint_x4', joint, zoo=zoo)
    assert not (zoo.files / entry['Log']).exists()


def test_publish_command_writes_the_model(tmp_path, training, zoo, joint, capsys):
    command = ['publish', str(training[1]), 'joint_x4', '--config', joint, '--zoo', str(zoo.files)]
    assert main([*command, '--note', 'Faces=12', 'Hours=0.5', 'Hardware=an abacus']) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == models(zoo)['joint_x4']
    assert {'Faces': 12, 'Hours': 0.5, 'Hardware': 'an abacus'}.items() <= printed['Metadata'].items()
    alone = config(tmp_path, 'alone', slots=['face_parser'])
    words = [
        'publish',
        str(training[1]),
        'parser_x4',
        '--config',
        alone,
        '--keep',
        'face_parser',
        '--zoo',
        str(zoo.files),
    ]
    assert main(words) == 0
    assert main([*command, '--part', 'face_parser=parser_x4']) == 0
    assert models(zoo)['joint_x4']['Parts'] == {'face_parser': 'parser_x4'}


def test_published_weights_load_into_the_network_and_into_one_slot(training, zoo, joint):
    model, path = training
    publish(path, 'joint_x4', joint, zoo=zoo)
    file = zoo.files / 'joint_x4.safetensors'
    for other in (Joint(), Joint(slots=('rain_removal',), discriminator=False)):
        assert load_weights(other, file)['name'] == 'joint_x4'
        assert torch.equal(other.rain_removal[0].weight, model.rain_removal[0].weight.half().float())


def test_missing_slot_is_loaded_from_its_init_cfg(tmp_path, training, zoo, joint):
    model, path = training
    publish(path, 'joint_x4', joint, zoo=zoo)
    other = Joint(slots=('generator', 'rain_removal'), discriminator=False)
    without_rain = tmp_path / 'generator.safetensors'
    own = {name: value + 1 for name, value in model.state_dict().items() if name.startswith('generator.')}
    save_safetensors(own, without_rain)
    with pytest.raises(CheckpointError, match=r'rain_removal\.0\.weight is missing'):
        load_weights(other, without_rain)
    other.rain_removal.init_cfg = dict(
        type='Pretrained', checkpoint=str(zoo.files / 'joint_x4.safetensors'), prefix='rain_removal'
    )
    load_weights(other, without_rain)
    assert torch.equal(other.rain_removal[0].weight, model.rain_removal[0].weight.half().float())
    assert torch.equal(other.generator[0].weight, model.generator[0].weight + 1)


@pytest.mark.parametrize(
    ('other', 'message'),
    [
        (Joint(width=5), r'is \(4, 3, 3, 3\) instead of \(5, 3, 3, 3\), and \d+ more'),
        (Joint(slots=('generator', 'tail')), 'tail.0.weight is missing'),
    ],
)
def test_weights_of_another_network_are_refused_without_a_change(training, other, message):
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_weights(other, training[1])
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())


def test_weights_of_a_deeper_network_are_refused(training):
    _, path = training
    shallow = Joint()
    shallow.generator = shallow.generator[:1]
    with pytest.raises(CheckpointError, match=r'generator\.1\.weight is not in the network'):
        load_weights(shallow, path)


def test_incompatible_parts_are_refused_at_loading(tmp_path):
    weights = {'rain_removal.weight': torch.ones(2)}
    part = add_model(tmp_path, 'hrrm', weights)
    twice = add_model(tmp_path, 'twice', weights, Parts={'rain_removal': 'hrrm'})
    empty = add_model(tmp_path, 'empty', weights, Parts={'generator': 'hrrm'})
    zoo = write_zoo(tmp_path, part, twice, empty)
    with pytest.raises(
        CheckpointError, match='twice: both its file and rainrestore://hrrm have weights for rain_removal'
    ):
        load_by_name('twice', zoo=zoo)
    with pytest.raises(CheckpointError, match='empty: rainrestore://hrrm has no weights for the slot generator'):
        load_by_name('empty', zoo=zoo)


def test_model_of_a_custom_zoo_is_used_by_name_in_any_folder(tmp_path, monkeypatch, capsys):
    folder, here = tmp_path / 'my zoo', tmp_path / 'empty'
    own_config = tmp_path / 'mine.py'
    own_config.write_text(Config.fromfile('configs/fcg_gan_x4.py').pretty_text)
    here.mkdir()
    words = ['publish', 'rainrestore://fcg_gan_x4', 'mine_x4', '--config', str(own_config), '--note', 'Faces=7']
    assert main([*words, '--zoo', str(folder)]) == 0
    assert f'export RAINRESTORE_ZOO={folder}' in capsys.readouterr().out
    own_config.unlink()
    monkeypatch.chdir(here)
    with pytest.raises(CheckpointError, match="no zoo model is named 'mine_x4'"):
        Restorer('mine_x4')
    monkeypatch.setenv('RAINRESTORE_ZOO', str(folder))
    face = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert np.array_equal(Restorer('mine_x4')(face), Restorer('fcg_gan_x4')(face))
    assert main(['zoo', 'list']) == 0
    listed = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert list(listed)[-1] == 'mine_x4'
    assert (listed['mine_x4'], listed['fcg_gan_x4']) == ('own', 'bundled')
    assert main(['zoo', 'show', 'mine_x4']) == 0
    assert f'{folder / "mine_x4.safetensors"} (own, ' in capsys.readouterr().out
    # RAINRESTORE_ZOO is also the folder that publish and the measurements write to.
    assert main([*words[:2], 'second_x4', '--config', 'fcg_gan_x4']) == 0
    assert models(Zoo.at(folder))['second_x4']['Config'] == 'configs/fcg_gan_x4.py'
    enter(zoo_entry('second_x4'), {'portraits': {'PSNR': 20.123}})
    assert models(Zoo.at(folder))['second_x4']['Results'] == [{'Dataset': 'portraits', 'Metrics': {'PSNR': 20.12}}]
    assert 'second_x4' not in models(Zoo.bundled())
    (folder / 'second_x4.safetensors').write_bytes(b'')
    with pytest.raises(CheckpointError, match=r'second_x4: .* is not the published file .*; publish it again'):
        Restorer('second_x4')


def test_name_of_a_bundled_model_is_refused_in_a_custom_zoo(tmp_path, training, joint, monkeypatch):
    with pytest.raises(ConfigError, match='fcg_gan_x4 is a model of the package'):
        publish(training[1], 'fcg_gan_x4', joint, zoo=Zoo.at(tmp_path))
    write_zoo(tmp_path, add_model(tmp_path, 'fcg_gan_x4', {'generator.weight': torch.zeros(1)}))
    monkeypatch.setenv('RAINRESTORE_ZOO', str(tmp_path))
    with pytest.raises(ZooIndexError, match='fcg_gan_x4 is also a model of the package'):
        models()
    monkeypatch.setenv('RAINRESTORE_ZOO', str(tmp_path / 'typo'))
    with pytest.raises(CheckpointError, match=r'RAINRESTORE_ZOO is set, but there is no .*typo'):
        zoo_file('mine_x4')


def test_modules_beside_a_config_are_published_with_it(tmp_path, zoo, monkeypatch):
    """The published model works without the original modules."""
    source = tmp_path / 'source'
    (source / 'published_package').mkdir(parents=True)
    (source / 'published_package' / '__init__.py').write_text('WIDTH = 5\n')
    (source / 'published_not_needed.py').touch()
    network = """
from torch import nn
from published_package import WIDTH
from rainrestore.registry import MODELS

@MODELS.register_module(force=True)
class PublishedBeside(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = nn.Conv2d(3, WIDTH, 3)
"""
    (source / 'published_network.py').write_text(network)
    mine = source / 'mine.py'
    mine.write_text("custom_imports = dict(imports=['published_network'])\nmodel = dict(type='PublishedBeside')\n")
    torch.save(
        {'state_dict': {f'generator.{k}': v for k, v in nn.Conv2d(3, 5, 3).state_dict().items()}}, source / 'a.pth'
    )
    monkeypatch.setattr(sys, 'path', list(sys.path))
    entry = publish(source / 'a.pth', 'beside', str(mine), zoo=zoo)
    enter_results = {'Results': [{'Dataset': 'portraits', 'Metrics': {'PSNR': 20.0}}]}
    document = {'Models': [{**entry, **enter_results}]}
    write_index(document, zoo)
    # A new version with equal modules keeps the results, one with another network does not.
    assert 'Results' in publish(source / 'a.pth', 'beside', str(mine), zoo=zoo)
    (source / 'published_network.py').write_text(f'{network}        self.scale = 2\n')
    assert 'Results' not in publish(source / 'a.pth', 'beside', str(mine), zoo=zoo)
    files = {path.relative_to(zoo.files).as_posix() for path in zoo.files.rglob('*') if path.is_file()}
    assert files == {
        *('.model-index.yml.lock', 'model-index.yml', 'beside.safetensors'),
        *('beside/beside.py', 'beside/published_network.py'),
        'beside/published_package/__init__.py',
    }
    shutil.rmtree(source)
    sys.path[:] = [folder for folder in sys.path if folder != str(source)]
    for name in ('published_network', 'published_package'):
        monkeypatch.delitem(sys.modules, name)
    assert MODELS.build(load_config(zoo.config(entry)).model).scale == 2
