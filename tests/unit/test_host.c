/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests `kvm host`: the sentence for each way in which /dev/kvm can be unavailable, the verdict,
 * and both output formats.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/cmd/host_access.h"
#include "kvm/cmd/host_memory.h"
#include "unit/tree_rig.h"
#include "x86/arch_x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A laptop with default settings: the user is not in group kvm. */
static struct host_facts laptop(void)
{
	return (struct host_facts){
		.node_exists = true,
		.node_is_device = true,
		.node_mode = 0660,
		.node_gid = 104,
		.node_group = "kvm",
		.group_named = true,
		.uid = 1000,
		.user = "alice",
		.kernel_known = true,
		.kernel_has_kvm = true,
		.module = "kvm_intel",
		.nested = 1,
		.memory_limit_bytes = UINT64_MAX,
		.cpu = { .module = "kvm_intel", .virt_name = "VT-x", .virt_flag = true },
	};
}

static void expect(const struct host_facts *facts, int err, const char *what)
{
	char line[256];

	host_explain(facts, err, line, sizeof(line));
	if (!strstr(line, what))
		fail_msg("\"%s\" is not in: %s", what, line);
	/* Checks for one complete line that names the device. */
	assert_null(strchr(line, '\n'));
	assert_int_equal(strncmp(line, "/dev/kvm: ", 10), 0);
	assert_in_range(strlen(line), 20, sizeof(line) - 2);
}

/* How a host differs from laptop(): words that change one fact each. */
static void change(struct host_facts *f, const char *word)
{
	const char *value = strchr(word, '=') ? strchr(word, '=') + 1 : "";
	const struct {
		const char *word;
		bool *flag, to;
	} flags[] = {
		{ "no-node", &f->node_exists, false },
		{ "acl", &f->node_has_acl, true },
		{ "nodev", &f->node_on_nodev, true },
		{ "foreign", &f->node_foreign, true },
		{ "nameless", &f->group_named, false },
		{ "in-group", &f->in_group, true },
		{ "in-group-file", &f->in_group_file, true },
		{ "no-proc", &f->kernel_known, false },
		{ "no-driver", &f->kernel_has_kvm, false },
		{ "no-modules", &f->modules_missing, true },
		{ "container", &f->container, true },
		{ "userns", &f->user_namespace, true },
		{ "no-virt", &f->cpu.virt_flag, false },
		{ "in-vm", &f->cpu.in_vm, true },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!strcmp(word, flags[i].word)) {
			*flags[i].flag = flags[i].to;
			return;
		}
	}
	if (!strncmp(word, "mode=", 5))
		f->node_mode = (uint32_t)strtoul(value, NULL, 8);
	else if (!strncmp(word, "uid=", 4))
		f->uid = (uint32_t)strtoul(value, NULL, 10);
	else if (!strncmp(word, "owner=", 6))
		f->node_uid = (uint32_t)strtoul(value, NULL, 10);
	else if (!strncmp(word, "gid=", 4))
		f->node_gid = (uint32_t)strtoul(value, NULL, 10);
	else if (!strncmp(word, "group=", 6))
		snprintf(f->node_group, sizeof(f->node_group), "%s", value);
	else if (!strncmp(word, "hypervisor=", 11))
		snprintf(f->cpu.hypervisor, sizeof(f->cpu.hypervisor), "%s", value);
	else if (!strncmp(word, "confined=", 9))
		snprintf(f->confined_by, sizeof(f->confined_by), "%s", value);
	else if (!strcmp(word, "other-cpu"))
		f->cpu.module = NULL;
	else
		fail_msg("no such word: %s", word);
}

/* First contacts: the host, what open() of the device says, and the hint for it. */
static const struct {
	const char *host;
	int err;
	const char *hint;
} contacts[] = {
	/* permissions and groups */
	{ "", EACCES,
	  "Permission denied: it belongs to group kvm: run `sudo usermod -aG kvm alice`, then log in again" },
	{ "in-group-file", EACCES,
	  "alice is in group kvm, but not yet in this session: log in again, or run `newgrp kvm`" },
	{ "in-group-file in-group", EACCES,
	  "a device policy forbids it (cgroup, security module)" },
	{ "group=104 nameless", EACCES,
	  "`sudo groupadd -g 104 kvm` and `sudo usermod -aG kvm alice`" },
	{ "gid=0 group=root", EACCES,
	  "`sudo setfacl -m u:alice:rw /dev/kvm`" }, /* not: join root */
	{ "mode=0600", EACCES, "it is mode 0600, group kvm: run `sudo setfacl" },
	{ "mode=0600 acl", EACCES, "its ACL leaves you out" },
	{ "mode=0666", EACCES, "a device policy forbids it" },
	{ "owner=1000 mode=0060", EACCES,
	  "belongs to group kvm" }, /* only the owner's bits count */
	{ "nodev in-group", EACCES, "mounted nodev" },
	{ "uid=0", EPERM, "a device policy forbids it" },
	/* containers and user namespaces */
	{ "container in-group", EPERM, "start the container with `--device /dev/kvm`" },
	{ "container uid=0", EPERM, "start the container with `--device /dev/kvm`" },
	{ "container group=104 nameless", EACCES, "start the container with `--group-add 104`" },
	{ "container in-group-file", EACCES, "--group-add keep-groups" },
	{ "container userns foreign uid=0 owner=65534 gid=65534 group=nogroup", EACCES,
	  "rootless container does not have its group: start it with `--group-add keep-groups`" },
	{ "container userns foreign owner=65534 gid=65534 group=nogroup", EACCES,
	  "rootless container does not have its group: start it with `--group-add keep-groups`" },
	{ "userns foreign uid=0 owner=65534 gid=65534 group=nogroup", EACCES,
	  "the user outside must be in that group" },
	{ "userns foreign owner=65534 gid=65534 mode=0666", EACCES, "a device policy forbids it" },
	{ "userns uid=0", EACCES, "a device policy forbids it" },
	/* security modules */
	{ "in-group confined=/usr/bin/ci//kvm_(enforce)", EACCES,
	  "AppArmor's profile is /usr/bin/ci//kvm_(enforce)" },
	{ "in-group container confined=docker-default_(enforce)", EACCES,
	  "start the container with `--device /dev/kvm`" },
	{ "in-group confined=system_u:system_r:ci_t:s0", EACCES,
	  "SELinux may forbid it to system_u:system_r:ci_t:s0: see `ausearch -m avc`" },
	{ "uid=0 container confined=system_u:system_r:container_t:s0:c123,c456", EACCES,
	  "or start the container with `--security-opt label=disable`" },
	/* no driver */
	{ "no-driver", ENODEV,
	  "`sudo modprobe kvm_intel`; if that fails, VT-x is switched off in the firmware set-up" },
	{ "no-driver no-node", ENOENT, "`sudo modprobe kvm_intel`" },
	{ "no-driver no-node no-modules", ENOENT,
	  "no modules for the running kernel: reboot if it was upgraded" },
	{ "no-driver no-node container no-modules", ENOENT,
	  "on the container's host, run `sudo modprobe kvm_intel`" },
	{ "no-driver no-node no-virt", ENOENT,
	  "does not offer VT-x: it is switched off in the firmware set-up, or missing" },
	{ "no-driver no-node no-virt in-vm", ENOENT,
	  "this host is itself a virtual machine without VT-x: enable nested virtualization" },
	{ "no-driver no-virt in-vm hypervisor=VMware", ENXIO,
	  "is itself a virtual machine (VMware) without" },
	{ "no-driver no-node other-cpu", ENOENT, "no KVM for this processor" },
	/* no node */
	{ "no-node", ENOENT, "`sudo mknod /dev/kvm c 10 232`" },
	{ "no-node container", ENOENT,
	  "this container has no access to it: start it with `--device /dev/kvm`" },
	{ "no-node no-proc", ENOENT, "chroot or a container" },
	/* others */
	{ "", EMFILE, "raise the limit of open files (`ulimit -n`)" },
	{ "", EBUSY, "another hypervisor (VirtualBox, VMware) holds the processor" },
	{ "", EIO, "Input/output error: run `kvm host` for details" },
};

static void test_contacts(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(contacts); i++) {
		struct host_facts f = laptop();
		char words[128], *rest = words;

		snprintf(words, sizeof(words), "%s", contacts[i].host);
		for (char *word; (word = strsep(&rest, " "));) {
			if (*word)
				change(&f, word);
		}
		expect(&f, contacts[i].err, contacts[i].hint);
	}
}

static void test_id_maps(void **state)
{
	static const struct {
		const char *map;
		bool all;
	} maps[] = {
		{ "         0          0 4294967295\n", true },
		{ "         0       1000          1\n", false },
		{ "0 0 65536\n65536 65536 1\n", false },
		{ "0 100000 4294967295\n", false },
		{ "", false },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(maps); i++) {
		FILE *f = fmemopen((void *)(uintptr_t)maps[i].map, strlen(maps[i].map) + 1, "r");

		assert_non_null(f);
		assert_int_equal(host_maps_all_ids(f), maps[i].all);
		fclose(f);
	}
}

/* Control groups' files below a root of ours, and the limit that follows from them. */
static const struct {
	const char *file[4], *text[4];
	uint64_t all, here;
} limits[] = {
	{ { NULL }, { NULL }, UINT64_MAX, UINT64_MAX },
	/* a container of version 2 */
	{ { "proc/self/cgroup", "sys/fs/cgroup/memory.max" },
	  { "0::/\n", "536870912\n" },
	  512 * MIB,
	  512 * MIB },
	{ { "proc/self/cgroup", "sys/fs/cgroup/memory.max" },
	  { "0::/\n", "max\n" },
	  UINT64_MAX,
	  UINT64_MAX },
	/* a service: its own limit, and that of a group above it */
	{ { "proc/self/cgroup", "sys/fs/cgroup/a/b/memory.max" },
	  { "0::/a/b\n", "1048576\n" },
	  MIB,
	  UINT64_MAX },
	{ { "proc/self/cgroup", "sys/fs/cgroup/a/b/memory.max", "sys/fs/cgroup/a/memory.max" },
	  { "0::/a/b\n", "4194304\n", "1048576\n" },
	  MIB,
	  UINT64_MAX },
	/* version 1: none has a huge number; the path may be that of the host */
	{ { "proc/self/cgroup", "sys/fs/cgroup/memory/memory.limit_in_bytes" },
	  { "4:cpu,cpuacct:/x\n3:memory:/docker/1\n0::/\n", "268435456\n" },
	  256 * MIB,
	  256 * MIB },
	{ { "proc/self/cgroup", "sys/fs/cgroup/memory/memory.limit_in_bytes" },
	  { "3:memory:/\n", "9223372036854771712\n" },
	  UINT64_MAX,
	  UINT64_MAX },
	{ { "proc/self/cgroup", "sys/fs/cgroup/memory/x/memory.limit_in_bytes" },
	  { "3:hugetlb,memory:/x\n", "2097152\n" },
	  2 * MIB,
	  UINT64_MAX },
	/* nonsense */
	{ { "proc/self/cgroup", "sys/fs/cgroup/memory.max" },
	  { "memory\n0:\n:::::\n", "-1" },
	  UINT64_MAX,
	  UINT64_MAX },
};

static void test_memory_limits(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(limits); i++) {
		char root[] = "/tmp/test-host-XXXXXX";

		assert_non_null(mkdtemp(root));
		for (unsigned int k = 0; k < 4 && limits[i].file[k]; k++)
			tree_write(root, limits[i].file[k], limits[i].text[k]);
		assert_true(host_memory_limit(root) == limits[i].all);
		assert_true(host_memory_limit_here(root) == limits[i].here);
		tree_remove(root);
	}
}

static void test_other_errors(void **state)
{
	struct host_facts f = laptop();
	char line[256], small[24];

	(void)state;
	host_explain_create(EBUSY, line, sizeof(line));
	assert_non_null(strstr(line, "busy: another hypervisor"));
	host_explain_create(EIO, line, sizeof(line));
	assert_string_equal(line, "KVM cannot create a machine: Input/output error");
	host_explain(&f, EACCES, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
	host_explain(&f, EACCES, small, 1);
	assert_int_equal(small[0], '\0');
}

static void check_group(const char *text, uint32_t gid, const char *user, bool listed,
			const char *group)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	char name[32];

	assert_non_null(f);
	assert_int_equal(host_group_lists(f, gid, user, name, sizeof(name)), listed);
	assert_string_equal(name, group);
	fclose(f);
}

static void test_group_file(void **state)
{
	static const char text[] = "root:x:0:\ngarbage\n::\nkvm:x:104:bob,alice\nlast:x:7:carol";

	(void)state;
	check_group(text, 104, "alice", true, "kvm");
	check_group(text, 104, "bob", true, "kvm");
	check_group(text, 104, "ali", false, "kvm");
	check_group(text, 104, "", false, "kvm");
	check_group(text, 0, "alice", false, "root");
	check_group(text, 7, "carol", true, "last");
	check_group(text, 99, "alice", false, "99");
}

static const struct host_cap needed = {
	.cap = 1, .name = "NEEDED", .required = true, .without = "nothing works"
};
static const struct host_cap wanted = {
	.cap = 2, .name = "WANTED", .required = false, .without = "it is \"slow\""
};

static struct host_report good(void)
{
	return (struct host_report){
		.facts = laptop(),
		.api_version = 12,
		.nr_caps = 2,
		.caps = { { &needed, 1 }, { &wanted, 0 } },
		.max_vcpus = 1024,
		.recommended_vcpus = 8,
		.max_memory_slots = 32764,
		.probe = { .nr_instructions = 1998, .ps_per_instruction = 450 },
	};
}

static void test_verdicts(void **state)
{
	struct host_report r = good();

	(void)state;
	host_judge(&r);
	assert_int_equal(r.ability, HOST_CAN);
	r.probe.emulated = true;
	r.probe.ps_per_instruction = 504000;
	host_judge(&r);
	assert_int_equal(r.ability, HOST_SLOWLY);
	assert_non_null(strstr(r.why, "504 ns"));
	r.probe.err = -EBUSY;
	r.probe.step = "KVM_CREATE_VM";
	host_judge(&r);
	assert_int_equal(r.ability, HOST_CANNOT);
	assert_non_null(strstr(r.why, "another hypervisor"));
	r.probe.err = -EPROTO;
	r.probe.step = "KVM_RUN";
	r.probe.exit_reason = 17;
	host_judge(&r);
	assert_non_null(strstr(r.why, "KVM_RUN: exit 17"));
	r.caps[0].value = 0;
	host_judge(&r);
	assert_string_equal(r.why, "KVM lacks NEEDED: nothing works");
	r.api_version = 11;
	host_judge(&r);
	assert_string_equal(r.why, "KVM has API version 11; kvm needs 12");
	r.api_version = -ENOTTY;
	host_judge(&r);
	assert_string_equal(r.why, "/dev/kvm is not KVM's device");
	r.open_err = EACCES;
	host_judge(&r);
	assert_int_equal(r.ability, HOST_CANNOT);
	assert_non_null(strstr(r.why, "usermod"));
}

static char *printed(const struct host_report *r,
		     void (*print)(FILE *f, const struct host_report *r))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f, r);
	fclose(f);
	return text;
}

static void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void test_text(void **state)
{
	struct host_report r = good();
	char *text;

	(void)state;
	host_judge(&r);
	text = printed(&r, host_print_text);
	assert_int_equal(strncmp(text, "this host can run machines: yes: ", 33), 0);
	has(text, "/dev/kvm, mode 0660, group kvm\n");
	has(text, "ring 0        executed: 0.4 ns an instruction, over 1998\n");
	has(text, "up to 1024 a machine, 8 recommended\n");
	has(text, "  NEEDED                 yes\n");
	has(text, "  WANTED                 no: it is \"slow\"\n");
	has(text, "guests may use KVM themselves");
	assert_null(strstr(text, "control group"));
	free(text);
	r.facts.memory_limit_bytes = 512 * MIB;
	r.facts.user_namespace = true;
	strcpy(r.facts.confined_by, "docker-default (enforce)");
	text = printed(&r, host_print_text);
	has(text, "memory        at most 512M, by control group\n");
	has(text, "confined by   docker-default (enforce)\n");
	has(text, "user namespace");
	free(text);
	r.open_err = ENOENT;
	r.facts.node_exists = false;
	host_judge(&r);
	text = printed(&r, host_print_text);
	assert_int_equal(
		strncmp(text, "this host can run machines: no: /dev/kvm: No such file", 54), 0);
	has(text, "does not exist\n");
	assert_null(strstr(text, "ring 0"));
	free(text);
}

static void test_json(void **state)
{
	struct host_report r = good();
	char *text;

	(void)state;
	strcpy(r.facts.user, "a\"\\\n\xc3z");
	host_judge(&r);
	text = printed(&r, host_print_json);
	assert_int_equal(strncmp(text, "{\n  \"can_run\": \"yes\",\n", 22), 0);
	has(text, "\"name\": \"a\\\"\\\\\\u000a?z\"");
	has(text, "\"mode\": \"0660\"");
	has(text, "\"open_errno\": 0");
	has(text, "\"nested\": true");
	has(text,
	    "\"ring0\": {\"emulated\": false, \"ps_per_instruction\": 450, \"instructions\": 1998}");
	has(text,
	    "{\"name\": \"WANTED\", \"value\": 0, \"required\": false, \"without\": \"it is \\\"slow\\\"\"}\n  ]\n}\n");
	free(text);
	r.probe.err = -EINVAL;
	r.probe.step = "KVM_RUN";
	r.facts.nested = -1;
	host_judge(&r);
	text = printed(&r, host_print_json);
	has(text, "\"can_run\": \"no\"");
	has(text, "\"probe\": {\"errno\": 22, \"step\": \"KVM_RUN\"}");
	has(text, "\"nested\": null");
	has(text,
	    "\"user_namespace\": false, \"confined_by\": \"\", \"memory_limit_bytes\": null}");
	free(text);
}

/* On any host, gathering must not fail or leave a string without its end. */
static void test_gather(void **state)
{
	struct host_facts f;
	char line[256];

	(void)state;
	memset(&f, 0xff, sizeof(f));
	host_gather(&f, &arch_x86.host);
	assert_int_equal(f.uid, geteuid());
	assert_in_range(strlen(f.user), 1, sizeof(f.user) - 1);
	assert_non_null(memchr(f.cpu.hypervisor, 0, sizeof(f.cpu.hypervisor)));
	assert_in_range(f.nested + 1, 0, 2);
	host_explain_open(&arch_x86.host, EACCES, line, sizeof(line));
	has(line, "/dev/kvm: Permission denied: ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_contacts),      cmocka_unit_test(test_id_maps),
		cmocka_unit_test(test_memory_limits), cmocka_unit_test(test_other_errors),
		cmocka_unit_test(test_group_file),    cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_text),	      cmocka_unit_test(test_json),
		cmocka_unit_test(test_gather),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
