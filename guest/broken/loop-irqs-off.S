/* SPDX-License-Identifier: GPL-2.0-only */
/* A lock that nobody gives back, with interrupts off. */
#include "broken.inc"
broken:
	call spin_lock
spin_lock:
	cli
1:	pause
	cmpl $0, lock
	jne 1b
	ret
	.data
lock:	.long 1
