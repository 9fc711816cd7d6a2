/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps what a post-mortem needs of the machine besides vCPUs and guest memory: what the consoles
 * have shown, how the guest ended, and names for its addresses.
 *
 * The board owns it and records what it sees. x86/postmortem reads it, and does not depend on the
 * board.
 */
#ifndef X86_POSTMORTEM_AUTOPSY_H
#define X86_POSTMORTEM_AUTOPSY_H

#include "kvm/config.h"
#include "kvm/gmem.h"
#include "kvm/types.h"
#include "x86/linux/linux.h"

#include <pthread.h>

#define TAIL_BYTES 2048
#define PANIC_TEXT_BYTES 128

/*
 * The last bytes that a console has shown. Once @bytes is full, the oldest is at @nr modulo
 * TAIL_BYTES.
 */
struct console_tail {
	uint64_t nr; /* bytes shown in all */
	/* the kernel's newest time stamp before them, if @has_stamp */
	uint64_t stamp_us;
	bool has_stamp;
	uint8_t bytes[TAIL_BYTES];
};

struct autopsy {
	const struct gmem *mem;
	bool is_packed; /* the kernel that runs is a bzImage, which unpacks another one */

	/* What its consoles have shown, by (1 << WATCH_x); a program may have printed it. */
	_Atomic unsigned int said;
	/*
	 * How the guest ended, according to its log in memory, or to its consoles if it has none;
	 * see endlog.h. Thread: any. Never cleared.
	 */
	_Atomic bool panicked, halted, restarting;
	_Atomic bool panic_unseen; /* only the log in memory shows the panic */

	/* Protects the fields below, up to @bug_text. Taken before @tail_lock. */
	pthread_mutex_t lock;
	struct symbols *symbols; /* the user's, or the kernel file's; NULL: none, or not read yet */
	bool symbols_tried;
	bool slide_known;
	struct symbols *kernel_symbols; /* the guest kernel's own; NULL: not found yet */
	uint64_t unknown_handler;	/* of page faults, that of no kernel in memory; 0: none */
	struct linux_cpu cpu;		/* of the vCPU that was described last, if @cpu_known */
	bool cpu_known;
	/*
	 * The lines of the guest's log about its end, printable, from the last guestlog_report();
	 * "": none.
	 */
	char panic_text[PANIC_TEXT_BYTES], bug_text[PANIC_TEXT_BYTES];

	/* Protects @tail. Taken after a chardev's output lock, or after @lock. */
	pthread_mutex_t tail_lock;
	/* By COM port. It is large, so it comes last: a machine touches few of its pages. */
	struct console_tail tail[CONFIG_NR_SERIAL];
};

/* @a is zeroed and @mem outlives it. autopsy_fini() also works on an @a that is only zeroed. */
void autopsy_init(struct autopsy *a, const struct gmem *mem);
void autopsy_fini(struct autopsy *a);

/* Keeps the output of the console on COM port @index, from 0. Thread: any. */
void autopsy_console_output(struct autopsy *a, unsigned int index, const uint8_t *bytes,
			    size_t len);

/*
 * Finds the own symbols of the guest's kernel, if the kernel is in memory already: of the one that
 * @cpu runs (NULL: as far as known). Locks: the caller holds a->lock.
 */
void autopsy_find_kernel(struct autopsy *a, const struct linux_cpu *cpu);

#endif
