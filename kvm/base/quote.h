/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a guest's text into formats that have rules: the output is valid UTF-8, and cannot end the
 * string or element that it is in. Pure.
 */
#ifndef KVM_BASE_QUOTE_H
#define KVM_BASE_QUOTE_H

#include <stddef.h>
#include <stdio.h>

/* Writes a JSON string, with its quotation marks. */
void quote_json(FILE *f, const char *text, size_t len);
/*
 * Write XML character data, or the inside of an attribute. Newlines and tabs stay in data, and
 * become references in an attribute.
 */
void quote_xml(FILE *f, const char *text, size_t len);
void quote_xml_attribute(FILE *f, const char *text, size_t len);
/* Writes one line of plain text, without control characters. */
void quote_line(FILE *f, const char *text, size_t len);
/* Writes a word for a shell: as it is, or in quotation marks. */
void quote_shell(FILE *f, const char *word);

#endif
