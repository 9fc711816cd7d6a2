/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks whether this host can run a machine and how well, and if not, why and what to do about it.
 *
 * Three steps that can be tested apart: gather facts (host_gather), judge them (host_explain,
 * host_judge: pure), print them (host_print_text, host_print_json).
 */
#ifndef KVM_CMD_HOST_ACCESS_H
#define KVM_CMD_HOST_ACCESS_H

#include "kvm/arch.h"

#include <stdio.h>

/* What the system around /dev/kvm looks like to this process. */
struct host_facts {
	bool node_exists;
	bool node_is_device;
	uint32_t node_mode; /* permission bits */
	uint32_t node_uid, node_gid;
	bool node_foreign;   /* neither its owner nor its group is in our user namespace */
	char node_group[32]; /* its name, or the number */
	bool group_named;    /* /etc/group has a name for it */
	bool node_has_acl;
	bool node_on_nodev;  /* its file system forbids devices */
	uint32_t uid;	     /* ours, effective */
	char user[32];	     /* its name, or the number */
	bool in_group;	     /* this process is in the node's group */
	bool in_group_file;  /* /etc/group lists the user in it */
	bool kernel_known;   /* /proc could be read: the next one is valid */
	bool kernel_has_kvm; /* a driver is registered */
	char module[32];     /* the loaded one, like "kvm_amd"; "": none, or built in */
	int nested;	     /* that module's parameter: 0 or 1; -1: unknown */
	bool container;
	bool user_namespace;  /* not the host's first one, as in a rootless container */
	bool modules_missing; /* /lib/modules has none for the running kernel */
	/* our AppArmor profile or SELinux context, if it confines us; "": none */
	char confined_by[64];
	uint64_t memory_limit_bytes; /* of our control group and those above it; UINT64_MAX: none */
	struct arch_host_cpu cpu;
};

void host_gather(struct host_facts *facts, const struct arch_host *arch);

/*
 * Explains why open(KVM_DEVICE) failed with @err (positive), and what to do: one line without a
 * final newline, cut to fit. Pure.
 */
void host_explain(const struct host_facts *facts, int err, char *buf, size_t n);

/* Does the same for this process, now. `kvm run` prints this when it cannot open the device. */
void host_explain_open(const struct arch_host *arch, int err, char *buf, size_t n);
/* Explains why KVM_CREATE_VM failed with @err (positive). Pure. */
void host_explain_create(int err, char *buf, size_t n);

/*
 * Returns whether @group_file (group(5)) lists @user as a member of group @gid. Writes the group's
 * name, or its number if it has none, to @name. Exposed for the test.
 */
bool host_group_lists(FILE *group_file, uint32_t gid, const char *user, char *name, size_t n);

/*
 * Returns whether @id_map (/proc/PID/uid_map or gid_map, see user_namespaces(7)) is that of the
 * host's first user namespace, where all ids mean themselves. Exposed for the test.
 */
bool host_maps_all_ids(FILE *id_map);

enum host_ability { HOST_CANNOT, HOST_SLOWLY, HOST_CAN };

#define HOST_MAX_CAPS 32

struct host_report {
	struct host_facts facts;
	int open_err; /* positive errno; 0: open */
	int api_version;
	unsigned int nr_caps;
	struct {
		const struct host_cap *cap;
		int value; /* of KVM_CHECK_EXTENSION; <= 0: KVM lacks it */
	} caps[HOST_MAX_CAPS];
	int max_vcpus, recommended_vcpus, max_memory_slots; /* <= 0: unknown */
	struct arch_host_probe probe;
	enum host_ability ability;
	char why[256];
};

/* Queries the host and KVM. Fills in everything except ability and why. */
void host_survey(struct host_report *r, const struct arch_host *arch);
/* Fills in ability and why. Pure. */
void host_judge(struct host_report *r);

void host_print_text(FILE *f, const struct host_report *r);
/* Prints one object; kvm(1) promises its keys. */
void host_print_json(FILE *f, const struct host_report *r);

#endif
