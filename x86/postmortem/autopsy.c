/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the machine's part of a post-mortem from its set-up to its end; see autopsy.h.
 *
 * A console's tail is a ring of bytes. guestlog.c looks in it for messages, to print only those
 * that no console has shown.
 */
#include "autopsy.h"
#include "x86/linux/linux.h"

#include <string.h>

void autopsy_init(struct autopsy *a, const struct gmem *mem)
{
	a->mem = mem;
	pthread_mutex_init(&a->lock, NULL);
	pthread_mutex_init(&a->tail_lock, NULL);
}

void autopsy_fini(struct autopsy *a)
{
	symbols_destroy(a->symbols);
	symbols_destroy(a->kernel_symbols);
	a->symbols = NULL;
	a->kernel_symbols = NULL;
}

static void feed(struct console_tail *t, const uint8_t *bytes, size_t len)
{
	size_t skip = len > TAIL_BYTES ? len - TAIL_BYTES : 0;

	t->nr += skip;
	for (size_t at = skip; at < len;) {
		size_t to = t->nr % TAIL_BYTES, n = min_u64(len - at, TAIL_BYTES - to);

		memcpy(t->bytes + to, bytes + at, n);
		t->nr += n;
		at += n;
	}
}

void autopsy_console_output(struct autopsy *a, unsigned int index, const uint8_t *bytes, size_t len)
{
	pthread_mutex_lock(&a->tail_lock);
	feed(&a->tail[index], bytes, len);
	pthread_mutex_unlock(&a->tail_lock);
}

void autopsy_find_kernel(struct autopsy *a)
{
	struct symbols *s;

	if (a->kernel_symbols)
		return;
	s = symbols_create();
	if (s && !kallsyms_load(s, a->mem) && !symbols_finish(s))
		a->kernel_symbols = s;
	else
		symbols_destroy(s);
}
