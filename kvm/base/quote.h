/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes a guest's text into formats that have rules: the output is valid UTF-8, and cannot end the
 * string or element that it is in. Pure.
 */
#ifndef KVM_BASE_QUOTE_H
#define KVM_BASE_QUOTE_H

#include <stdbool.h>
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
/* Writes one line of plain text, without control characters; a blank is in the place of each. */
void quote_line(FILE *f, const char *text, size_t len);
/* Writes the text of a GitHub workflow command, in one line. */
void quote_github(FILE *f, const char *text, size_t len);
/*
 * Writes text for a terminal or a log: control characters, C1 too, and bytes that are not UTF-8
 * become \xNN; those in @plain stay.
 */
void quote_visible(FILE *f, const char *text, size_t len, const char *plain);
/* Whether quote_visible() would change the text. */
bool quote_needed(const char *text, size_t len, const char *plain);
/* Writes a word for a shell: as it is, or in quotation marks. */
void quote_shell(FILE *f, const char *word);

#endif
