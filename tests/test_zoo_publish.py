import json

import pytest
import torch
from torch import nn

from rainrestore.checkpoints import load_safetensors, load_weights, save_safetensors, sha256_of
from rainrestore.cli.main import main
from rainrestore.errors import CheckpointError, ConfigError
from rainrestore.zoo import publish as publishing
from rainrestore.zoo.index import read_index, zoo_file
from rainrestore.zoo.publish import publish


class Joint(nn.Module):
    def __init__(self, width=4, slots=('rain_removal', 'face_parser', 'generator'), critic=True):
        super().__init__()
        for name in slots:
            self.add_module(name, nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width)))
        if critic:
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


def test_published_model_holds_what_restores_and_nothing_else(tmp_path, training):
    model, path = training
    zoo = tmp_path / 'zoo'
    entry = publish(path, 'joint_x4', 'configs/joint.py', notes={'faces': 1200, 'data': 'drawn'}, zoo=zoo)
    assert read_index(zoo) == {'joint_x4': entry}
    assert entry['sha256'] == sha256_of(zoo_file('joint_x4', zoo))
    assert entry['bytes'] == (zoo / 'joint_x4.safetensors').stat().st_size
    slots = (model.rain_removal, model.face_parser, model.generator)
    assert entry['parameters'] == sum(value.numel() for slot in slots for value in slot.parameters())
    assert (entry['faces'], entry['config'], entry['licence']) == (1200, 'configs/joint.py', 'Apache-2.0')
    weights, metadata = load_safetensors(zoo / 'joint_x4.safetensors')
    assert {name.partition('.')[0] for name in weights} == {'rain_removal', 'face_parser', 'generator'}
    expected = model.generator[0].weight.half().float()
    assert torch.equal(weights['generator.0.weight'], expected)
    assert metadata['data'] == 'drawn'
    assert sorted(file.name for file in zoo.iterdir()) == ['index.json', 'joint_x4.safetensors']


def test_chosen_slots_and_full_precision(tmp_path, training):
    model, path = training
    publish(path, 'hrrm_x4', 'configs/hrrm_x4.py', slots=['rain_removal'], half=False, zoo=tmp_path / 'zoo')
    weights, _ = load_safetensors(tmp_path / 'zoo' / 'hrrm_x4.safetensors')
    assert {name.partition('.')[0] for name in weights} == {'rain_removal'}
    assert torch.equal(weights['rain_removal.0.weight'], model.rain_removal[0].weight)


def test_second_model_joins_the_index_and_a_new_version_replaces_the_old(tmp_path, training):
    zoo = tmp_path / 'zoo'
    publish(training[1], 'a_x4', 'a.py', zoo=zoo)
    publish(training[1], 'b_x4', 'b.py', zoo=zoo)
    entry = publish(training[1], 'a_x4', 'a.py', half=False, zoo=zoo)
    assert list(read_index(zoo)) == ['a_x4', 'b_x4']
    assert read_index(zoo)['a_x4'] == entry
    zoo_file('a_x4', zoo)


def test_too_large_is_refused_and_leaves_nothing(tmp_path, training, monkeypatch):
    monkeypatch.setattr(publishing, 'MAX_BYTES', 1000)
    zoo = tmp_path / 'zoo'
    with pytest.raises(CheckpointError, match=r'would be .* MB'):
        publish(training[1], 'joint_x4', 'c.py', zoo=zoo)
    assert list(zoo.iterdir()) == []
    publish(training[1], 'joint_x4', 'c.py', allow_large=True, zoo=zoo)
    assert list(read_index(zoo)) == ['joint_x4']


def test_bad_names_and_absent_slots_are_named(tmp_path, training):
    with pytest.raises(ConfigError, match=r"not 'Joint-x4'"):
        publish(training[1], 'Joint-x4', 'c.py', zoo=tmp_path)
    with pytest.raises(CheckpointError, match='no slot tail; it holds face_parser, generator, rain_removal'):
        publish(training[1], 'joint', 'c.py', slots=['generator', 'tail'], zoo=tmp_path)
    torch.save({'discriminator.weight': torch.zeros(1)}, tmp_path / 'critic.pth')
    with pytest.raises(CheckpointError, match='nothing to restore with'):
        publish(tmp_path / 'critic.pth', 'joint', 'c.py', zoo=tmp_path)


def test_command_line(tmp_path, training, capsys):
    zoo = tmp_path / 'zoo'
    command = ['publish', str(training[1]), 'joint_x4', '--config', 'c.py', '--note', 'faces=12', '--zoo', str(zoo)]
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == {'name': 'joint_x4', **read_index(zoo)['joint_x4']}
    assert printed['faces'] == '12'


def test_published_weights_load_into_the_network_and_into_a_part_of_it(tmp_path, training):
    model, path = training
    publish(path, 'joint_x4', 'c.py', zoo=tmp_path)
    file = tmp_path / 'joint_x4.safetensors'
    for other in (Joint(), Joint(slots=('rain_removal',), critic=False)):
        assert load_weights(other, file)['name'] == 'joint_x4'
        assert torch.equal(other.rain_removal[0].weight, model.rain_removal[0].weight.half().float())


def test_slot_that_the_file_lacks_comes_from_the_file_its_init_cfg_names(tmp_path, training):
    model, path = training
    publish(path, 'joint_x4', 'c.py', zoo=tmp_path)
    other = Joint(slots=('generator', 'rain_removal'), critic=False)
    without_rain = tmp_path / 'generator.safetensors'
    own = {name: value + 1 for name, value in model.state_dict().items() if name.startswith('generator.')}
    save_safetensors(own, without_rain)
    with pytest.raises(CheckpointError, match=r'rain_removal\.0\.weight is missing'):
        load_weights(other, without_rain)
    other.rain_removal.init_cfg = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'joint_x4.safetensors'), prefix='rain_removal'
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
def test_weights_of_another_network_are_refused_and_change_nothing(training, other, message):
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_weights(other, training[1])
    assert all(torch.equal(before[name], value) for name, value in other.state_dict().items())


def test_deeper_network_is_not_taken_for_a_shallow_one(training):
    _, path = training
    shallow = Joint()
    shallow.generator = shallow.generator[:1]
    with pytest.raises(CheckpointError, match=r'generator\.1\.weight has no place'):
        load_weights(shallow, path)
