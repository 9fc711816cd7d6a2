/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Holds the table of tests and runs the one that the command line names.
 *
 * After a test that returns, it prints `done NAME: F failed` and powers off. A test that ends the
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
	{ "ud", test_end_ud },
	{ "pf", test_end_pf },
	{ "debugexit", test_end_debug },
	{ "halt", test_end_halt },
	{ "spin", spin },
	{ "lamps", test_lamps },
	{ "panic", test_end_panic },
	{ "halted", test_end_halted },
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

void payload_main(void)
{
	const char *word = test_word();
	size_t len = name_len(word);

	for (unsigned int i = 0; i < ARRAY_SIZE(tests); i++) {
		if (strlen(tests[i].name) != len || memcmp(tests[i].name, word, len))
			continue;
		tests[i].run();
		print("done %s: %u failed\n", tests[i].name, failures());
		power_off();
	}
	print("not ok: no test of this name: %s\n", word);
	power_off();
}
