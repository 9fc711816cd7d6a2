/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Simulates power cuts for disk_stress: records everything that the disk layer does to a file, and
 * makes images from it as a cut could leave them.
 *
 * Such an image has everything that was synced, and of later writes any sectors, in any order.
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
