/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What --share and --root say: a folder of the host's that the guest gets by virtiofs. Parsed by
 * whoever needs it; the configuration has the text.
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
	char dir[PATH_MAX]; /* absolute, without links; empty: the one at @socket knows it */
	char socket[SHARE_MAX_SOCKET_BYTES +
		    1]; /* of a virtiofsd that somebody else has started; empty: we start one */
	char tag[SHARE_MAX_TAG_BYTES + 1];
	bool read_only; /* on the host's side: no guest can change that */
	bool overlay;	/* --root: the guest's writes stay in its memory */
};

/*
 * Reads "DIR[:TAG][,ro]" or ":TAG,socket=PATH", a list by optlist.h. Returns 0, or -EINVAL, -ENOENT
 * ... (reported).
 */
int share_parse(struct share *share, const char *text);
/* "DIR[,ro|overlay]" */
int share_parse_root(struct share *share, const char *text);

/* The machine's folders: --root's, if there is one, is the first. */
unsigned int share_count(const struct config *config);
/* Of @index < share_count(). Returns as share_parse(). */
int share_get(struct share *share, const struct config *config, unsigned int index);

/* Whether a virtiofsd of ours may do what root may (CAP_SYS_ADMIN), or only what this user may. */
bool share_by_root(void);

#endif
