/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parses and prints the lines of the control protocol, see control.h. Input is untrusted: any
 * bytes, any length.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Parses all of [text, text + len) as a number of at most @max. Returns false if it is not one. */
static bool number(const char *text, size_t len, uint64_t max, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned int)text[i] - '0';

		if (digit > 9 || *value > (max - digit) / 10)
			return false;
		*value = *value * 10 + digit;
	}
	return len > 0;
}

/* Copies text, and replaces bytes that could control a terminal. */
static void keep(char *to, size_t room, const char *text, size_t len)
{
	len = min_u64(len, room - 1);
	for (size_t i = 0; i < len; i++)
		to[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	to[len] = '\0';
}

int control_parse_request(const char *line, size_t len, struct control_request *request)
{
	static const char *const verbs[] = {
		[CONTROL_INFO] = "info", [CONTROL_DEBUG] = "debug", [CONTROL_DMESG] = "dmesg",
		[CONTROL_DUMP] = "dump", [CONTROL_STOP] = "stop",
	};
	const char *space = memchr(line, ' ', len);
	size_t verb_len = space ? (size_t)(space - line) : len;

	*request = (struct control_request){ .has_seconds = space != NULL };
	for (unsigned int i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strlen(verbs[i]) != verb_len || memcmp(verbs[i], line, verb_len) != 0)
			continue;
		request->verb = (enum control_verb)i;
		if (!space)
			return 0;
		return i == CONTROL_STOP && number(space + 1, len - verb_len - 1,
						   CONTROL_MAX_SECONDS, &request->seconds)
			       ? 0
			       : -EINVAL;
	}
	return -EINVAL;
}

int control_parse_reply(const char *line, size_t len, struct control_reply *reply)
{
	static const char ok[] = "ok ", error[] = "error ";
	const char *space;
	size_t digits;

	*reply = (struct control_reply){ .ok = false };
	if (len > strlen(error) && !memcmp(line, error, strlen(error))) {
		keep(reply->text, sizeof(reply->text), line + strlen(error), len - strlen(error));
		return 0;
	}
	if (len <= strlen(ok) || memcmp(line, ok, strlen(ok)) != 0)
		return -EINVAL;
	line += strlen(ok);
	len -= strlen(ok);
	space = memchr(line, ' ', len);
	digits = space ? (size_t)(space - line) : len;
	if (!number(line, digits, INT64_MAX, &reply->body_bytes))
		return -EINVAL;
	reply->ok = true;
	if (space)
		keep(reply->text, sizeof(reply->text), space + 1, len - digits - 1);
	return 0;
}

/* Returns the value of @line if its key is @key, otherwise NULL. */
static const char *value_of(const char *line, size_t len, const char *key, size_t *value_len)
{
	size_t key_len = strlen(key);

	if (len <= key_len || memcmp(line, key, key_len) != 0 || line[key_len] != ' ')
		return NULL;
	*value_len = len - key_len - 1;
	return line + key_len + 1;
}

static void info_line(const char *line, size_t len, struct control_info *info)
{
	const struct {
		const char *key;
		uint64_t *number;
		char *text;
		size_t room;
	} rows[] = {
		{ "pid", &info->pid, NULL, 0 },
		{ "cpus", &info->cpus, NULL, 0 },
		{ "memory_bytes", &info->memory_bytes, NULL, 0 },
		{ "uptime_ms", &info->uptime_ms, NULL, 0 },
		{ "grace_s", &info->grace_s, NULL, 0 },
		{ "state", NULL, info->state, sizeof(info->state) },
		{ "kernel", NULL, info->kernel, sizeof(info->kernel) },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t value_len = 0;
		const char *value = value_of(line, len, rows[i].key, &value_len);

		if (value && rows[i].text)
			keep(rows[i].text, rows[i].room, value, value_len);
		else if (value && !number(value, value_len, INT64_MAX, rows[i].number))
			*rows[i].number = 0;
	}
}

void control_parse_info(const char *text, size_t len, struct control_info *info)
{
	*info = (struct control_info){ .pid = 0 };
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		info_line(text, n, info);
		n += end != NULL;
		text += n;
		len -= n;
	}
}

void control_print_info(FILE *f, const struct control_info *info)
{
	char kernel[sizeof(info->kernel)];

	keep(kernel, sizeof(kernel), info->kernel, strlen(info->kernel));
	fprintf(f,
		"pid %" PRIu64 "\ncpus %" PRIu64 "\nmemory_bytes %" PRIu64 "\nuptime_ms %" PRIu64
		"\ngrace_s %" PRIu64 "\nstate %s\nkernel %s\n",
		info->pid, info->cpus, info->memory_bytes, info->uptime_ms, info->grace_s,
		info->state, kernel);
}
