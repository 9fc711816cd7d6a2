/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the user asked for: `kvm run`'s options, parsed and checked, and nothing else.
 */
#ifndef KVM_CONFIG_H
#define KVM_CONFIG_H

#include "kvm/types.h"

#define CONFIG_MAX_INITRDS 16
#define CONFIG_NR_SERIAL 4
#define CONFIG_MAX_DISKS 64
#define CONFIG_MAX_NETS 8
#define CONFIG_MAX_PORTS 16
#define CONFIG_MAX_EXPECTS 32
#define CONFIG_MAX_ADDS 64
#define CONFIG_MAX_SHARES 15
#define CONFIG_MAX_ENVS 64
#define CONFIG_NAME_LENGTH 64

/* In the order of the option's words. */
enum rng { RNG_ON, RNG_OFF };
enum console_kind { CONSOLE_SERIAL, CONSOLE_VIRTIO };
enum on_reboot { ON_REBOOT_EXIT, ON_REBOOT_RESTART };
enum on_panic { ON_PANIC_EXIT, ON_PANIC_WAIT };
enum post_mortem { POST_MORTEM_SHORT, POST_MORTEM_FULL, POST_MORTEM_OFF };

struct arch;

struct config {
	const char *name;   /* the machine's, or NULL */
	const char *kernel; /* NULL: the host's own */
	const char *entry;  /* which of its entries: the architecture's words */
	uint64_t load_gpa;  /* of a kernel that does not say it; UINT64_MAX: not given */
	const char *initrd[CONFIG_MAX_INITRDS];
	unsigned int nr_initrds;
	uint64_t mem_bytes;
	uint64_t nr_cpus;
	const char *params; /* the user's kernel parameters, or NULL */
	bool no_default_params;
	bool fast;
	bool early; /* the kernel prints from its decompressor on, and all of it */
	bool no_cache;
	bool hugepages;
	const char *serial[CONFIG_NR_SERIAL]; /* chardev specifications; NULL: no such port */
	/* VIRTIO: the main one is hvc0; it shares COM1's chardev, or stdio */
	enum console_kind console;
	const char *port[CONFIG_MAX_PORTS]; /* NAME=WHERE, as --port has them */
	unsigned int nr_ports;
	const char *disk[CONFIG_MAX_DISKS]; /* as -d has them */
	unsigned int nr_disks;
	const char *net[CONFIG_MAX_NETS]; /* as -n has them */
	unsigned int nr_nets;
	const char *share[CONFIG_MAX_SHARES]; /* as --share has them; see share.h */
	unsigned int nr_shares;
	const char *root; /* as --root has it; NULL: the guest's own */
	enum rng rng;
	bool balloon;
	uint64_t balloon_bytes; /* taken from the guest at once */
	const char *rtc;
	const char *machine; /* --machine's list; NULL: the default */
	const char *cpuid;   /* --cpuid's list; NULL: no change */
	const char *dtb;     /* the user's device tree; NULL: ours */
	const char *dump_dtb;
	enum on_reboot on_reboot;
	enum on_panic on_panic;
	uint64_t grace_s;
	uint64_t timeout_s; /* 0: none */
	bool debug_exit;
	bool testdev;
	const char *expect[CONFIG_MAX_EXPECTS]; /* regular expressions that have been checked */
	unsigned int nr_expects;
	bool expect_any; /* in any order */
	const char *fail_on[CONFIG_MAX_EXPECTS];
	unsigned int nr_fail_ons;
	bool fail_on_warning;
	bool ktap;		 /* there must be test results, and no bad one */
	uint64_t idle_timeout_s; /* 0: none */
	const char *report_path, *junit_path, *tap_path;
	bool die_with_parent;
	enum post_mortem post_mortem;
	uint64_t hang_s;   /* 0: not looked for */
	const char *trace; /* as --trace has it; NULL: none */
	bool timeline;
	bool timestamps;
	uint64_t exec_ns;    /* for these two: when the process began, as now_ns() has it */
	const char *dump;    /* where a core goes after a bad end; NULL: none */
	const char *symbols; /* vmlinux or System.map; NULL: none */
	const char *gdb;     /* as --gdb has it; NULL: none */
	bool gdb_wait;
	uint64_t verbose;
	bool quiet;
	const char *log_path;
	bool help;

	/* A command in the guest, behind "--"; see guestcmd.h. */
	bool has_command;
	char *const *command; /* argv's; none: a shell */
	unsigned int nr_command;
	/* else its streams are the launcher's own, through three ports */
	bool on_terminal;
	const char *add[CONFIG_MAX_ADDS]; /* HOST[:GUEST], as --add has them */
	unsigned int nr_adds;
	const char *env[CONFIG_MAX_ENVS]; /* NAME=VALUE */
	unsigned int nr_envs;
	const char *cwd;     /* NULL: / */
	const char *modules; /* NULL: auto, and none is fine */
};

/*
 * Fills @config by the command line of `kvm run`; its strings point into @argv. Sets the log's
 * level, too. Returns 0 or -errno (reported, in one line). Not thread-safe (getopt).
 */
int config_parse(struct config *config, int argc, char **argv);

/*
 * Checks the files that the options name, and opens the log's. Call it when all else is known to be
 * right: it may be the first to write something. Returns 0 or -errno (reported).
 */
int config_open_files(const struct config *config);

/*
 * Whether @name can be a machine's, which is fit for a file's name, a host's, and a line of a list:
 * 1 to CONFIG_NAME_LENGTH letters, digits, and after the first also . _ -
 */
bool config_is_name(const char *name);

/*
 * Prints what was asked for instead of a machine: --help, or `help` for a list's content, which is
 * @arch's. Returns whether it was.
 */
bool config_help(const struct config *config, const struct arch *arch);

#endif
