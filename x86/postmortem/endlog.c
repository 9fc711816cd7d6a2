/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Judges how a guest ended by its kernel's log in guest memory, see endlog.h.
 *
 * After a kexec the log that is found may be the former kernel's. Its last message shows that, and
 * then the consoles decide.
 */
#include "endlog.h"

#include "kvm/console_watch.h"
#include "x86/linux/linux.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>

/*
 * A Linux guest that has a log has touched at least this much memory; with less, a search is not
 * worth its time. (The value also includes the peak of a large program that executed this one; then
 * the search may find nothing.)
 */
#define LEAST_LINUX_KIB (16 * 1024)

#define PANIC_LINES (1U << WATCH_PANIC | 1U << WATCH_PANIC_TEXT)

static const char kexec_text[] = ": Starting new kernel";

static bool says(unsigned int mask, enum watch_line line)
{
	return mask & 1U << line;
}

/* What the kernel's log says. */
struct endlog {
	struct watch watch;
	unsigned int found; /* by (1 << WATCH_x) */
	unsigned int nr;    /* records; 0: no log */
	bool is_former;	    /* its kernel has started another one */
};

static bool may_be_linux(void)
{
	struct rusage usage;

	return !getrusage(RUSAGE_SELF, &usage) && usage.ru_maxrss >= LEAST_LINUX_KIB;
}

/* Passes a message to the watch as the console would print it, as a line. */
static void look_for_end(void *ctx, uint64_t ts_ns, unsigned int priority, const char *text,
			 size_t len)
{
	struct endlog *log = ctx;

	(void)ts_ns;
	log->nr++;
	if (LOG_FACILITY(priority)) /* from /dev/kmsg */
		return;
	if (memmem(text, len, kexec_text, sizeof(kexec_text) - 1))
		log->is_former = true;
	log->found |= watch_feed(&log->watch, (const uint8_t *)text, len);
	log->found |= watch_feed(&log->watch, (const uint8_t *)"\n", 1);
}

static void read_log(struct autopsy *a, struct endlog *log)
{
	struct linux_guest g;
	bool open;

	*log = (struct endlog){ .nr = 0 };
	if (!may_be_linux())
		return;
	pthread_mutex_lock(&a->lock);
	/*
	 * The kernel's symbols take longer to find than its note, and are needed only if there is
	 * no note yet.
	 */
	open = linux_guest_open(&g, a->mem, NULL, NULL);
	if (!open) {
		autopsy_find_kernel(a, NULL);
		open = linux_guest_open(&g, a->mem, a->kernel_symbols, NULL);
	}
	if (open)
		linux_log_walk(&g, look_for_end, log);
	pthread_mutex_unlock(&a->lock);
}

/*
 * Returns what the guest's kernel has said of its end, by (1 << WATCH_x). Keeps a panic. @said:
 * what the consoles have shown.
 */
static unsigned int ask(struct autopsy *a, struct endlog *log, unsigned int said)
{
	unsigned int ends;

	read_log(a, log);
	ends = log->nr && !log->is_former ? log->found : said;
	if (says(ends, WATCH_PANIC) && !atomic_exchange(&a->panicked, true))
		atomic_store(&a->panic_unseen, !says(said, WATCH_PANIC_TEXT));
	return ends;
}

bool endlog_judge(struct autopsy *a)
{
	struct endlog log;
	unsigned int ends = ask(a, &log, atomic_load(&a->said));

	if (ends & WATCH_HALTS)
		atomic_store(&a->halted, true);
	if (says(ends, WATCH_RESTARTING))
		atomic_store(&a->restarting, true);
	return log.nr;
}

bool endlog_confirm_panic(struct autopsy *a)
{
	struct endlog log;

	ask(a, &log, atomic_fetch_and(&a->said, ~PANIC_LINES));
	return atomic_load(&a->panicked);
}
