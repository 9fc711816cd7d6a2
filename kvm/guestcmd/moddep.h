/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads modules.dep, in which depmod(8) lists what each kernel module needs: one line per module,
 * "FILE: FILE...", with the file to insert first at the end.
 */
#ifndef KVM_GUESTCMD_MODDEP_H
#define KVM_GUESTCMD_MODDEP_H

#include "kvm/base/strlist.h"

/*
 * Appends to @files the module @name and those it needs, in the order to insert them in, except
 * those already there. @text has @len bytes. '-' and '_' in names are equal, as in the kernel.
 * Returns 0, -ENOENT (no such module) or -ENOMEM.
 */
int moddep_add(struct strlist *files, const char *text, size_t len, const char *name);

/* Whether modules.builtin (@text) lists @name. */
bool moddep_builtin(const char *text, size_t len, const char *name);

#endif
