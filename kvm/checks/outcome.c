/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decides which outcomes are good, names them for the reports, and writes the reports to their
 * files.
 */
#include "outcome.h"

#include "kvm/newfile.h"

bool outcome_is_good(const struct outcome *o)
{
	return verdict_exit_code(o->verdict) == 0 || o->verdict->kind == VERDICT_DEBUG_EXIT;
}

const char *outcome_verdict_name(enum verdict_kind kind)
{
	switch (kind) {
	case VERDICT_NONE:
		break;
	case VERDICT_POWEROFF:
		return "powered-off";
	case VERDICT_REBOOT:
		return "rebooted";
	case VERDICT_HALT:
		return "halted";
	case VERDICT_DEBUG_EXIT:
		return "debug-exit";
	case VERDICT_COMMAND:
		return "command";
	case VERDICT_QUIT:
		return "quit";
	case VERDICT_MET:
		return "met";
	case VERDICT_FAILED:
		return "failed";
	case VERDICT_PANIC:
		return "panic";
	case VERDICT_CRASH:
		return "crash";
	case VERDICT_TIMEOUT:
		return "timeout";
	case VERDICT_SIGNAL:
		return "signal";
	case VERDICT_LAUNCHER:
		return "launcher-error";
	}
	return "unknown";
}

int outcome_check_path(const char *option, const char *path)
{
	return newfile_check_report(option, path);
}

struct written {
	const struct outcome *outcome;
	void (*writer)(FILE *f, const struct outcome *o);
};

static void write_outcome(FILE *f, const void *ctx)
{
	const struct written *w = ctx;

	w->writer(f, w->outcome);
}

int outcome_write(const char *option, const char *path, const struct outcome *o,
		  void (*writer)(FILE *f, const struct outcome *o), bool early)
{
	const struct written w = { o, writer };

	return newfile_write(option, path, write_outcome, &w, early);
}
