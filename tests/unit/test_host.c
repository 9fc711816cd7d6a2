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
#include "x86/arch_x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
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
		.uid = 1000,
		.user = "alice",
		.kernel_known = true,
		.kernel_has_kvm = true,
		.module = "kvm_intel",
		.nested = 1,
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

static void test_permission(void **state)
{
	struct host_facts f = laptop();

	(void)state;
	expect(&f, EACCES,
	       "Permission denied: it belongs to group kvm: run `sudo usermod -aG kvm alice`, then log in again");
	f.in_group_file = true;
	expect(&f, EACCES,
	       "alice is in group kvm, but not yet in this session: log in again, or run `newgrp kvm`");
	f.in_group = true;
	expect(&f, EACCES, "a device policy forbids it (cgroup, security module)");
	f.container = true;
	expect(&f, EPERM, "start the container with `--device /dev/kvm`");
	f.node_on_nodev = true;
	expect(&f, EACCES, "mounted nodev");
}

static void test_permission_without_a_group(void **state)
{
	struct host_facts f = laptop();

	(void)state;
	/* No message advises a user to join group root. */
	f.node_gid = 0;
	strcpy(f.node_group, "root");
	expect(&f, EACCES, "`sudo setfacl -m u:alice:rw /dev/kvm`");
	f = laptop();
	f.node_mode = 0600;
	expect(&f, EACCES, "it is mode 0600, group kvm: run `sudo setfacl");
	f.node_has_acl = true;
	expect(&f, EACCES, "its ACL leaves you out");
	f = laptop();
	f.uid = 0;
	expect(&f, EPERM, "a device policy forbids it");
	f.uid = 1000;
	f.node_mode = 0666;
	expect(&f, EACCES, "a device policy forbids it");
	/* For the owner only the owner's bits count. */
	f.node_uid = 1000;
	f.node_mode = 0060;
	expect(&f, EACCES, "belongs to group kvm");
}

static void test_no_driver(void **state)
{
	struct host_facts f = laptop();

	(void)state;
	f.kernel_has_kvm = false;
	f.module[0] = '\0';
	expect(&f, ENODEV,
	       "`sudo modprobe kvm_intel`; if that fails, VT-x is switched off in the firmware set-up");
	f.node_exists = false;
	expect(&f, ENOENT, "`sudo modprobe kvm_intel`");
	f.container = true;
	expect(&f, ENOENT, "on the container's host, run `sudo modprobe kvm_intel`");
	f.cpu.virt_flag = false;
	expect(&f, ENOENT,
	       "does not offer VT-x: it is switched off in the firmware set-up, or missing");
	f.cpu.in_vm = true;
	expect(&f, ENOENT,
	       "this host is itself a virtual machine without VT-x: enable nested virtualization");
	strcpy(f.cpu.hypervisor, "VMware");
	expect(&f, ENXIO, "is itself a virtual machine (VMware) without");
	f.cpu.module = NULL;
	expect(&f, ENOENT, "no KVM for this processor");
}

static void test_no_node(void **state)
{
	struct host_facts f = laptop();

	(void)state;
	f.node_exists = false;
	expect(&f, ENOENT, "`sudo mknod /dev/kvm c 10 232`");
	f.container = true;
	expect(&f, ENOENT, "this container has no access to it: start it with `--device /dev/kvm`");
	f.kernel_known = false;
	expect(&f, ENOENT, "chroot or a container");
}

static void test_other_errors(void **state)
{
	struct host_facts f = laptop();
	char line[256], small[24];

	(void)state;
	expect(&f, EMFILE, "ulimit -n");
	expect(&f, EBUSY, "another hypervisor");
	expect(&f, EIO, "Input/output error");
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
		cmocka_unit_test(test_permission),
		cmocka_unit_test(test_permission_without_a_group),
		cmocka_unit_test(test_no_driver),
		cmocka_unit_test(test_no_node),
		cmocka_unit_test(test_other_errors),
		cmocka_unit_test(test_group_file),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_gather),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
