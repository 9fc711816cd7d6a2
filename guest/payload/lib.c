/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints on COM1, reports checks, and defines the few library functions that the compiler may call
 * by itself.
 *
 * Output is polled like an early console's (LSR until THRE, then THR). The only state is the count
 * of failures.
 */
#include "payload.h"

#include <stdarg.h>

#define LSR_THRE 0x20

static unsigned int nr_failures;

void put_bytes(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		while (!(inb(COM1 + 5) & LSR_THRE))
			;
		outb(COM1, (uint8_t)bytes[i]);
	}
}

static void put_number(uint64_t value, unsigned int base)
{
	char digits[20];
	unsigned int n = sizeof(digits);

	do {
		digits[--n] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	put_bytes(digits + n, sizeof(digits) - n);
}

static void put_string(const char *s)
{
	put_bytes(s, strlen(s));
}

/* Prints one conversion, which starts after its '%'. Returns its end. */
static const char *put_conversion(const char *fmt, va_list *ap)
{
	bool wide = fmt[0] == 'l' && fmt[1] == 'l';
	char c;

	if (wide)
		fmt += 2;
	if (*fmt == 's') {
		put_string(va_arg(*ap, const char *));
	} else if (*fmt == 'c') {
		c = (char)va_arg(*ap, int);
		put_bytes(&c, 1);
	} else {
		put_number(wide ? va_arg(*ap, unsigned long long) : va_arg(*ap, unsigned int),
			   *fmt == 'x' ? 16 : 10);
	}
	return fmt + 1;
}

void print(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	while (*fmt) {
		const char *start = fmt;

		while (*fmt && *fmt != '%')
			fmt++;
		put_bytes(start, (size_t)(fmt - start));
		if (*fmt)
			fmt = put_conversion(fmt + 1, &ap);
	}
	va_end(ap);
}

void check_eq(const char *what, uint64_t got, uint64_t want)
{
	if (got == want) {
		print("ok %s\n", what);
		return;
	}
	nr_failures++;
	print("not ok %s: got 0x%llx want 0x%llx\n", what, (unsigned long long)got,
	      (unsigned long long)want);
}

void check(const char *what, bool good)
{
	if (good) {
		print("ok %s\n", what);
		return;
	}
	nr_failures++;
	print("not ok %s\n", what);
}

unsigned int failures(void)
{
	return nr_failures;
}

void *memset(void *to, int value, size_t n)
{
	void *at = to;

	asm volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(value) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n)::"memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n; n--, p++, q++) {
		if (*p != *q)
			return *p - *q;
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

uint64_t sum_bytes(const void *at, size_t n)
{
	const uint8_t *p = at;
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += p[i];
	return sum;
}

uint64_t tsc_khz(void)
{
	struct cpuid_regs r;

	if (cpuid(0x40000000, 0).eax >= 0x40000010) {
		r = cpuid(0x40000010, 0);
		if (r.eax)
			return r.eax;
	}
	if (cpuid(0, 0).eax >= 0x15) {
		r = cpuid(0x15, 0);
		if (r.eax && r.ebx && r.ecx)
			return (uint64_t)r.ecx * r.ebx / r.eax / 1000;
	}
	return 2000000;
}

void delay_us(uint64_t us)
{
	uint64_t end = rdtsc() + tsc_khz() * us / 1000;

	while (rdtsc() < end)
		asm volatile("pause");
}

void power_off(void)
{
	outb(ACPI_SLEEP_PORT, ACPI_S5_NOW);
	spin();
}

void spin(void)
{
	for (;;)
		asm volatile("pause");
}
