"""The index of a zoo: allowed values, and errors for all others."""

import pytest
import torch
from zoos import add_model, write_zoo

from rainrestore.errors import CheckpointError
from rainrestore.zoo.files import with_parts
from rainrestore.zoo.index import Zoo, index_text, models, read_index, write_index, zoo_entry
from rainrestore.zoo.schema import ZooIndexError

MODEL = """
- Name: tiny_x4
  Config: configs/tiny.py
  Metadata: {Faces: 12, Gauge: broken}
  Weights: tiny_x4.safetensors
  SHA256: 5ec92aa6f9dc6d3094f32d2f194866a1b393eaf408fdb3981446db33cb743450
  Bytes: 100
  Licence: Apache-2.0
  Results:
  - {Dataset: drawn, Metrics: {PSNR: 20.5}}
"""
INDEX = 'Datasets:\n- {Name: drawn, Faces: 3}\nModels:' + MODEL


def zoo_of(tmp_path, text: str) -> Zoo:
    (tmp_path / 'model-index.yml').write_text(text, encoding='utf-8')
    return Zoo.at(tmp_path)


def test_index_is_read_once_until_the_file_changes(tmp_path):
    zoo = zoo_of(tmp_path, INDEX)
    assert models(zoo)['tiny_x4']['Bytes'] == 100
    assert read_index(zoo) is read_index(zoo)
    assert models(zoo_of(tmp_path, INDEX.replace('Bytes: 100', 'Bytes: 1024')))['tiny_x4']['Bytes'] == 1024
    assert models(Zoo.at(tmp_path / 'nothing')) == {}


@pytest.mark.parametrize(
    ('before', 'after', 'message'),
    [
        ('  Bytes: 100\n', '', 'Models, tiny_x4: Bytes is missing; it must be a non-negative integer'),
        ('Bytes: 100', 'Bytes: many', "Models, tiny_x4: Bytes is 'many', it must be a non-negative integer"),
        ('Bytes: 100', 'Bytes: true', 'Bytes is True, it must be a non-negative integer'),
        ('Licence: ', 'License: ', "tiny_x4: Licence is missing"),
        ('  Licence: Apache-2.0', '  Licence: MIT\n  Licenses: x', "unknown key 'Licenses' .*did you mean 'Licence'"),
        ('  Config:', '  Audit: {Dataset: drawn}\n  Config:', 'tiny_x4: Audit: Findings is missing'),
        ('  Config:', '  Audit: {Dataset: dawn, Findings: {}}\n  Config:', "Audit names the data set 'dawn'"),
        ('  Config:', '  Audit: {Dataset: drawn, Findings: {layers: 3}}\n  Config:', 'Findings is .*names with texts'),
        ('Name: tiny_x4', 'Name: Tiny-x4', 'must be a name of lower-case letters, digits and _'),
        ('tiny_x4.safetensors', '../tiny_x4.safetensors', 'Weights is .* without a folder'),
        ('tiny_x4.safetensors', '/etc/tiny_x4.safetensors', 'Weights is .* without a folder'),
        ('tiny_x4.safetensors', '.hidden.safetensors', 'Weights is .* without a folder'),
        ('tiny_x4.safetensors', 'tiny_x4.pth', r'Weights is .* \.safetensors file'),
        ('SHA256: 5e', 'SHA256: XX', 'SHA256 is .*64 hexadecimal digits'),
        ('Faces: 12', 'Faces: 1.5', 'tiny_x4, Metadata: Faces is 1.5, it must be a non-negative integer'),
        ('PSNR: 20.5', 'PSNR: good', 'Results: Metrics is .*names with numbers'),
        ('Faces: 12', f'Faces: 1{"0" * 400}', 'Faces is 1.*, it must be a non-negative integer'),
        ('PSNR: 20.5', f'PSNR: 1{"0" * 400}', 'Results: Metrics is .*names with numbers'),
        ('Faces: 12', f'Faces: 1{"0" * 5000}', 'is not valid YAML'),
        ('PSNR: 20.5', 'PSNR: .nan', 'Results: Metrics is .*names with numbers'),
        ('Dataset: drawn', 'Dataset: dawn', "names the data set 'dawn', which does not exist .did you mean 'drawn'"),
        ('  Config:', '  In Collection: FCG\n  Config:', "In Collection names the collection 'FCG', which does not"),
        ('  Config:', '  Parts: {generator: huge_x4}\n  Config:', "Parts names the model 'huge_x4', which does not"),
        ('  Config:', '  Parts: {generator: tiny_x4}\n  Config:', 'Parts contains the model itself: tiny_x4, tiny_x4'),
        ('Models:', f'Models:{MODEL}', 'Models, tiny_x4: two entries have this name'),
        (INDEX, 'Models: {', 'is not valid YAML'),
        (INDEX, 'Models: !!python/object/apply:os.getcwd []', 'is not valid YAML'),
        (INDEX, '- 3', 'must be a mapping with the keys'),
        (INDEX, 'Datasets: []', 'Models is missing'),
        ('Datasets:', 'Data sets:', "unknown key 'Data sets' .did you mean 'Datasets'"),
    ],
)  # fmt: skip
def test_invalid_entry_is_named(tmp_path, before, after, message):
    assert before in INDEX
    with pytest.raises(ZooIndexError, match=message) as caught:
        read_index(zoo_of(tmp_path, INDEX.replace(before, after)))
    assert str(tmp_path / 'model-index.yml') in str(caught.value)


def test_invalid_comparison_is_named(tmp_path):
    compared = 'Comparisons:\n- {Model: tiny_x4, Reference: none_x4, Dataset: drawn, PSNR: [1, 0, 2]}\n'
    with pytest.raises(ZooIndexError, match="Comparisons: Reference names the model or reference 'none_x4'"):
        read_index(zoo_of(tmp_path, INDEX + compared))
    with pytest.raises(ZooIndexError, match=r'Comparisons, number 1: PSNR is .* two ends of its interval'):
        read_index(zoo_of(tmp_path, INDEX + compared.replace('[1, 0, 2]', '[1]')))


def test_written_index_is_checked_and_read_back_equal(tmp_path):
    zoo = zoo_of(tmp_path, INDEX)
    document = read_index(zoo)
    write_index(document, zoo)
    text = zoo.index.read_text(encoding='utf-8')
    assert read_index(zoo) == document
    assert text == index_text(document)
    with pytest.raises(ZooIndexError, match='two entries have this name'):
        write_index({'Models': document['Models'] * 2}, zoo)
    assert zoo.index.read_text(encoding='utf-8') == text


def test_unknown_name_gets_a_suggestion_and_parts_are_listed_last(tmp_path):
    weights = {'generator.weight': torch.zeros(2)}
    entries = [add_model(tmp_path, name, weights) for name in ('hrrm', 'fpm')]
    middle = add_model(tmp_path, 'middle', weights, Parts={'rain_removal': 'hrrm'})
    whole = add_model(tmp_path, 'whole', weights, Parts={'rain_removal': 'middle', 'face_parser': 'fpm'})
    zoo = write_zoo(tmp_path, *entries, middle, whole)
    assert with_parts('whole', zoo) == ['whole', 'middle', 'hrrm', 'fpm']
    assert zoo_entry('rainrestore://fpm', zoo)['Name'] == 'fpm'
    with pytest.raises(CheckpointError, match=r"did you mean 'middle'\?\)\. Models: fpm, hrrm, middle, whole"):
        zoo_entry('midle', zoo)
