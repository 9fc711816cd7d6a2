/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps the machine's part of a post-mortem from its set-up to its end; see autopsy.h.
 *
 * A console's tail is a ring of bytes. guestlog.c looks in it for messages, to print only those
 * that no console has shown. Of what leaves the ring, the kernel's newest time stamp is kept.
 */
#include "autopsy.h"

#include <string.h>

#define HALF_BYTES (TAIL_BYTES / 2)
#define MAX_DIGITS 9 /* thirty years of seconds */
#define MAX_SPACES 4
#define MICRO_DIGITS 6

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

static uint8_t tail_byte(const struct console_tail *t, size_t at)
{
	return t->bytes[at % TAIL_BYTES];
}

/* Reads digits from *@at on into *@value. Returns how many they are. */
static unsigned int take_digits(const struct console_tail *t, size_t *at, uint64_t *value)
{
	unsigned int nr = 0;

	while (nr < MAX_DIGITS && tail_byte(t, *at) >= '0' && tail_byte(t, *at) <= '9') {
		*value = *value * 10 + (tail_byte(t, *at) - '0');
		++*at;
		nr++;
	}
	return nr;
}

/* Reads "[   12.345678]" at @at as microseconds. Returns whether it is there. */
static bool take_stamp(const struct console_tail *t, size_t at, uint64_t *us)
{
	*us = 0;
	at++;
	for (unsigned int i = 0; i < MAX_SPACES && tail_byte(t, at) == ' '; i++)
		at++;
	return take_digits(t, &at, us) && tail_byte(t, at++) == '.' &&
	       take_digits(t, &at, us) == MICRO_DIGITS && tail_byte(t, at) == ']';
}

/* Keeps the newest time stamp of the oldest half of the ring, which begins at @from. */
static void keep_stamp(struct console_tail *t, size_t from)
{
	const uint8_t *half = t->bytes + from, *at = half + HALF_BYTES;
	uint64_t us;

	while ((at = memrchr(half, '[', (size_t)(at - half)))) {
		if ((at > half && at[-1] != '\n') || !take_stamp(t, (size_t)(at - t->bytes), &us))
			continue;
		t->stamp_us = us;
		t->has_stamp = true;
		return;
	}
}

static void feed(struct console_tail *t, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t to = t->nr % TAIL_BYTES, n = min_u64(len - at, HALF_BYTES - to % HALF_BYTES);

		if (to % HALF_BYTES == 0 && t->nr >= TAIL_BYTES)
			keep_stamp(t, to);
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

/*
 * Loads the own symbols of the kernel that @cpu runs, or with NULL of the first one in memory.
 * Returns NULL if there is none.
 */
static struct symbols *load_kernel(const struct gmem *mem, const struct linux_cpu *cpu)
{
	gpa_t at = 0;

	for (unsigned int i = 0; i < LINUX_MAX_KERNELS; i++) {
		struct symbols *s = symbols_create();

		if (!s || kallsyms_load(s, mem, &at) || symbols_finish(s)) {
			symbols_destroy(s);
			return NULL;
		}
		if (!cpu || linux_match(s, mem, cpu) == LINUX_RUNS)
			return s;
		symbols_destroy(s);
	}
	return NULL;
}

void autopsy_find_kernel(struct autopsy *a, const struct linux_cpu *cpu)
{
	uint64_t handler = cpu ? max_u64(cpu->page_fault, 1) : 0;
	struct symbols *s;

	if (!a->kernel_symbols)
		a->kernel_symbols = load_kernel(a->mem, NULL);
	if (!a->kernel_symbols || !cpu || handler == a->unknown_handler ||
	    linux_match(a->kernel_symbols, a->mem, cpu) != LINUX_DIFFERS)
		return;
	s = load_kernel(a->mem, cpu);
	if (!s) { /* the one that is known may still be right: a wild guest ruins its tables */
		a->unknown_handler = handler;
		return;
	}
	symbols_destroy(a->kernel_symbols);
	a->kernel_symbols = s;
}
