/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Measures for how long nothing has happened, for time-outs.
 *
 * The owner looks once a second. When a look comes much later than that, the launcher itself was
 * stopped (SIGSTOP, a frozen control group) and the guest with it: that time does not count.
 */
#ifndef KVM_QUIET_H
#define KVM_QUIET_H

#include "kvm/types.h"

#define QUIET_LOOK_NS 1000000000ULL

struct quiet {
	uint64_t looked_ns; /* the last look, by now_ns() */
	uint64_t ns;	    /* how long it was quiet then */
};

void quiet_begin(struct quiet *q, uint64_t now);
/*
 * @happened: something has happened since the last look. Returns for how many nanoseconds it is
 * quiet.
 */
uint64_t quiet_look(struct quiet *q, uint64_t now, bool happened);

#endif
