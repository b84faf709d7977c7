"""Measure the time of one input for each recommended model of the zoo.

The time is the median of --rounds batches of 16 inputs of the model's input size, on --threads threads, one model after
the other. The script prints a Markdown table with the ratio to the first model; the last line is JSON. --enter writes
the milliseconds to model-index.yml.
"""

import argparse
import json
import sys
from collections.abc import Sequence

import torch

from rainrestore.apis.purpose import Purpose
from rainrestore.benchmark.cost import cost_of
from rainrestore.config_files import find_file
from rainrestore.engine.config import load_config
from rainrestore.zoo.index import Zoo, changed_index, read_index


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5, help='measured batches, after one warm-up (default: 5)')
    parser.add_argument('--threads', type=int, default=1, help='default: 1')
    parser.add_argument('--enter', action='store_true', help='write the milliseconds into model-index.yml')
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    zoo = Zoo.bundled()
    found: dict[str, float] = {}
    for entry in read_index(zoo)['Models']:
        if 'Use' in entry:
            config = find_file(entry['Config'])
            side = Purpose.of(load_config(config), entry['Name']).size
            seconds = cost_of(config, f'rainrestore://{entry["Name"]}', None, side, options.rounds)['seconds']
            found[entry['Name']] = round(1000 * seconds, 1)
    first = next(iter(found.values()))
    print('| model | ms an input | ratio |\n|---|---|---|')
    for name, milliseconds in found.items():
        print(f'| `{name}` | {milliseconds:.1f} | {milliseconds / first:.2f} |')
    if options.enter:
        with changed_index(zoo) as document:
            for entry in document['Models']:
                if entry['Name'] in found:
                    entry['Metadata']['Milliseconds'] = found[entry['Name']]
    print(json.dumps(found))
    return 0


if __name__ == '__main__':
    sys.exit(main())
