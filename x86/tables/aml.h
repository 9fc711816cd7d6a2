/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes AML (ACPI 6.5, chapter 20) and resource descriptors (6.4) into a bounded buffer.
 *
 * No function returns an error. Whatever does not fit is not written, the buffer remembers that,
 * and the caller checks aml->overflow once at the end (the bytes are then not valid). Constant
 * arguments that AML cannot express, for example a name of five letters, are our own bugs and
 * assert.
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

/* Adds bytes unchanged: table headers, MADT entries. */
void aml_bytes(struct aml *a, const void *bytes, size_t len);
/*
 * Adds zeros up to the next multiple of @align, a power of two, counted from the buffer's
 * beginning.
 */
void aml_align(struct aml *a, size_t align);

/*
 * Begin terms that contain others. Each returns a mark for aml_end(), which sets the length in as
 * few bytes as possible. Inner terms must end before outer ones.
 */
size_t aml_scope(struct aml *a, const char *path);
size_t aml_device(struct aml *a, const char *name);
/* A method that is not serialised; at most 7 arguments. */
size_t aml_method(struct aml *a, const char *name, unsigned int nr_args);
size_t aml_package(struct aml *a, uint8_t nr_elements);
void aml_end(struct aml *a, size_t mark);

/* Begins Name(@name, ...): one data object must follow. */
void aml_name(struct aml *a, const char *name);

/*
 * Add data objects. An integer takes its shortest form. aml_eisa_id() takes an @id like "PNP0501",
 * for which aml_is_eisa_id() is true; aml_string() takes any string.
 */
void aml_integer(struct aml *a, uint64_t value);
void aml_string(struct aml *a, const char *ascii);
void aml_eisa_id(struct aml *a, const char *id);
bool aml_is_eisa_id(const char *id);

/*
 * Adds a path: "COM1", "\\_SB", "\\_SB.COM1", "^GED". Segments have one to four letters and are
 * padded with '_'.
 */
void aml_path(struct aml *a, const char *path);

/* Notify(@path, @value) */
void aml_notify(struct aml *a, const char *path, uint64_t value);

/* Begins a resource template: a buffer of descriptors, which aml_resources_end() closes. */
size_t aml_resources(struct aml *a);
void aml_resources_end(struct aml *a, size_t mark);

/* Fixed ports, decoded with 16 bits; at most 255 of them. */
void aml_res_io(struct aml *a, uint16_t port, uint8_t nr_ports);
/* An ISA line, 0..15; active high. */
void aml_res_irq(struct aml *a, unsigned int irq, bool edge, bool shared);
/* Any GSI; active high. */
void aml_res_interrupt(struct aml *a, uint32_t gsi, bool edge, bool shared);
void aml_res_memory32(struct aml *a, uint32_t gpa, uint32_t size_bytes);

#endif
