/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Provides the init's few library functions: memory, strings, a pause, and a line on the console.
 *
 * The init has no C library, so its other files can call only these. They call nothing but the
 * kernel.
 */
#include "init.h"

void *memset(void *to, int byte, size_t len)
{
	void *at = to;

	__asm__ volatile("rep stosb" : "+D"(at), "+c"(len) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t len)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(len) : : "memory");
	return to;
}

bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

size_t length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void join(char *to, const char *a, const char *b)
{
	size_t len = length(a);

	memcpy(to, a, len);
	memcpy(to + len, b, length(b) + 1);
}

void sleep_ms(long ms)
{
	long time[2] = { 0, ms * 1000000 };

	sys(nanosleep, time, NULL);
}

static void say(const char *text)
{
	sys(write, 2, text, length(text));
}

void complain(const char *what, const char *name, long err)
{
	char digits[8], *first = &digits[7];

	*first = '\0';
	for (long n = -err; n > 0 && first > digits; n /= 10)
		*--first = (char)('0' + n % 10);
	say("kvm: ");
	say(name);
	say(": ");
	say(what);
	if (err)
		say(", error ");
	say(first);
	say("\n");
}
