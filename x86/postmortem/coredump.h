/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes the x86 part of a core file: a row of arch_x86.c, see struct arch; private to x86/. */
#ifndef X86_POSTMORTEM_COREDUMP_H
#define X86_POSTMORTEM_COREDUMP_H

#include "kvm/arch.h"

int coredump_write(struct vm *vm, int fd, const _Atomic bool *cancel, struct dump_result *r);

#endif
