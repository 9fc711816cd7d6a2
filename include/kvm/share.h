/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses --share and --root, which name a folder of the host that the guest gets by virtiofs. The
 * configuration has the text of each.
 */
#ifndef KVM_SHARE_H
#define KVM_SHARE_H

#include "guest/guestjob.h"
#include "kvm/types.h"

#include <limits.h>

struct config;

#define SHARE_MAX_TAG_BYTES 36 /* virtio 1.2, 5.11.4 */
#define SHARE_MAX_SOCKET_BYTES 107
#define SHARE_ROOT_TAG GUESTJOB_ROOT_TAG

struct share {
	const char *option; /* "--share" or "--root", for messages */
	/* absolute, without links; empty: only the virtiofsd at @socket knows it */
	char dir[PATH_MAX];
	/* of a virtiofsd that the user has started; empty: kvm starts one */
	char socket[SHARE_MAX_SOCKET_BYTES + 1];
	char tag[SHARE_MAX_TAG_BYTES + 1];
	bool read_only; /* enforced on the host, so that no guest can change it */
	bool overlay;	/* --root: the guest's writes stay in its memory */
};

/*
 * Parses "DIR[:TAG][,ro]" or ":TAG,socket=PATH", a list by optlist.h. Returns 0, or -EINVAL,
 * -ENOENT ... (reported).
 */
int share_parse(struct share *share, const char *text);
/* Does the same for --root: "DIR[,ro|overlay]". */
int share_parse_root(struct share *share, const char *text);

/* Returns how many folders the machine has. --root's, if there is one, is the first. */
unsigned int share_count(const struct config *config);
/* Parses the folder of @index < share_count(). Returns as share_parse(). */
int share_get(struct share *share, const struct config *config, unsigned int index);

/*
 * Whether a virtiofsd that kvm starts may do what root may (CAP_SYS_ADMIN), or only what this user
 * may.
 */
bool share_by_root(void);

#endif
