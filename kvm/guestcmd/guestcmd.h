/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command in the guest: `kvm run ... -- CMD ARG...`. The machine gets an initramfs with an init
 * of ours (guest/init), the command with the libraries it needs, what --add names, and the kernel
 * modules that our devices need. Main's thread, at set-up.
 */
#ifndef KVM_GUESTCMD_GUESTCMD_H
#define KVM_GUESTCMD_GUESTCMD_H

#include "kvm/config.h"

/*
 * Sets in @config what its command needs, if it has one: its streams or its terminal, and where the
 * kernel's log goes. Returns 0 or -EINVAL (reported).
 */
int guestcmd_configure(struct config *config);

/* Makes the initramfs: see struct vm's pack(), which this is. */
int guestcmd_archive(const struct config *config, const char *kernel, const char *version,
		     uint8_t **bytes, uint64_t *len);

/* One record of the init's job file (guestjob.h), appended to @job; errors as in a cpio's. */
struct guestjob {
	char *bytes;
	size_t len, room;
	int err;
};
void guestjob_add(struct guestjob *job, char kind, const char *text);

#endif
