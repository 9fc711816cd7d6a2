/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads JSON (RFC 8259): reports of ours that come back from a file. Bounded: JSON_MAX_DEPTH
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
	/* JSON_NUMBER: @number is its value; others (negative, fractions, too large) have none */
	bool is_uint;
	uint64_t number; /* JSON_BOOL: 0 or 1 */
	const char *key; /* of a member of an object; else NULL */
	/*
	 * JSON_STRING: no NUL in it (\u0000 has become U+FFFD); bytes that are not UTF-8 are as
	 * they were
	 */
	const char *text;
	unsigned int child, next; /* the first in it, and the next one beside it; 0: none */
};

struct json {
	char *text;
	struct json_node *node; /* [0] is the whole */
	unsigned int nr;
	size_t room;
	unsigned int line; /* after -EINVAL: where, from 1 */
	const char *why;   /* after -EINVAL: what */
};

/* Returns 0, -EINVAL (@j->line and @j->why say more) or -ENOMEM. json_free() in either case. */
int json_parse(struct json *j, const char *text, size_t len);
void json_free(struct json *j);

/* The first member of this name of @object, if it is an object and has one; else NULL. */
const struct json_node *json_member(const struct json *j, const struct json_node *object,
				    const char *name);
/* The first in an array or object, and the one behind @n; NULL: none. */
const struct json_node *json_first(const struct json *j, const struct json_node *n);
const struct json_node *json_next(const struct json *j, const struct json_node *n);
/*
 * A member's value. NULL when it is not there, or no string; false when it is no whole number (or
 * no truth value).
 */
const char *json_string(const struct json *j, const struct json_node *object, const char *name);
bool json_uint(const struct json *j, const struct json_node *object, const char *name,
	       uint64_t *value);
bool json_bool(const struct json *j, const struct json_node *object, const char *name, bool *value);

#endif
