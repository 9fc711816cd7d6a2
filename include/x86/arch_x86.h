/* SPDX-License-Identifier: GPL-2.0-only */
/* The x86 architecture, as the launcher knows one. */
#ifndef X86_ARCH_X86_H
#define X86_ARCH_X86_H

#include "kvm/arch.h"

extern const struct arch arch_x86;

#endif
