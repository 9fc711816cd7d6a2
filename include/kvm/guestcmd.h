/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command in the guest: `kvm run ... -- CMD ARG...`. The machine gets an initramfs with an init of ours (guest/init), the command with the
 * libraries it needs, what --add names, and the kernel modules that our devices need. Main's thread at set-up, but for guestcmd_ended().
 */
#ifndef KVM_GUESTCMD_H
#define KVM_GUESTCMD_H

#include "kvm/config.h"
#include "kvm/guestcmd/cpio.h"
#include "kvm/vm.h"

/*
 * Sets in @config what its command needs, if it has one: its streams or its terminal, and where the kernel's
 * log goes. Returns 0 or -EINVAL (reported).
 */
int guestcmd_configure(struct config *config);

/*
 * Makes the initramfs in @files, all zero. @kernel is the kernel's file, @version its setup header's version string. Returns 0 or -errno having
 * said why; cpio_free() in either case.
 */
int guestcmd_pack(struct cpio *files, const struct config *config, const char *kernel, const char *version);

/* One record of the init's job file (guestjob.h), appended to @job; errors as in a cpio's. */
struct guestjob {
	char *bytes;
	size_t len, room;
	int err;
};
void guestjob_add(struct guestjob *job, char kind, const char *text);

/* The init wrote @status to its port: ends the machine. Any thread. */
void guestcmd_ended(struct vm *vm, unsigned int status);

#endif
