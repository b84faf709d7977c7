#!/usr/bin/env bash
# Run one of the tools in processes of Slurm: tools/slurm_run.sh PARTITION JOB_NAME TOOL ARGUMENTS...
# slurm_train.sh and slurm_test.sh call this script. GPUS (8): number of processes. GPUS_PER_NODE (8; 0 for the CPU):
# processes per machine. CPUS_PER_TASK (5): cores per process. SRUN_ARGS: further options of srun.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
partition=$1 job=$2 tool=$3
shift 3

gpus=${GPUS:-8} per_node=${GPUS_PER_NODE:-8} cores=${CPUS_PER_TASK:-5}
place=(--ntasks "$gpus" --cpus-per-task "$cores")
if [ "$per_node" -gt 0 ]; then
    place+=(--gres "gpu:$per_node" --ntasks-per-node "$((per_node < gpus ? per_node : gpus))")
fi
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$cores}"
export MKL_NUM_THREADS="${MKL_NUM_THREADS:-$OMP_NUM_THREADS}"
# Several jobs may share a machine.
export MASTER_PORT="${MASTER_PORT:-$((12000 + RANDOM % 20000))}"
export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
# SRUN_ARGS is a list of options, separated by spaces.
# shellcheck disable=SC2086
exec srun --partition "$partition" --job-name "$job" "${place[@]}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$tools/$tool" "$@" --launcher slurm
