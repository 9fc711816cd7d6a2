/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an architecture reports to `kvm host`: the host's processor, and a measured probe of KVM;
 * see struct arch_host.
 */
#ifndef KVM_ARCH_HOST_H
#define KVM_ARCH_HOST_H

#include "kvm/types.h"

/* The host's processor. It only explains why KVM is missing; KVM itself shows whether KVM works. */
struct arch_host_cpu {
	const char *module;    /* KVM's module for this vendor: "kvm_amd"; NULL: unknown vendor */
	const char *virt_name; /* the vendor's word: "AMD-V" */
	bool virt_flag;	       /* the processor reports the feature */
	bool in_vm;	       /* this host is itself a virtual machine */
	char hypervisor[16];   /* in_vm: of which kind: "KVM", "VMware", ...; "" unknown */
};

/*
 * If an instruction of the guest's kernel takes this long, no processor executes it: it is
 * emulated.
 */
#define HOST_EMULATED_NS 100

/*
 * The result of a measured probe. A machine of one page runs a loop at ring 0; the time is that of
 * the loop, without the exits before and after it.
 */
struct arch_host_probe {
	int err;		  /* 0, or -errno of the step that failed */
	const char *step;	  /* if err is set: its name: "KVM_CREATE_VCPU" */
	uint32_t exit_reason;	  /* if err is -EPROTO: the exit that was not expected */
	uint64_t nr_instructions; /* in the timed loop */
	uint64_t ps_per_instruction;
	bool emulated;
};

/* A capability that this launcher uses. */
struct host_cap {
	int cap;
	const char *name;
	bool required;
	const char *without; /* what the launcher loses without it */
};

#endif
