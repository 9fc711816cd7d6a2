/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest's text inside of formats that have rules: what comes out is valid UTF-8 and cannot end
 * the string or element it stands in. Pure.
 */
#ifndef KVM_BASE_QUOTE_H
#define KVM_BASE_QUOTE_H

#include <stddef.h>
#include <stdio.h>

/* A JSON string, with its quotation marks. */
void quote_json(FILE *f, const char *text, size_t len);
/*
 * XML character data or the inside of an attribute. Newlines and tabs stay in data, and are
 * references in an attribute.
 */
void quote_xml(FILE *f, const char *text, size_t len);
void quote_xml_attribute(FILE *f, const char *text, size_t len);
/* One line of plain text: without control characters. */
void quote_line(FILE *f, const char *text, size_t len);
/* A word as a shell takes it: as it is, or in quotation marks. */
void quote_shell(FILE *f, const char *word);

#endif
