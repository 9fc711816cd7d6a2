/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Power cuts: a record of everything that the disk layer does to a file, from which images are made
 * as a cut could leave them: all that was synced, and of what came later any sectors, in any order.
 */
#ifndef DISK_POWER_H
#define DISK_POWER_H

#include <stdatomic.h>
#include <stdint.h>

struct journal_block {
	_Atomic uint32_t begun, done, flushed;
};

void power_begin(const char *image);
/* A flush was answered: from now on @journal's flushed versions must be there. */
void power_mark(const struct journal_block *journal, uint64_t nr_blocks);
/* Writes PREFIX.N.img and PREFIX.N.journal. Returns 0 or -1. */
int power_cut(const char *prefix, unsigned int nr_cuts, uint64_t seed,
	      const struct journal_block *journal, uint64_t nr_blocks);

#endif
