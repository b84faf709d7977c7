#!/usr/bin/env bash
# Train in several processes of this machine: one per GPU, or any number on the CPU.
set -eu
if [ $# -lt 2 ]; then
    echo 'usage: tools/dist_train.sh CONFIG PROCESSES [options of tools/train.py]' >&2
    exit 2
fi
exec bash "$(dirname "$0")/dist_run.sh" train.py "$2" "$1" "${@:3}"
