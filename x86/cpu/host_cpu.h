/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Identifies the host's processor and measures its KVM, for struct arch_host in arch_x86.c; private
 * to x86/.
 */
#ifndef X86_CPU_HOST_CPU_H
#define X86_CPU_HOST_CPU_H

#include "kvm/arch_host.h"

void host_cpu_identify(struct arch_host_cpu *cpu);
void host_cpu_probe(int kvm_fd, struct arch_host_probe *probe);
const struct host_cap *host_cpu_caps(unsigned int *nr);

#endif
