/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * modules.dep, by which depmod(8) says what each kernel module needs: a line a module, "FILE:
 * FILE...", what has to be inserted first last.
 */
#ifndef KVM_GUESTCMD_MODDEP_H
#define KVM_GUESTCMD_MODDEP_H

#include "kvm/base/strlist.h"

/*
 * Appends to @files, in the order to insert them in, the module @name and those it needs, without
 * those that are there already. @text has @len bytes. '-' and '_' in names are the same, as to the
 * kernel. Returns 0, -ENOENT (no such module) or -ENOMEM.
 */
int moddep_add(struct strlist *files, const char *text, size_t len, const char *name);

/* Whether modules.builtin (@text) lists @name. */
bool moddep_builtin(const char *text, size_t len, const char *name);

#endif
