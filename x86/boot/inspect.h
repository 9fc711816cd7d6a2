/* SPDX-License-Identifier: GPL-2.0-only */
/* `kvm inspect` on x86, called through arch_x86.c (struct arch); private to x86/. */
#ifndef X86_BOOT_INSPECT_H
#define X86_BOOT_INSPECT_H

#include "kvm/types.h"

#include <stdio.h>

int inspect_kernel(FILE *f, const char *path, const char *entry, uint64_t load_gpa, bool json);

#endif
