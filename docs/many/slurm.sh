#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs each shard in a task of a Slurm array. A second job merges the reports:
#
#   id=$(sbatch --parsable --array=1-8 slurm.sh ci.smoke)
#   sbatch --dependency=afterany:$id --wrap 'kvm report merge smoke.parts/*.json --junit junit.xml'
#
# Submit both from a folder that all nodes share. afterany is needed because a part in which a boot
# fails exits with 122.
#
#SBATCH --job-name=kvm-smoke
#SBATCH --time=01:00:00
#SBATCH --cpus-per-task=4
set -u
shard=$SLURM_ARRAY_TASK_ID
mkdir -p smoke.parts
exec "${KVM:-kvm}" smoke "$1" --quiet -j "${SLURM_CPUS_PER_TASK:-1}" \
	--shard "$shard/$SLURM_ARRAY_TASK_COUNT" \
	--out "smoke.parts/$shard" --report "smoke.parts/$shard.json"
