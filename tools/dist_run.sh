#!/usr/bin/env bash
# Run one of the tools in several processes of this machine with torchrun: tools/dist_run.sh TOOL PROCESSES ARGUMENTS...
# dist_train.sh and dist_test.sh call this script. On several machines, run it on each with NNODES, NODE_RANK,
# MASTER_ADDR and PORT; on one machine, PORT is a free port by default. PYTHON is the interpreter.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
tool=$1 processes=$2
shift 2
case "$processes" in
    '' | 0 | *[!0-9]*)
        echo "PROCESSES must be an integer of at least 1, not '$processes'" >&2
        exit 2
        ;;
esac

if [ -n "${NNODES:-}${PORT:-}" ]; then
    meet=(--nnodes "${NNODES:-1}" --node-rank "${NODE_RANK:-0}"
          --master-addr "${MASTER_ADDR:-127.0.0.1}" --master-port "${PORT:-29500}")
else
    meet=(--standalone)
fi
# Divide the cores among the processes; by default, torch uses all cores in each process.
share=$(($(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN) / processes))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$((share > 0 ? share : 1))}"
export MKL_NUM_THREADS="${MKL_NUM_THREADS:-$OMP_NUM_THREADS}"
# Time to finish an iteration and to save after Ctrl-C or SIGTERM; torchrun's default is 30 seconds.
export TORCH_ELASTIC_SHUTDOWN_TIMEOUT="${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-120}"
export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m torch.distributed.run "${meet[@]}" --nproc-per-node "$processes" "$tools/$tool" "$@" \
    --launcher pytorch
