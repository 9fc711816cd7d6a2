/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a command in the guest: `kvm run ... -- CMD ARG...`. The machine gets an initramfs with our
 * own init (guest/init), the command with the libraries it needs, the files of --add, and the
 * kernel modules that our devices need. Thread: main, at set-up.
 */
#ifndef KVM_GUESTCMD_GUESTCMD_H
#define KVM_GUESTCMD_GUESTCMD_H

#include "kvm/config.h"

/*
 * Sets in @config what its command needs, if it has one: its streams or its terminal, and where the
 * kernel's log goes. Returns 0, or -EINVAL (reported).
 */
int guestcmd_configure(struct config *config);

/* Makes the initramfs. This is struct vm's pack(), see there. */
int guestcmd_archive(const struct config *config, const char *kernel, const char *version,
		     uint8_t **bytes, uint64_t *len);

/*
 * The init's job file (guestjob.h); errors stick as in struct cpio. guestjob_add() appends one
 * record.
 */
struct guestjob {
	char *bytes;
	size_t len, room;
	int err;
};
void guestjob_add(struct guestjob *job, char kind, const char *text);

#endif
