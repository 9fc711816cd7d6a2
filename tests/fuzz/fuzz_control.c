/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the parser of the control protocol's lines: numbers stay within their bounds, and texts
 * are printable and terminated.
 */
#include "kvm/cmd/control.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t room)
{
	size_t len = strnlen(text, room);

	if (len == room)
		abort();
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct control_request request;
	struct control_reply reply;
	struct control_info info;

	if (!control_parse_request(text, size, &request) &&
	    (request.verb > CONTROL_STOP || request.seconds > CONTROL_MAX_SECONDS))
		abort();
	if (!control_parse_reply(text, size, &reply) &&
	    (reply.body_bytes > INT64_MAX || (!reply.ok && !reply.text[0])))
		abort();
	check_text(reply.text, sizeof(reply.text));
	control_parse_info(text, size, &info);
	check_text(info.state, sizeof(info.state));
	check_text(info.kernel, sizeof(info.kernel));
	return 0;
}
