/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Explains why /dev/kvm cannot be used and what to do about it: gathers facts from the system
 * around the device, and makes one sentence of them.
 *
 * The sentence names a command if one helps. It distinguishes causes that look alike:
 * - no driver, or no device node;
 * - a group that the user is in, but this session is not;
 * - a node whose owner and group a rootless container does not know, so that not even root may;
 * - the file's permissions, or a device policy or security module on top of them.
 *
 * open(2) decides whether KVM can be used; the facts only explain. So a fact that cannot be read
 * (no /proc in a chroot) makes the sentence vaguer, never wrong.
 *
 * Users and groups come from /etc (group(5), passwd(5)) and not from libc, whose resolvers a static
 * program cannot load; members that only a directory server knows are not seen.
 *
 * Runs only after a failure or for `kvm host`, never on the way to a running machine. Thread: main.
 */
#include "host_access.h"
#include "host_memory.h"
#include "kvm/ioctl.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
/* What ids look like that a user namespace does not map (/proc/sys/kernel/overflowuid). */
#define OVERFLOW_ID 65534

/* Cuts off and returns what comes before ':' or the end of the line. */
static char *field(char **line)
{
	char *f = strsep(line, ":\n");

	return f ? f : (char *)"";
}

static bool names_user(char *members, const char *user)
{
	for (char *m; (m = strsep(&members, ",\n"));)
		if (*m && !strcmp(m, user))
			return true;
	return false;
}

bool host_group_lists(FILE *group_file, uint32_t gid, const char *user, char *name, size_t n)
{
	char line[LINE_MAX_BYTES];

	snprintf(name, n, "%u", gid);
	while (fgets(line, sizeof(line), group_file)) {
		char *rest = line, *group = field(&rest), *id;

		field(&rest);
		id = field(&rest);
		if (!*id || strtoul(id, NULL, 10) != gid)
			continue;
		snprintf(name, n, "%s", group);
		return names_user(field(&rest), user);
	}
	return false;
}

static void find_user(struct host_facts *facts)
{
	FILE *f = fopen("/etc/passwd", "re");
	char line[LINE_MAX_BYTES];

	snprintf(facts->user, sizeof(facts->user), "%u", facts->uid);
	while (f && fgets(line, sizeof(line), f)) {
		char *rest = line, *user = field(&rest), *id;

		field(&rest);
		id = field(&rest);
		if (!*id || strtoul(id, NULL, 10) != facts->uid)
			continue;
		snprintf(facts->user, sizeof(facts->user), "%s", user);
		break;
	}
	if (f)
		fclose(f);
}

static bool process_in_group(gid_t gid)
{
	int nr = getgroups(0, NULL); /* up to NGROUPS_MAX, 65536 */
	gid_t *groups = nr > 0 ? calloc((size_t)nr, sizeof(*groups)) : NULL;
	bool found = getegid() == gid;

	nr = groups ? getgroups(nr, groups) : 0;
	for (int i = 0; i < nr && !found; i++)
		found = groups[i] == gid;
	free(groups);
	return found;
}

static void find_node(struct host_facts *facts)
{
	struct statvfs fs;
	struct stat st;
	FILE *f;

	if (stat(KVM_DEVICE, &st))
		return;
	facts->node_exists = true;
	facts->node_is_device = S_ISCHR(st.st_mode);
	facts->node_mode = st.st_mode & 07777;
	facts->node_uid = st.st_uid;
	facts->node_gid = st.st_gid;
	facts->node_has_acl = getxattr(KVM_DEVICE, "system.posix_acl_access", NULL, 0) > 0;
	facts->node_on_nodev = !statvfs(KVM_DEVICE, &fs) && fs.f_flag & ST_NODEV;
	facts->node_foreign =
		facts->user_namespace && st.st_uid == OVERFLOW_ID && st.st_gid == OVERFLOW_ID;
	facts->in_group = !facts->node_foreign && process_in_group(st.st_gid);
	snprintf(facts->node_group, sizeof(facts->node_group), "%u", facts->node_gid);
	f = fopen("/etc/group", "re");
	if (!f)
		return;
	facts->in_group_file = host_group_lists(f, facts->node_gid, facts->user, facts->node_group,
						sizeof(facts->node_group));
	facts->group_named = strspn(facts->node_group, "0123456789") != strlen(facts->node_group);
	fclose(f);
}

static void find_driver(struct host_facts *facts)
{
	FILE *f = fopen("/proc/misc", "re");
	char line[128], name[64];

	facts->kernel_known = f;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d %63s", name) == 1 && !strcmp(name, "kvm"))
			facts->kernel_has_kvm = true;
	if (f)
		fclose(f);
}

static void find_nested(struct host_facts *facts)
{
	char path[96], answer;
	FILE *f;

	facts->nested = -1;
	snprintf(path, sizeof(path), "/sys/module/%s/parameters/nested", facts->module);
	f = *facts->module ? fopen(path, "re") : NULL;
	if (!f)
		return;
	if (fread(&answer, 1, 1, f) == 1)
		facts->nested = answer == 'Y' || answer == '1';
	fclose(f);
}

/* The vendor's module, or another backend's (kvm_pvm): whichever is loaded. */
static void find_module(struct host_facts *facts)
{
	DIR *dir = opendir("/sys/module");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		size_t bytes = strlen(e->d_name) + 1;

		if (!strncmp(e->d_name, "kvm_", 4) && bytes <= sizeof(facts->module))
			memcpy(facts->module, e->d_name, bytes);
	}
	if (dir)
		closedir(dir);
	find_nested(facts);
}

bool host_maps_all_ids(FILE *id_map)
{
	unsigned long inside, outside, nr;

	return fscanf(id_map, "%lu %lu %lu", &inside, &outside, &nr) == 3 && !inside && !outside &&
	       nr == UINT32_MAX;
}

static void find_user_namespace(struct host_facts *facts)
{
	FILE *f = fopen("/proc/self/uid_map", "re");

	facts->user_namespace = f && !host_maps_all_ids(f);
	if (f)
		fclose(f);
}

/* A distribution's upgrade of the kernel may remove the modules of the one that runs. */
static void find_modules_folder(struct host_facts *facts)
{
	struct utsname host;
	char path[96];

	uname(&host);
	snprintf(path, sizeof(path), "/lib/modules/%s", host.release);
	facts->modules_missing = access(path, F_OK) && errno == ENOENT;
}

/* AppArmor: "PROFILE (MODE)", or "unconfined". SELinux: "USER:ROLE:TYPE:LEVEL". */
static void find_confinement(struct host_facts *facts)
{
	FILE *f = fopen("/proc/self/attr/current", "re");
	char text[sizeof(facts->confined_by)] = "";

	if (f && !fgets(text, sizeof(text), f))
		*text = '\0';
	if (f)
		fclose(f);
	text[strcspn(text, "\n")] = '\0';
	if (!strstr(text, "unconfined") && !strstr(text, "kernel_t"))
		memcpy(facts->confined_by, text, sizeof(text));
}

static bool in_container(void)
{
	return !access("/.dockerenv", F_OK) || !access("/run/.containerenv", F_OK) ||
	       getenv("container");
}

void host_gather(struct host_facts *facts, const struct arch_host *arch)
{
	memset(facts, 0, sizeof(*facts));
	facts->uid = geteuid();
	find_user(facts);
	find_user_namespace(facts);
	find_node(facts);
	find_driver(facts);
	find_module(facts);
	find_modules_folder(facts);
	find_confinement(facts);
	facts->container = in_container();
	facts->memory_limit_bytes = host_memory_limit("");
	arch->cpu(&facts->cpu);
}

static void explain_no_driver(const struct host_facts *facts, char *buf, size_t n)
{
	const struct arch_host_cpu *cpu = &facts->cpu;

	if (!cpu->module)
		snprintf(buf, n, "the kernel has no KVM for this processor");
	else if (cpu->virt_flag && facts->container)
		snprintf(buf, n,
			 "KVM is not loaded: on the container's host, run `sudo modprobe %s`",
			 cpu->module);
	else if (cpu->virt_flag && facts->modules_missing)
		snprintf(
			buf, n,
			"KVM is not loaded, and /lib/modules has no modules for the running kernel: reboot if it was upgraded");
	else if (cpu->virt_flag)
		snprintf(
			buf, n,
			"KVM is not loaded: run `sudo modprobe %s`; if that fails, %s is switched off in the firmware set-up",
			cpu->module, cpu->virt_name);
	else if (cpu->in_vm)
		snprintf(
			buf, n,
			"this host is itself a virtual machine%s%s%s without %s: enable nested virtualization on its host",
			*cpu->hypervisor ? " (" : "", cpu->hypervisor, *cpu->hypervisor ? ")" : "",
			cpu->virt_name);
	else
		snprintf(
			buf, n,
			"the processor does not offer %s: it is switched off in the firmware set-up, or missing",
			cpu->virt_name);
}

static void explain_no_node(const struct host_facts *facts, char *buf, size_t n)
{
	if (!facts->kernel_known)
		snprintf(buf, n,
			 "there is no /proc: is this a chroot or a container without this device?");
	else if (!facts->kernel_has_kvm)
		explain_no_driver(facts, buf, n);
	else if (facts->container)
		snprintf(
			buf, n,
			"the kernel has KVM, but this container has no access to it: start it with `--device " KVM_DEVICE
			"`");
	else
		snprintf(
			buf, n,
			"the kernel has KVM, but the device node is missing: run `sudo mknod " KVM_DEVICE
			" c 10 232`");
}

/*
 * Whether the file's mode alone allows access; an ACL may allow more or less. Root may everything,
 * but only to files whose ids its user namespace knows.
 */
static bool mode_lets_us(const struct host_facts *facts)
{
	uint32_t both = 06;

	if (facts->uid == 0 && !facts->node_foreign)
		return true;
	if (facts->uid == facts->node_uid && !facts->node_foreign)
		return (facts->node_mode >> 6 & both) == both;
	return (facts->node_mode >> (facts->in_group ? 3 : 0) & both) == both;
}

/* The file's permissions are right, and yet it cannot be opened. */
static void explain_policy(const struct host_facts *facts, char *buf, size_t n)
{
	if (strchr(facts->confined_by, ':'))
		snprintf(
			buf, n,
			"the permissions are right, so SELinux may forbid it to %s: see `ausearch -m avc`%s",
			facts->confined_by,
			facts->container
				? ", or start the container with `--security-opt label=disable`"
				: "");
	else if (facts->container)
		snprintf(
			buf, n,
			"the permissions are right, so a device policy forbids it: start the container with `--device " KVM_DEVICE
			"`");
	else if (*facts->confined_by)
		snprintf(
			buf, n,
			"the permissions are right, so a security module may forbid it: AppArmor's profile is %s",
			facts->confined_by);
	else
		snprintf(
			buf, n,
			"the permissions are right, so a device policy forbids it (cgroup, security module)");
}

/* The node's group is what gives access, but this process is not in it. */
static void explain_group(const struct host_facts *facts, char *buf, size_t n)
{
	const char *group = facts->node_group, *user = facts->user;

	if (facts->container)
		snprintf(
			buf, n,
			"it belongs to group %s: start the container with `--group-add %u`, or podman with `--group-add keep-groups`",
			group, facts->node_gid);
	else if (facts->in_group_file)
		snprintf(
			buf, n,
			"%s is in group %s, but not yet in this session: log in again, or run `newgrp %s`",
			user, group, group);
	else if (!facts->group_named)
		snprintf(
			buf, n,
			"it belongs to group %s, which has no name: run `sudo groupadd -g %s kvm` and `sudo usermod -aG kvm %s`, then log in again",
			group, group, user);
	else
		snprintf(buf, n,
			 "it belongs to group %s: run `sudo usermod -aG %s %s`, then log in again",
			 group, group, user);
}

static void explain_permission(const struct host_facts *facts, char *buf, size_t n)
{
	bool group_may = (facts->node_mode & 060) == 060 && facts->node_gid != 0;

	if (facts->node_exists && facts->node_on_nodev)
		snprintf(buf, n, "it is on a file system that is mounted nodev");
	else if (facts->node_exists && mode_lets_us(facts) && !facts->node_has_acl)
		explain_policy(facts, buf, n);
	else if (facts->node_foreign && facts->container)
		snprintf(
			buf, n,
			"this rootless container does not have its group: start it with `--group-add keep-groups` (podman), as a user in that group");
	else if (facts->node_foreign)
		snprintf(
			buf, n,
			"its group is not in this user namespace: the user outside must be in that group (`ls -l " KVM_DEVICE
			"` there)");
	else if (group_may && !facts->in_group)
		explain_group(facts, buf, n);
	else
		snprintf(buf, n,
			 "it is mode %04o, group %s%s: run `sudo setfacl -m u:%s:rw " KVM_DEVICE
			 "` for access until the next reboot",
			 facts->node_mode, facts->node_group,
			 facts->node_has_acl ? ", and its ACL leaves you out" : "", facts->user);
}

void host_explain(const struct host_facts *facts, int err, char *buf, size_t n)
{
	int at = snprintf(buf, n, KVM_DEVICE ": %s: ", strerror(err));

	if (at < 0 || (size_t)at >= n)
		return;
	buf += at;
	n -= (size_t)at;
	switch (err) {
	case ENOENT:
	case ENOTDIR:
		explain_no_node(facts, buf, n);
		break;
	case ENODEV:
	case ENXIO:
		explain_no_driver(facts, buf, n);
		break;
	case EACCES:
	case EPERM:
		explain_permission(facts, buf, n);
		break;
	case EMFILE:
	case ENFILE:
		snprintf(buf, n, "raise the limit of open files (`ulimit -n`)");
		break;
	case EBUSY:
		snprintf(
			buf, n,
			"another hypervisor (VirtualBox, VMware) holds the processor: stop its machines");
		break;
	default:
		snprintf(buf, n, "run `kvm host` for details");
		break;
	}
}

void host_explain_open(const struct arch_host *arch, int err, char *buf, size_t n)
{
	struct host_facts facts;

	host_gather(&facts, arch);
	host_explain(&facts, err, buf, n);
}

void host_explain_create(int err, char *buf, size_t n)
{
	const char *hint;

	switch (err) {
	case EBUSY:
		hint = ": another hypervisor (VirtualBox, VMware) holds the processor; stop its machines";
		break;
	case ENOMEM:
		hint = ": the host, or this control group, has no memory left for it";
		break;
	case EMFILE:
	case ENFILE:
		hint = ": raise the limit of open files (`ulimit -n`)";
		break;
	case ENOTTY:
		hint = ": " KVM_DEVICE " is not KVM's device";
		break;
	default:
		hint = "";
		break;
	}
	snprintf(buf, n, "KVM cannot create a machine: %s%s", strerror(err), hint);
}
