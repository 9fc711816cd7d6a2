/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads JSON (RFC 8259), for reports that kvm has written to a file. It is bounded: JSON_MAX_DEPTH
 * levels, JSON_MAX_NODES values. Pure.
 */
#ifndef KVM_BASE_JSON_H
#define KVM_BASE_JSON_H

#include "kvm/types.h"

#define JSON_MAX_DEPTH 32
#define JSON_MAX_NODES (4U << 20)

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_node {
	enum json_type type;
	/*
	 * JSON_NUMBER: @number is its value; others (negative, fractions, too large) have no value
	 */
	bool is_uint;
	uint64_t number; /* JSON_BOOL: 0 or 1 */
	const char *key; /* of a member of an object; else NULL */
	/* JSON_STRING: has no NUL (\u0000 becomes U+FFFD); keeps bytes that are not UTF-8 */
	const char *text;
	/* indices of the first value in it, and of the next one beside it; 0: none */
	unsigned int child, next;
};

struct json {
	char *text;
	struct json_node *node; /* [0] is the whole */
	unsigned int nr;
	size_t room;
	unsigned int line; /* after -EINVAL: where, from 1 */
	const char *why;   /* after -EINVAL: what is wrong */
};

/*
 * Parses @text. Returns 0, -EINVAL (see @j->line and @j->why), or -ENOMEM. Call json_free() in
 * either case.
 */
int json_parse(struct json *j, const char *text, size_t len);
void json_free(struct json *j);

/*
 * Returns the first member of @object with this name, or NULL if there is none or it is not an
 * object.
 */
const struct json_node *json_member(const struct json *j, const struct json_node *object,
				    const char *name);
/* Return the first value in an array or object, and the one after @n; NULL if there is none. */
const struct json_node *json_first(const struct json *j, const struct json_node *n);
const struct json_node *json_next(const struct json *j, const struct json_node *n);
/*
 * Return a member's value: NULL if it is missing or not a string; false if it is missing or not a
 * whole number (or not true or false).
 */
const char *json_string(const struct json *j, const struct json_node *object, const char *name);
bool json_uint(const struct json *j, const struct json_node *object, const char *name,
	       uint64_t *value);
bool json_bool(const struct json *j, const struct json_node *object, const char *name, bool *value);

#endif
