/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `kvm host` asks of the architecture's folder: the processor behind KVM, and a measured probe of it.
 */
#ifndef KVM_ARCH_HOST_H
#define KVM_ARCH_HOST_H

#include "kvm/types.h"

/* The host's processor. Only ever explains why KVM is missing; whether KVM works, KVM itself is asked. */
struct arch_host_cpu {
	const char *module;    /* KVM's module for this vendor: "kvm_amd"; NULL: unknown vendor */
	const char *virt_name; /* the vendor's word: "AMD-V" */
	bool virt_flag;	       /* the processor says it has it */
	bool in_vm;	       /* this host is a virtual machine itself */
	char hypervisor[16];   /* in_vm: by which one: "KVM", "VMware", ...; "" unknown */
};

void arch_host_cpu(struct arch_host_cpu *cpu);

/* From here on an instruction of the guest's kernel is not executed by a processor. */
#define HOST_EMULATED_NS 100

struct arch_host_probe {
	int err;		  /* 0, or -errno of the step that failed */
	const char *step;	  /* err: which one: "KVM_CREATE_VCPU" */
	uint32_t exit_reason;	  /* err -EPROTO: an exit that was not expected */
	uint64_t nr_instructions; /* timed */
	uint64_t ps_per_instruction;
	bool emulated;
};

/*
 * Makes a machine of one page, runs a loop at ring 0 in it and times the loop without the exits around it. A
 * few milliseconds. @kvm_fd: /dev/kvm.
 */
void arch_host_probe(int kvm_fd, struct arch_host_probe *probe);

/* A capability that this launcher uses. */
struct host_cap {
	int cap;
	const char *name;
	bool required;
	const char *without; /* what we lose */
};

/* The architecture's own rows. */
const struct host_cap *arch_host_caps(unsigned int *nr);

#endif
