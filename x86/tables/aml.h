/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A writer of AML (ACPI 6.5, chapter 20) and of resource descriptors (6.4) into a bounded buffer.
 *
 * Nothing returns an error: what does not fit is not written, the buffer remembers it, and the
 * caller looks at aml->overflow once at the end (the bytes are then worthless). Constant arguments
 * that AML cannot say, a name of five letters for instance, are our own bugs and assert.
 */
#ifndef X86_TABLES_AML_H
#define X86_TABLES_AML_H

#include "kvm/types.h"

struct aml {
	uint8_t *buf;
	size_t cap_bytes;
	size_t len; /* at most cap_bytes */
	bool overflow;
};

void aml_init(struct aml *a, void *buf, size_t cap_bytes);

/* Bytes as they are: table headers, MADT entries. */
void aml_bytes(struct aml *a, const void *bytes, size_t len);
/* Zeros up to the next multiple of @align, a power of two, counted from the buffer's begin. */
void aml_align(struct aml *a, size_t align);

/*
 * Terms that hold others. Each returns a mark for aml_end(), which sets the length in as few bytes
 * as it takes; inner ones must be ended before outer ones.
 */
size_t aml_scope(struct aml *a, const char *path);
size_t aml_device(struct aml *a, const char *name);
size_t aml_method(struct aml *a, const char *name,
		  unsigned int nr_args); /* not serialised; at most 7 arguments */
size_t aml_package(struct aml *a, uint8_t nr_elements);
void aml_end(struct aml *a, size_t mark);

/* Begins Name(@name, ...): one data object must follow. */
void aml_name(struct aml *a, const char *name);

/*
 * Data objects. An integer takes its shortest form; @id is a text as "PNP0501" (aml_is_eisa_id())
 * or any string.
 */
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *ascii);
void aml_eisa_id(struct aml *a, const char *id);
bool aml_is_eisa_id(const char *id);

/* "COM1", "\\_SB", "\\_SB.COM1", "^GED": segments of one to four letters, filled up with '_'. */
void aml_path(struct aml *a, const char *path);

/* Notify(@path, @value) */
void aml_notify(struct aml *a, const char *path, uint64_t value);

/* A resource template: a buffer of descriptors, closed by aml_resources_end(). */
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t mark);

/* Sixteen-bit decoded fixed ports; at most 255 of them. */
void aml_res_io(struct aml *a, uint16_t port, uint8_t nr_ports);
/* An ISA line, 0..15; active high. */
void aml_res_irq(struct aml *a, unsigned int irq, bool edge, bool shared);
/* Any GSI; active high. */
void aml_res_interrupt(struct aml *a, uint32_t gsi, bool edge, bool shared);
void aml_res_memory32(struct aml *a, uint32_t gpa, uint32_t size_bytes);

#endif
