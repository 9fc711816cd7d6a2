/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks each complete line of the console against the kernel's reports (kernlog.c), the user's
 * patterns (expect.c) and the tests (ktap.c).
 *
 * What ends a machine:
 * - the last expectation that is met, at once;
 * - a forbidden line, at once;
 * - a report of the kernel, a moment after it is complete, or when its next line does not come for
 *   2 s. The moment is for a panic that may follow, which is the better verdict and ends the
 *   machine by itself. Reports that do not end, or come slowly, get half a minute in all.
 *
 * The rest is judged at the end: expectations that were not met, and tests. A guest decides by what
 * it prints, but it can make the launcher neither slow nor large: lines, reports and tests are
 * bounded.
 *
 * Locks: lines come on the vCPUs' threads, ticks on the loop's. There is one lock, taken after the
 * chardev's and before the verdict's.
 */
#include "checks.h"

#include "kernlog.h"
#include "ktap.h"
#include "kvm/base/outfd.h"
#include "kvm/log.h"
#include "kvm/loop.h"
#include "kvm/quiet.h"
#include "kvm/sigmask.h"
#include "kvm/vm.h"
#include "lines.h"
#include "outcome.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define REPORT_NS (2 * NS_PER_S)
#define REPORTS_NS (30 * NS_PER_S)
#define PANIC_NS 300000000ULL
#define TAIL_BYTES 8192

static_assert(CONFIG_MAX_EXPECTS == EXPECT_MAX, "each configured pattern needs a place");

struct checks {
	const struct config *config;
	int argc;
	char *const *argv;
	int64_t started_s;
	uint64_t started_ns;
	enum outcome_ci ci;
	struct outcome_guard guard; /* guards stdout */
	bool guarded;		    /* the guard was begun, and is not begun again */
	bool wants_ktap;

	struct vm_sink sink;
	pthread_mutex_t lock; /* guards all members below */
	struct vm *vm;	      /* NULL: no life is attached */
	struct loop_timer tick, failing;
	uint64_t bytes, nr_lines, port_outputs;
	uint64_t ticked; /* @bytes and @port_outputs at the last tick */
	struct quiet silence;
	uint64_t reported_ns; /* when this life's first report began; 0: none has */
	size_t looked_at;     /* bytes of the partial line */
	struct lines lines;
	struct kernlog kernlog;
	struct expect expect;
	struct ktap ktap;
	const struct expect_pattern *forbidden; /* the first that matched */
	uint64_t forbidden_line;
	char forbidden_text[LINES_MAX_BYTES + 2];
	size_t tail_len;
	char tail[2 * TAIL_BYTES];
};

static void keep_tail(struct checks *c, const char *text, size_t len)
{
	if (c->tail_len + len + 1 > sizeof(c->tail)) {
		char *from = memchr(c->tail + c->tail_len - TAIL_BYTES, '\n', TAIL_BYTES);

		c->tail_len -= (size_t)(++from - c->tail);
		memmove(c->tail, from, c->tail_len);
	}
	memcpy(c->tail + c->tail_len, text, len);
	c->tail[c->tail_len + len] = '\n';
	c->tail_len += len + 1;
}

static bool kernel_failed(const struct checks *c)
{
	return c->config->fail_on_warning && c->kernlog.nr_seen;
}

/* Describes the first of the kernel's reports, of which there is at least one. */
static void say_report(const struct checks *c, char text[200])
{
	const struct kernlog_report *r = &c->kernlog.report[0];

	snprintf(text, 200, "the kernel reported %s in line %llu: %s", r->class,
		 (unsigned long long)r->line_nr, r->title);
	outcome_escape_ci(text);
}

static void on_failing(void *ctx)
{
	struct checks *c = ctx;
	char text[200];

	pthread_mutex_lock(&c->lock);
	if (c->vm && !(c->kernlog.panicked && c->config->on_panic == ON_PANIC_EXIT)) {
		say_report(c, text);
		vm_end(c->vm, VERDICT_FAILED, 0, "%s", text);
	}
	pthread_mutex_unlock(&c->lock);
}

static void look_at_kernel(struct checks *c, const char *text)
{
	enum kernlog_event event = kernlog_line(&c->kernlog, text, c->nr_lines);
	uint64_t now;

	if (!c->vm || !c->config->fail_on_warning || (event == KERNLOG_NOTHING && !c->kernlog.open))
		return;
	now = now_ns();
	if (!c->reported_ns)
		c->reported_ns = now;
	/* The armed timer stays: it fires within 2 s. */
	if (now - c->reported_ns < REPORTS_NS)
		loop_timer_arm(&c->failing, event == KERNLOG_ENDS ? PANIC_NS : REPORT_NS);
}

/* Ends the machine if the lines so far decide its verdict. */
static void end_if_decided(struct checks *c)
{
	if (!c->vm)
		return;
	if (c->forbidden)
		vm_end(c->vm, VERDICT_FAILED, 0, "line %llu of the console matches /%s/",
		       (unsigned long long)c->forbidden_line, c->forbidden->text);
	else if (expect_all_met(&c->expect) && !c->config->ktap && !c->config->has_command &&
		 !kernel_failed(c))
		vm_end(c->vm, VERDICT_MET, 0, "all expectations were met: %u of %u",
		       c->expect.nr_wanted, c->expect.nr_wanted);
}

/* Matches a line, or the prompt that may become line @line_nr. */
static void look_for_patterns(struct checks *c, const char *text, uint64_t line_nr)
{
	const struct expect_pattern *p = expect_forbidden(&c->expect, text);

	if (p && !c->forbidden) {
		c->forbidden = p;
		c->forbidden_line = line_nr;
		snprintf(c->forbidden_text, sizeof(c->forbidden_text), "%s\n", text);
		end_if_decided(c);
	}
	if (expect_wanted(&c->expect, text, line_nr))
		end_if_decided(c);
}

static void on_line(void *ctx, const char *text, size_t len)
{
	struct checks *c = ctx;

	c->nr_lines++;
	c->looked_at = 0;
	keep_tail(c, text, len);
	look_at_kernel(c, text);
	look_for_patterns(c, text, c->nr_lines);
	if (c->wants_ktap)
		ktap_line(&c->ktap, text, c->nr_lines);
}

/* Implements output() of struct vm_sink. */
static void on_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct checks *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->bytes += len;
	lines_feed(&c->lines, bytes, len);
	pthread_mutex_unlock(&c->lock);
}

/* Implements port_output() of struct vm_sink. */
static void on_port_output(void *ctx)
{
	struct checks *c = ctx;

	pthread_mutex_lock(&c->lock);
	c->port_outputs++;
	pthread_mutex_unlock(&c->lock);
}

/*
 * Matches a prompt, which has no newline: a partial line counts once the console is silent for a
 * tick.
 */
static void look_at_prompt(struct checks *c)
{
	if (c->looked_at == c->lines.len)
		return;
	c->looked_at = c->lines.len;
	look_for_patterns(c, lines_partial(&c->lines), c->nr_lines + 1);
}

static void on_tick(void *ctx)
{
	struct checks *c = ctx;
	uint64_t idle_s = c->config->idle_timeout_s, silent_ns, outputs;

	pthread_mutex_lock(&c->lock);
	outputs = c->bytes + c->port_outputs;
	silent_ns = quiet_look(&c->silence, now_ns(), c->ticked != outputs);
	if (c->ticked == outputs)
		look_at_prompt(c);
	c->ticked = outputs;
	if (idle_s && silent_ns >= idle_s * NS_PER_S)
		vm_end(c->vm, VERDICT_TIMEOUT, 0, "the console was silent for %llu s",
		       (unsigned long long)idle_s);
	loop_timer_arm(&c->tick, QUIET_LOOK_NS);
	pthread_mutex_unlock(&c->lock);
}

static bool wants_reports(const struct config *config)
{
	return config->report_path || config->junit_path || config->tap_path;
}

static int check_paths(const struct config *config)
{
	int err = config->report_path ? outcome_check_path("report", config->report_path) : 0;

	if (!err && config->junit_path)
		err = outcome_check_path("junit", config->junit_path);
	return err || !config->tap_path ? err : outcome_check_path("tap", config->tap_path);
}

int checks_create(struct checks **out, const struct config *config, int argc, char *const *argv)
{
	enum outcome_ci ci = outcome_find_ci();
	struct checks *c;
	int err;

	*out = NULL;
	if (!wants_reports(config) && ci == OUTCOME_NO_CI && !config->nr_expects &&
	    !config->nr_fail_ons && !config->fail_on_warning && !config->ktap &&
	    !config->idle_timeout_s)
		return 0;
	err = check_paths(config);
	if (err)
		return err;
	c = calloc(1, sizeof(*c));
	if (!c) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	err = expect_init(&c->expect, config->expect, config->nr_expects, config->fail_on,
			  config->nr_fail_ons, config->expect_any);
	if (err) {
		pr_err("out of memory");
		free(c);
		return err;
	}
	c->config = config;
	c->argc = argc;
	c->argv = argv;
	c->ci = ci;
	c->wants_ktap = config->ktap || wants_reports(config);
	c->started_s = time(NULL);
	c->started_ns = now_ns();
	c->sink = (struct vm_sink){ .output = on_output, .port_output = on_port_output, .ctx = c };
	c->lines.line = on_line;
	c->lines.ctx = c;
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return 0;
}

void checks_destroy(struct checks *c)
{
	if (!c)
		return;
	expect_fini(&c->expect);
	ktap_fini(&c->ktap);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static bool is_stdout(const char *where)
{
	return where && (!strcmp(where, "stdio") || !strcmp(where, "stdout"));
}

static bool guest_has_stdout(const struct config *config)
{
	bool has = config->console == CONSOLE_VIRTIO && !config->serial[0];

	for (unsigned int i = 0; i < CONFIG_NR_SERIAL && !has; i++)
		has = is_stdout(config->serial[i]);
	for (unsigned int i = 0; i < config->nr_ports && !has; i++) {
		const char *where = strchr(config->port[i], '=');

		has = where && is_stdout(where + 1);
	}
	return has;
}

/*
 * Guards against a guest that controls the CI service by its output to stdout. A command's output
 * is not guarded: it is as trustworthy as the command, and a program may read it, which the guard's
 * lines would disturb.
 */
static void guard_console(struct checks *c)
{
	if (c->guarded || c->config->has_command || !guest_has_stdout(c->config) ||
	    isatty(STDOUT_FILENO))
		return;
	c->guarded = true;
	outcome_guard_begin(&c->guard, c->ci, STDOUT_FILENO);
}

int checks_attach(struct checks *c, struct vm *vm)
{
	int err = 0;

	if (!c)
		return 0;
	guard_console(c);
	vm_add_sink(vm, &c->sink);
	pthread_mutex_lock(&c->lock);
	c->vm = vm;
	c->reported_ns = 0;
	quiet_begin(&c->silence, now_ns());
	loop_timer_init(&vm->loop, &c->tick, on_tick, c);
	loop_timer_init(&vm->loop, &c->failing, on_failing, c);
	if (c->config->idle_timeout_s || c->config->nr_expects || c->config->nr_fail_ons)
		err = loop_timer_arm(&c->tick, QUIET_LOOK_NS);
	/* The last lines of a life before this one may have come after its end. */
	end_if_decided(c);
	pthread_mutex_unlock(&c->lock);
	return err;
}

void checks_detach(struct checks *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	if (c->vm) {
		loop_timer_fini(&c->tick);
		loop_timer_fini(&c->failing);
	}
	c->vm = NULL;
	pthread_mutex_unlock(&c->lock);
}

static void append(struct verdict *v, const char *what, const char *regex)
{
	size_t len = strlen(v->text);

	snprintf(v->text + len, sizeof(v->text) - len, what, regex);
}

static void judge_tests(struct checks *c, struct verdict *v)
{
	struct ktap_totals t = ktap_totals(&c->ktap);
	uint64_t nr = t.passed + t.failed + t.skipped + t.todo;
	char path[120];

	if (!c->wants_ktap)
		return;
	if (t.failed) {
		verdict_set(v, VERDICT_FAILED, 0, "%llu of %llu tests failed, the first: %s",
			    (unsigned long long)t.failed, (unsigned long long)nr,
			    ktap_path(&c->ktap, t.first_failed, path, sizeof(path)));
		outcome_escape_ci(v->text);
	} else if (c->config->ktap && !nr) {
		verdict_set(v, VERDICT_FAILED, 0, "the console had no test results");
	}
}

void checks_judge(struct checks *c, struct verdict *v)
{
	const struct expect_pattern *unmet;
	char text[sizeof(v->text)];

	if (!c)
		return;
	lines_end(&c->lines);
	kernlog_end(&c->kernlog);
	ktap_end(&c->ktap, c->nr_lines);
	unmet = expect_first_unmet(&c->expect);
	if (v->kind == VERDICT_TIMEOUT && unmet)
		append(v, "; expectation /%s/ was not met", unmet->text);
	if (verdict_exit_code(v) && v->kind != VERDICT_DEBUG_EXIT)
		return;
	if (c->forbidden) {
		verdict_set(v, VERDICT_FAILED, 0, "line %llu of the console matches /%s/",
			    (unsigned long long)c->forbidden_line, c->forbidden->text);
	} else if (kernel_failed(c)) {
		say_report(c, text);
		verdict_set(v, VERDICT_FAILED, 0, "%s", text);
	} else if (unmet) {
		snprintf(text, sizeof(text), "%s", v->text);
		verdict_set(v, VERDICT_FAILED, 0, "%s; expectation /%s/ was not met", text,
			    unmet->text);
	} else {
		judge_tests(c, v);
	}
}

static void add_failure(struct outcome *o, struct outcome_failure f)
{
	if (o->nr_failures < OUTCOME_MAX_FAILURES)
		o->failure[o->nr_failures++] = f;
}

static void gather_failures(const struct checks *c, struct outcome *o)
{
	const struct expect_pattern *unmet = expect_first_unmet(&c->expect);

	if (c->forbidden)
		add_failure(o, (struct outcome_failure){ "forbidden", NULL, c->forbidden->text,
							 c->forbidden_line, c->forbidden_text,
							 strlen(c->forbidden_text) });
	for (unsigned int i = 0; i < c->kernlog.nr_reports; i++) {
		const struct kernlog_report *r = &c->kernlog.report[i];

		add_failure(o, (struct outcome_failure){ "kernel", r->class, r->title, r->line_nr,
							 r->text, r->len });
	}
	if (unmet)
		add_failure(o, (struct outcome_failure){ "expectation", NULL, unmet->text, 0, NULL,
							 0 });
}

static void gather(const struct checks *c, const struct verdict *v, struct outcome *o)
{
	*o = (struct outcome){
		.verdict = v,
		.name = c->config->name,
		.kernel = c->config->kernel,
		.params = c->config->params,
		.mem_bytes = c->config->mem_bytes,
		.nr_cpus = c->config->nr_cpus,
		.argc = c->argc,
		.argv = c->argv,
		.started_s = c->started_s,
		.duration_ms = (now_ns() - c->started_ns) / 1000000,
		.console_bytes = c->bytes,
		.console_lines = c->nr_lines,
		.tail = c->tail,
		.tail_len = c->tail_len,
		.expect = &c->expect,
		.ktap = c->wants_ktap ? &c->ktap : NULL,
		.nr_kernel_reports = c->kernlog.nr_seen,
	};
	gather_failures(c, o);
}

/*
 * Writes the annotations; to stdout if that was guarded, because on another stream they could
 * overtake the end of the guard.
 */
static void annotate(struct checks *c, const struct outcome *o)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = c->ci == OUTCOME_NO_CI ? NULL : open_memstream(&text, &len);
	bool guarded = c->guard.token[0];

	outcome_guard_end(&c->guard, STDOUT_FILENO);
	if (!f)
		return;
	outcome_annotate(f, o, c->ci);
	if (!fclose(f) && guarded)
		outfd_put_to(STDOUT_FILENO, text, len, OUTFD_PATIENT);
	else if (text)
		log_verbatim(text, len);
	free(text);
}

/*
 * Blocks the signals that end us meanwhile (at a failed set-up nothing else does), so that no
 * half-written file is left. They do end a wait for a pipe's reader.
 */
static int write_reports(const struct config *config, const struct outcome *o, bool early)
{
	sigset_t before;
	int err = 0, junit_err = 0, tap_err = 0;

	sigmask_block(&before);
	if (config->report_path)
		err = outcome_write("report", config->report_path, o, outcome_json, early);
	if (config->junit_path)
		junit_err = outcome_write("junit", config->junit_path, o, outcome_junit, early);
	if (config->tap_path)
		tap_err = outcome_write("tap", config->tap_path, o, outcome_tap, early);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err ? err : junit_err ? junit_err : tap_err;
}

int checks_report(struct checks *c, const struct verdict *v, bool early)
{
	struct outcome o;
	int err;

	if (!c)
		return 0;
	pthread_mutex_lock(&c->lock);
	gather(c, v, &o);
	err = write_reports(c->config, &o, early);
	if (!early)
		annotate(c, &o);
	pthread_mutex_unlock(&c->lock);
	return err;
}
