/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the architecture answers `kvm host`: the processor behind KVM, and a measured probe of it;
 * see struct arch_host.
 */
#ifndef KVM_ARCH_HOST_H
#define KVM_ARCH_HOST_H

#include "kvm/types.h"

/*
 * The host's processor. Only ever explains why KVM is missing; whether KVM works, KVM itself is
 * asked.
 */
struct arch_host_cpu {
	const char *module;    /* KVM's module for this vendor: "kvm_amd"; NULL: unknown vendor */
	const char *virt_name; /* the vendor's word: "AMD-V" */
	bool virt_flag;	       /* the processor says it has it */
	bool in_vm;	       /* this host is a virtual machine itself */
	char hypervisor[16];   /* in_vm: by which one: "KVM", "VMware", ...; "" unknown */
};

/* From here on an instruction of the guest's kernel is not executed by a processor. */
#define HOST_EMULATED_NS 100

/*
 * The result of a measured probe: a machine of one page runs a loop at ring 0, which is timed
 * without the exits around it.
 */
struct arch_host_probe {
	int err;		  /* 0, or -errno of the step that failed */
	const char *step;	  /* err: which one: "KVM_CREATE_VCPU" */
	uint32_t exit_reason;	  /* err -EPROTO: an exit that was not expected */
	uint64_t nr_instructions; /* timed */
	uint64_t ps_per_instruction;
	bool emulated;
};

/* A capability that this launcher uses. */
struct host_cap {
	int cap;
	const char *name;
	bool required;
	const char *without; /* what we lose */
};

#endif
