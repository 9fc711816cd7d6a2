/* SPDX-License-Identifier: GPL-2.0-only */
/* Explains why a helper program such as passt(1) may not be able to make its sandbox. */
#ifndef KVM_SANDBOX_HINT_H
#define KVM_SANDBOX_HINT_H

/*
 * Returns what on this host stands in the way of new user namespaces and how to change that, with
 * "; " in front, to be added to a message; "": nothing that is known. @root: "", or a folder with a
 * test's /proc. Thread: any.
 */
const char *sandbox_hint(const char *root);

#endif
