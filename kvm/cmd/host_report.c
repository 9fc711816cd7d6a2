/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reports what this host's KVM offers: queries it (host_survey), judges it (host_judge), and prints
 * it as text and as JSON.
 *
 * host_judge() checks first what makes a machine impossible, then what makes it slow: the device,
 * the API version, the capabilities that the launcher needs, a probe that must run, and the probe's
 * speed. Limits and optional capabilities are printed but do not affect the verdict.
 *
 * JSON is that of RFC 8259; strings from the system are escaped, and bytes outside ASCII become
 * '?'. cmd_host.c calls this; nothing is cached. Thread: main.
 */
#include "host_access.h"
#include "kvm/base/options.h"
#include "kvm/ioctl.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static const struct host_cap common_caps[] = {
	{ KVM_CAP_USER_MEMORY, "USER_MEMORY", true, "a machine has no memory" },
	{ KVM_CAP_IRQCHIP, "IRQCHIP", true,
	  "no interrupt controllers; CONFIG_KVM_IOAPIC is needed" },
	{ KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT", true,
	  "a running machine cannot be stopped reliably" },
	{ KVM_CAP_MP_STATE, "MP_STATE", false, "a guest that hangs for ever goes unnoticed" },
	{ KVM_CAP_COALESCED_PIO, "COALESCED_PIO", false,
	  "console output costs twice as many exits" },
};

static void ask_caps(struct host_report *r, int kvm_fd, const struct host_cap *caps,
		     unsigned int nr)
{
	for (unsigned int i = 0; i < nr && r->nr_caps < HOST_MAX_CAPS; i++) {
		r->caps[r->nr_caps].cap = &caps[i];
		r->caps[r->nr_caps].value = kvm_ioctl_val(kvm_fd, KVM_CHECK_EXTENSION, caps[i].cap);
		r->nr_caps++;
	}
}

void host_survey(struct host_report *r, const struct arch_host *arch)
{
	const struct host_cap *arch_caps;
	unsigned int nr;
	int fd;

	memset(r, 0, sizeof(*r));
	host_gather(&r->facts, arch);
	fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		r->open_err = errno;
		return;
	}
	r->api_version = kvm_ioctl_val(fd, KVM_GET_API_VERSION, 0);
	if (r->api_version == KVM_API_VERSION) {
		arch_caps = arch->caps(&nr);
		ask_caps(r, fd, common_caps, ARRAY_SIZE(common_caps));
		ask_caps(r, fd, arch_caps, nr);
		r->max_vcpus = kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
		r->recommended_vcpus = kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
		r->max_memory_slots = kvm_ioctl_val(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
		arch->probe(fd, &r->probe);
	}
	close(fd);
}

static const struct host_cap *lacking(const struct host_report *r)
{
	for (unsigned int i = 0; i < r->nr_caps; i++)
		if (r->caps[i].cap->required && r->caps[i].value <= 0)
			return r->caps[i].cap;
	return NULL;
}

static void explain_probe(struct host_report *r)
{
	const struct arch_host_probe *p = &r->probe;

	if (!strcmp(p->step, "KVM_CREATE_VM"))
		host_explain_create(-p->err, r->why, sizeof(r->why));
	else if (p->err == -EPROTO)
		snprintf(r->why, sizeof(r->why), "a trial machine did not run (%s: exit %u)",
			 p->step, p->exit_reason);
	else
		snprintf(r->why, sizeof(r->why), "a trial machine did not run (%s: %s)", p->step,
			 strerror(-p->err));
}

void host_judge(struct host_report *r)
{
	const struct host_cap *lacks = lacking(r);

	r->ability = HOST_CANNOT;
	if (r->open_err) {
		host_explain(&r->facts, r->open_err, r->why, sizeof(r->why));
	} else if (r->api_version < 0) {
		snprintf(r->why, sizeof(r->why), KVM_DEVICE " is not KVM's device");
	} else if (r->api_version != KVM_API_VERSION) {
		snprintf(r->why, sizeof(r->why), "KVM has API version %d; kvm needs %d",
			 r->api_version, KVM_API_VERSION);
	} else if (lacks) {
		snprintf(r->why, sizeof(r->why), "KVM lacks %s: %s", lacks->name, lacks->without);
	} else if (r->probe.err) {
		explain_probe(r);
	} else if (r->probe.emulated) {
		r->ability = HOST_SLOWLY;
		snprintf(r->why, sizeof(r->why),
			 "KVM emulates the guest's ring 0, %" PRIu64
			 " ns an instruction; stock kernels take too long",
			 r->probe.ps_per_instruction / 1000);
	} else {
		r->ability = HOST_CAN;
		snprintf(r->why, sizeof(r->why), "KVM works, a trial machine ran at full speed");
	}
}

static void print_device(FILE *f, const struct host_facts *facts)
{
	if (!facts->node_exists)
		fprintf(f, "  device        " KVM_DEVICE " does not exist\n");
	else
		fprintf(f, "  device        " KVM_DEVICE ", mode %04o, group %s%s%s\n",
			facts->node_mode, facts->node_group,
			facts->node_has_acl ? ", with an ACL" : "",
			facts->node_is_device ? "" : ", not a device");
	fprintf(f, "  user          %s%s\n", facts->user,
		facts->node_exists && facts->in_group ? ", in the device's group" : "");
}

static void print_host(FILE *f, const struct host_facts *facts)
{
	const struct arch_host_cpu *cpu = &facts->cpu;
	char size[24];

	fprintf(f, "  module        %s\n",
		*facts->module		? facts->module
		: facts->kernel_has_kvm ? "built in"
		: facts->kernel_known	? "not loaded"
					: "unknown");
	if (cpu->in_vm)
		fprintf(f, "  this host     is itself a virtual machine%s%s\n",
			*cpu->hypervisor ? " of " : "", cpu->hypervisor);
	if (facts->container)
		fprintf(f, "  container     yes\n");
	if (facts->user_namespace)
		fprintf(f, "  users         of a user namespace, not all of the host's\n");
	if (*facts->confined_by)
		fprintf(f, "  confined by   %s\n", facts->confined_by);
	if (facts->memory_limit_bytes != UINT64_MAX)
		fprintf(f, "  memory        at most %s, by control group\n",
			format_size(facts->memory_limit_bytes, size));
	if (facts->nested >= 0)
		fprintf(f, "  nested        %s\n",
			facts->nested ? "guests may use KVM themselves" : "off");
}

static void print_kvm(FILE *f, const struct host_report *r)
{
	const struct arch_host_probe *p = &r->probe;

	fprintf(f, "  API version   %d\n", r->api_version);
	if (!p->err)
		fprintf(f,
			"  ring 0        %s: %" PRIu64 ".%" PRIu64
			" ns an instruction, over %" PRIu64 "\n",
			p->emulated ? "emulated" : "executed", p->ps_per_instruction / 1000,
			p->ps_per_instruction / 100 % 10, p->nr_instructions);
	fprintf(f, "  CPUs          up to %d a machine, %d recommended\n", r->max_vcpus,
		r->recommended_vcpus);
	fprintf(f, "  memory slots  %d\n\n", r->max_memory_slots);
	for (unsigned int i = 0; i < r->nr_caps; i++) {
		const struct host_cap *cap = r->caps[i].cap;

		if (r->caps[i].value > 0)
			fprintf(f, "  %-22s yes\n", cap->name);
		else
			fprintf(f, "  %-22s no%s: %s\n", cap->name,
				cap->required ? ", but required" : "", cap->without);
	}
}

void host_print_text(FILE *f, const struct host_report *r)
{
	static const char *const answer[] = { "no", "slowly", "yes" };

	fprintf(f, "this host can run machines: %s: %s\n\n", answer[r->ability], r->why);
	print_device(f, &r->facts);
	print_host(f, &r->facts);
	if (!r->open_err && r->api_version == KVM_API_VERSION)
		print_kvm(f, r);
}

static void json_string(FILE *f, const char *name, const char *value, const char *end)
{
	fprintf(f, "\"%s\": \"", name);
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c < 0x7f ? c : '?', f);
	}
	fprintf(f, "\"%s", end);
}

static const char *json_bool(bool value)
{
	return value ? "true" : "false";
}

static void json_facts(FILE *f, const struct host_report *r)
{
	const struct host_facts *facts = &r->facts;

	fprintf(f, "  \"device\": {");
	json_string(f, "path", KVM_DEVICE, ", ");
	fprintf(f, "\"exists\": %s, \"open_errno\": %d, \"mode\": \"%04o\", ",
		json_bool(facts->node_exists), r->open_err, facts->node_mode);
	json_string(f, "group", facts->node_group, ", ");
	fprintf(f, "\"acl\": %s},\n", json_bool(facts->node_has_acl));
	fprintf(f, "  \"user\": {\"uid\": %u, ", facts->uid);
	json_string(f, "name", facts->user, ", ");
	fprintf(f, "\"in_group\": %s},\n", json_bool(facts->in_group));
	fprintf(f, "  \"host\": {\"kvm_loaded\": %s, ", json_bool(facts->kernel_has_kvm));
	json_string(f, "module", facts->module, ", ");
	fprintf(f, "\"nested\": %s, \"cpu_virtualization\": %s, \"in_vm\": %s, ",
		facts->nested < 0 ? "null" : json_bool(facts->nested),
		json_bool(facts->cpu.virt_flag), json_bool(facts->cpu.in_vm));
	json_string(f, "hypervisor", facts->cpu.hypervisor, ", ");
	fprintf(f, "\"container\": %s, \"user_namespace\": %s, ", json_bool(facts->container),
		json_bool(facts->user_namespace));
	json_string(f, "confined_by", facts->confined_by, ", ");
	if (facts->memory_limit_bytes == UINT64_MAX)
		fprintf(f, "\"memory_limit_bytes\": null}");
	else
		fprintf(f, "\"memory_limit_bytes\": %" PRIu64 "}", facts->memory_limit_bytes);
}

static void json_kvm(FILE *f, const struct host_report *r)
{
	const struct arch_host_probe *p = &r->probe;

	fprintf(f, ",\n  \"api_version\": %d", r->api_version);
	if (p->err) {
		fprintf(f, ",\n  \"probe\": {\"errno\": %d, ", -p->err);
		json_string(f, "step", p->step, "}");
	} else {
		fprintf(f,
			",\n  \"ring0\": {\"emulated\": %s, \"ps_per_instruction\": %" PRIu64
			", \"instructions\": %" PRIu64 "}",
			json_bool(p->emulated), p->ps_per_instruction, p->nr_instructions);
	}
	fprintf(f,
		",\n  \"limits\": {\"max_cpus\": %d, \"recommended_cpus\": %d, \"max_memory_slots\": %d}",
		r->max_vcpus, r->recommended_vcpus, r->max_memory_slots);
	fprintf(f, ",\n  \"capabilities\": [");
	for (unsigned int i = 0; i < r->nr_caps; i++) {
		const struct host_cap *cap = r->caps[i].cap;

		fprintf(f, "%s\n    {", i ? "," : "");
		json_string(f, "name", cap->name, ", ");
		fprintf(f, "\"value\": %d, \"required\": %s, ", r->caps[i].value,
			json_bool(cap->required));
		json_string(f, "without", cap->without, "}");
	}
	fprintf(f, "\n  ]");
}

void host_print_json(FILE *f, const struct host_report *r)
{
	static const char *const answer[] = { "no", "slowly", "yes" };

	fprintf(f, "{\n  ");
	json_string(f, "can_run", answer[r->ability], ",\n  ");
	json_string(f, "why", r->why, ",\n");
	json_facts(f, r);
	if (!r->open_err && r->api_version == KVM_API_VERSION)
		json_kvm(f, r);
	fprintf(f, "\n}\n");
}
