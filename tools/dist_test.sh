#!/usr/bin/env bash
# Test in several processes of this machine: one per GPU, or any number on the CPU.
set -eu
if [ $# -lt 3 ]; then
    echo 'usage: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of tools/test.py]' >&2
    exit 2
fi
exec bash "$(dirname "$0")/dist_run.sh" test.py "$3" "$1" "$2" "${@:4}"
