/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fuzzes the splitting of option lists with any text, in place and by copies.
 *
 * Both agree, nothing is lost or added, and joining the items, with their commas doubled, gives the
 * text again. -d and -n, which use it, accept or refuse the text.
 */
#include "kvm/log.h"
#include "kvm/optlist.h"
#include "kvm/trace/trace.h"
#include "virtio/blk.h"
#include "virtio/netdev.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is)
{
	if (!is)
		abort();
}

/* Writes @item, its commas doubled, to @to. Returns the end. */
static char *join(char *to, const char *item)
{
	for (; *item; item++) {
		*to++ = *item;
		if (*item == ',')
			*to++ = ',';
	}
	return to;
}

static void split(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *own = strdup(text), *copy = malloc(bytes), *joined = malloc(2 * bytes), *to = joined;
	char *rest = own, *word;
	const char *list = text;
	struct optitem item;

	for (; optlist_next(&list, &item); *to++ = ',') {
		word = optlist_take(&rest);
		expect(item.text >= text && item.len < bytes && word);
		expect(!optitem_copy(&item, copy, item.len + 1) && !strcmp(copy, word));
		to = join(to, word);
	}
	expect(!rest && !optlist_take(&rest));
	to[-1] = '\0';
	expect(!strcmp(joined, text));
	free(own);
	free(copy);
	free(joined);
}

static void parse(const char *text)
{
	char *disk = strdup(text), *net = strdup(text);
	struct netdev_options n;
	struct disk_options d;
	struct trace_config t;
	struct blk_options b;

	if (!blk_parse(disk, &d, &b))
		expect(d.path >= disk && *d.path && b.nr_queues);
	if (!netdev_parse(net, &n))
		expect(n.nr_queues && n.nr_forwards <= NETDEV_MAX_FORWARDS);
	if (!trace_parse(&t, text)) {
		expect(t.kinds && (!t.path || strlen(t.path) <= strlen(text)));
		free(t.path);
	}
	free(disk);
	free(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	log_set_level(LOG_LEVEL_NONE);
	split(text);
	parse(text);
	free(text);
	return 0;
}
