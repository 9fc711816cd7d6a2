/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds the table of tests and runs the one that the command line names, or several one after the
 * other: test=FIRST+SECOND,ARG,... The arguments are the last one's.
 *
 * After tests that return, it prints `done NAME: F failed` and powers off. A test that ends the
 * machine in its own way does not return.
 */
#include "payload.h"

static void test_hello(void)
{
	print("hello from %u-bit entry\n", entry_state.mode);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	/* how a machine ends */
	{ "hello", test_hello },
	{ "reset", test_end_reset },
	{ "cf9", test_end_cf9 },
	{ "i8042reset", test_end_i8042 },
	{ "port92", test_end_port92 },
	{ "triple", test_end_triple },
	{ "int3", test_end_int3 },
	{ "ud", test_end_ud },
	{ "pf", test_end_pf },
	{ "debugexit", test_end_debug },
	{ "halt", test_end_halt },
	{ "spin", spin },
	{ "lamps", test_lamps },
	{ "panic", test_end_panic },
	{ "driverless", test_end_driverless },
	{ "halted", test_end_halted },
	{ "nmihalt", test_end_nmi_halt },
	{ "off", power_off },
	{ "job", test_end_job },
	{ "nowhere", test_end_nowhere },
	{ "print", test_print },
	{ "pause", test_pause },
	{ "com2", test_print_com2 },
	{ "idle", test_end_idle },
	{ "button", test_end_button },
	{ "last", test_end_last },
	{ "restart", test_end_restart },
	/* what a kernel receives */
	{ "entry", test_entry },
	{ "e820", test_e820 },
	{ "zeropage", test_zeropage },
	{ "cmdline", test_cmdline },
	{ "seed", test_seed },
	{ "initrd", test_initrd },
	{ "say", test_say },
	{ "initrdwait", test_initrd_wait },
	{ "pvh", test_pvh },
	{ "multiboot", test_multiboot },
	{ "acpi", test_acpi },
	{ "mptable", test_mptable },
	/* processors */
	{ "cpuid", test_cpuid },
	{ "smp", test_smp },
	{ "smphalt", test_smp_halt },
	{ "smpcrash", test_smp_crash },
	/* chips */
	{ "uart", test_uart },
	{ "uartirq", test_uart_irq },
	{ "uartrx", test_uart_rx },
	{ "paste", test_paste },
	{ "flood", test_flood },
	{ "breaks", test_breaks },
	{ "pit", test_pit },
	{ "refresh", test_refresh },
	{ "rtc", test_rtc },
	{ "rtcirq", test_rtc_irq },
	{ "i8042", test_i8042 },
	{ "bus", test_bus },
	{ "testdev", test_testdev },
	{ "s3", test_s3 },
	{ "stopped", test_stopped },
	{ "bench", test_bench },
	/* virtio */
	{ "blk", test_blk },
	{ "blkirq", test_blk_irq },
	{ "net", test_net },
	{ "hostile", test_hostile },
	{ "blkrate", test_blk_rate },
	{ "netrate", test_net_rate },
};

_Noreturn void payload_main(void);

/* Runs the test whose name @word begins with. Returns the name, or NULL: there is no such test. */
static const char *run_test(const char *word)
{
	size_t len = name_len(word);

	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++) {
		if (strlen(tests[i].name) == len && !memcmp(tests[i].name, word, len)) {
			tests[i].run();
			return tests[i].name;
		}
	}
	return NULL;
}

void payload_main(void)
{
	const char *word = test_word(), *name;

	for (;; word += name_len(word) + 1) {
		name = run_test(word);
		if (!name || word[name_len(word)] != '+')
			break;
	}
	if (name)
		print("done %s: %u failed\n", name, failures());
	else
		print("not ok: no test of this name: %s\n", word);
	power_off();
}
