/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the value of -n into the options of a network: "tap[,KEY=VALUE]...", "passt[,...]",
 * "fd=N[,...]" or "none". Cuts the text up in place. A key that the chosen kind does not have is
 * refused by name. Thread: main, at set-up.
 */
#include "virtio/netdev.h"

#include "kvm/log.h"
#include "kvm/optlist.h"

#include <errno.h>
#include <linux/if.h>
#include <stdlib.h>
#include <string.h>

static int parse_number(const char *key, const char *value, unsigned long min, unsigned long max,
			unsigned long *number)
{
	char *end = NULL;

	if (value && *value >= '0' && *value <= '9')
		*number = strtoul(value, &end, 10);
	if (end && !*end && *number >= min && *number <= max)
		return 0;
	pr_err("-n: %s=%s: must be a number from %lu to %lu", key, value ? value : "", min, max);
	return -EINVAL;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 0x20 : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int set_mac(struct netdev_options *o, const char *value)
{
	const char *at = value ? value : "";
	bool bad = strlen(at) != 3 * ETH_ALEN - 1;

	for (unsigned int i = 0; i < ETH_ALEN && !bad; i++, at += 3) {
		int high = hex_digit(at[0]), low = hex_digit(at[1]);

		bad = high < 0 || low < 0 || at[2] != (i < ETH_ALEN - 1 ? ':' : '\0');
		o->mac[i] = (uint8_t)(high * 16 + low);
	}
	if (bad || (o->mac[0] & 1)) {
		pr_err("-n: mac=%s: must be an address like 02:00:00:00:00:01, with an even first byte",
		       value ? value : "");
		return -EINVAL;
	}
	o->has_mac = true;
	return 0;
}

static int set_vhost(struct netdev_options *o, const char *value)
{
	bool on = value && !strcmp(value, "on");

	if (!on && (!value || strcmp(value, "off") != 0)) {
		pr_err("-n tap,vhost=%s: must be on or off", value ? value : "");
		return -EINVAL;
	}
	o->vhost = on ? NETDEV_VHOST_ON : NETDEV_VHOST_OFF;
	return 0;
}

static int set_ifname(struct netdev_options *o, const char *value)
{
	if (!value || !*value || strlen(value) >= IFNAMSIZ || strpbrk(value, "/ %")) {
		pr_err("-n: ifname=%s: must have 1 to %d characters, without '/', '%%' and spaces",
		       value ? value : "", IFNAMSIZ - 1);
		return -EINVAL;
	}
	o->ifname = value;
	return 0;
}

static int set_text(const char **to, const char *key, const char *value)
{
	if (!value || !*value) {
		pr_err("-n: %s=: needs a value", key);
		return -EINVAL;
	}
	*to = value;
	return 0;
}

static int add_forward(struct netdev_options *o, const char *value)
{
	if (!value || !strchr(value, ':') || *value == '-') {
		pr_err("-n passt,hostfwd=%s: must be [tcp:|udp:][ADDRESS/]PORT:GUEST_PORT",
		       value ? value : "");
		return -EINVAL;
	}
	if (o->nr_forwards == NETDEV_MAX_FORWARDS) {
		pr_err("-n passt,hostfwd=%s: at most %d forwards", value, NETDEV_MAX_FORWARDS);
		return -EINVAL;
	}
	o->forward[o->nr_forwards++] = value;
	return 0;
}

static int set_queues(struct netdev_options *o, const char *value)
{
	unsigned long n = 0;
	int err = parse_number("queues", value, 1, NETDEV_MAX_QUEUES, &n);

	o->nr_queues = (unsigned int)n;
	return err;
}

static int set_tap_key(struct netdev_options *o, const char *key, const char *value)
{
	if (!strcmp(key, "ifname"))
		return set_ifname(o, value);
	if (!strcmp(key, "script"))
		return set_text(&o->script, key, value);
	if (!strcmp(key, "vhost"))
		return set_vhost(o, value);
	if (!strcmp(key, "queues"))
		return set_queues(o, value);
	pr_err("-n tap: %s: no such key; the keys are ifname, mac, queues, script, vhost", key);
	return -EINVAL;
}

static int set_passt_key(struct netdev_options *o, const char *key, const char *value)
{
	if (!strcmp(key, "hostfwd"))
		return add_forward(o, value);
	if (!strcmp(key, "path"))
		return set_text(&o->path, key, value);
	pr_err("-n passt: %s: no such key; the keys are hostfwd, mac, path", key);
	return -EINVAL;
}

static int set_key(struct netdev_options *o, const char *key, const char *value)
{
	if (!strcmp(key, "mac") && o->kind != NETDEV_NONE)
		return set_mac(o, value);
	if (o->kind == NETDEV_TAP)
		return set_tap_key(o, key, value);
	if (o->kind == NETDEV_PASST)
		return set_passt_key(o, key, value);
	pr_err("-n %s: %s: no such key%s", o->kind == NETDEV_FD ? "fd" : "none", key,
	       o->kind == NETDEV_FD ? "; the only key is mac" : "");
	return -EINVAL;
}

static int set_kind(struct netdev_options *o, const char *kind, const char *value)
{
	unsigned long fd = 0;
	int err = 0;

	if (!strcmp(kind, "fd")) {
		o->kind = NETDEV_FD;
		err = parse_number("fd", value, 0, 1 << 20, &fd);
		o->fd = (int)fd;
	} else if (!strcmp(kind, "tap") && !value) {
		o->kind = NETDEV_TAP;
	} else if (!strcmp(kind, "passt") && !value) {
		o->kind = NETDEV_PASST;
	} else if (!strcmp(kind, "none") && !value) {
		o->kind = NETDEV_NONE;
	} else {
		pr_err("-n %s: no such kind of network; use tap, passt, fd=N or none", kind);
		err = -EINVAL;
	}
	return err;
}

int netdev_parse(char *text, struct netdev_options *o)
{
	bool first = true;
	char *word;
	int err = 0;

	*o = (struct netdev_options){ .fd = -1, .nr_queues = 1, .vhost = NETDEV_VHOST_AUTO };
	while (!err && (word = optlist_take(&text))) {
		const char *value = optlist_value(word);

		err = first ? set_kind(o, word, value) : set_key(o, word, value);
		first = false;
	}
	if (!err && o->path && o->nr_forwards) {
		pr_err("-n passt: hostfwd= only works for a passt that kvm starts; start the one at path= with -t or -u");
		err = -EINVAL;
	}
	return err;
}
