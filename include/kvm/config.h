/* SPDX-License-Identifier: GPL-2.0-only */
/* Holds the options of `kvm run`, parsed and checked, and nothing else. */
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
	const char *name;   /* the machine's name, or NULL */
	const char *kernel; /* NULL: the host's own */
	const char *entry;  /* the kernel's entry point, in the architecture's words */
	uint64_t load_gpa;  /* for a kernel that does not say it; UINT64_MAX: not given */
	const char *initrd[CONFIG_MAX_INITRDS];
	unsigned int nr_initrds;
	uint64_t mem_bytes;
	uint64_t nr_cpus;
	const char *params;  /* the user's kernel parameters, or NULL */
	char *joined_params; /* @params if they are of several options; owned */
	bool no_default_params;
	bool fast;
	bool early; /* the kernel prints messages of all levels, from its decompressor on */
	bool no_cache;
	bool hugepages;
	const char *serial[CONFIG_NR_SERIAL]; /* chardev specifications; NULL: no such port */
	/* CONSOLE_VIRTIO: the main console is hvc0; it shares COM1's chardev, or stdio */
	enum console_kind console;
	const char *port[CONFIG_MAX_PORTS]; /* NAME=WHERE, in the form of --port */
	unsigned int nr_ports;
	const char *disk[CONFIG_MAX_DISKS]; /* in the form of -d */
	unsigned int nr_disks;
	const char *net[CONFIG_MAX_NETS]; /* in the form of -n */
	unsigned int nr_nets;
	const char *share[CONFIG_MAX_SHARES]; /* in the form of --share; see share.h */
	unsigned int nr_shares;
	const char *root; /* in the form of --root; NULL: the guest's own root */
	enum rng rng;
	bool balloon;
	uint64_t balloon_bytes; /* taken from the guest at the start */
	const char *rtc;
	const char *machine; /* --machine's list; NULL: the default */
	const char *cpuid;   /* --cpuid's list; NULL: no change */
	const char *dtb;     /* the user's device tree; NULL: kvm makes one */
	const char *dump_dtb;
	enum on_reboot on_reboot;
	enum on_panic on_panic;
	uint64_t grace_s;
	uint64_t timeout_s; /* 0: none */
	bool debug_exit;
	bool testdev;
	const char *expect[CONFIG_MAX_EXPECTS]; /* regular expressions, already checked */
	unsigned int nr_expects;
	bool expect_any; /* in any order */
	const char *fail_on[CONFIG_MAX_EXPECTS];
	unsigned int nr_fail_ons;
	bool fail_on_warning;
	bool ktap;		 /* test results must be there, and none may be bad */
	uint64_t idle_timeout_s; /* 0: none */
	const char *report_path, *junit_path, *tap_path;
	bool die_with_parent;
	enum post_mortem post_mortem;
	uint64_t hang_s;   /* 0: do not detect hangs */
	const char *trace; /* in the form of --trace; NULL: none */
	bool timeline;
	bool timestamps;
	uint64_t exec_ns;    /* for these two: when the process began, by now_ns() */
	const char *dump;    /* file for a core after a bad end; NULL: none */
	const char *symbols; /* vmlinux or System.map; NULL: none */
	const char *gdb;     /* in the form of --gdb; NULL: none */
	bool gdb_wait;
	bool verbose;
	bool quiet;
	const char *log_path;
	bool help;

	/* A command in the guest, after "--"; see guestcmd.h. */
	bool has_command;
	char *const *command; /* argv's; none: a shell */
	unsigned int nr_command;
	/* false: its streams are the launcher's own, through three ports */
	bool on_terminal;
	const char *add[CONFIG_MAX_ADDS]; /* HOST[:GUEST], in the form of --add */
	unsigned int nr_adds;
	const char *env[CONFIG_MAX_ENVS]; /* NAME=VALUE */
	unsigned int nr_envs;
	const char *cwd;     /* NULL: / */
	const char *modules; /* NULL: automatic; finding none is no error */
};

/*
 * Fills @config from the command line of `kvm run`, and sets the log's level. Its strings point
 * into @argv, or config_free() frees them. Returns 0, or -errno (reported, in one line). Thread:
 * main (getopt is not thread-safe).
 */
int config_parse(struct config *config, int argc, char **argv);

/* Frees what config_parse() has allocated, also after it has failed. */
void config_free(struct config *config);

/* Checks the files that the options name. Returns 0, or -errno (reported). */
int config_check_paths(const struct config *config);

/*
 * Whether @name can be a machine's name, which must be fit for a file's name, a host's, and a line
 * of a list: 1 to CONFIG_NAME_LENGTH letters, digits, '.', '_' or '-', with a letter or digit
 * first.
 */
bool config_is_name(const char *name);

/* Returns the ":/" of --add's "HOST:/GUEST" in @value, or NULL if it is HOST alone. */
const char *config_add_colon(const char *value);

/*
 * Prints the help that the options request instead of a machine: --help, or `help` as the value of
 * a list, which is @arch's. Returns whether it has printed any.
 */
bool config_help(const struct config *config, const struct arch *arch);

#endif
