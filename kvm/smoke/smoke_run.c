/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the boots of a set, several at a time. Each boot is a `kvm run`: a child process with this
 * same program and /dev/null as standard input. It has its own process group, because we pass on a
 * Ctrl-C at the terminal ourselves. Its streams, console and report go to a folder that is removed
 * when it has passed.
 *
 * The one thread waits for SIGCHLD and the signals that end us, at most until the next child's
 * deadline.
 * - A child has its --timeout for itself; LATE_S later we kill it.
 * - After the first signal that ends us, no boot is started any more and the children get SIGTERM.
 *   After the second, or after GRACE_S, they get SIGKILL.
 * - If we are killed ourselves, the kernel sends SIGTERM to each child (PR_SET_PDEATHSIG).
 */
#include "smoke.h"

#include "kvm/base/quote.h"
#include "kvm/log.h"
#include "kvm/loop.h"
#include "kvm/spawn.h"
#include "kvm/verdict.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS_PER_S 1000000000ULL
#define NS_PER_MS 1000000ULL
#define LATE_S 15
#define GRACE_S 10
#define SECOND_NS (NS_PER_S / 2) /* a signal that comes sooner is one with the first */
#define PROGRESS_NS (200 * NS_PER_MS)
#define MAX_REPORT_BYTES (16 * MIB)
#define MAX_LINE 160

static const char *const files[] = { "console", "output", "messages", "report.json", "command" };

struct child {
	struct smoke_boot *boot;
	pid_t pid; /* 0: none */
	uint64_t started_ns, deadline_ns;
	bool killed;
};

struct runner {
	struct smoke_set *set;
	const struct smoke_run *how;
	char program[PATH_MAX];
	sigset_t signals; /* the signals that we wait for */
	struct child *child;
	unsigned int nr_running, nr_ended, nr_failed, next;
	int ended_by; /* the signal; 0: none */
	uint64_t ended_by_ns;
	uint64_t progress_ns;
	int progress_chars; /* on the terminal's last line; -1: not a terminal */
};

/* ---- folders --------------------------------------------------------------------------- */

static int path_in(const struct runner *r, const struct smoke_boot *b, const char *file,
		   char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s%s%s", r->how->dir, b->id, file ? "/" : "",
			 file ? file : "");

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Removes the boot's folder, also one that an earlier run has left; deletes only files of ours. */
static void remove_folder(const struct runner *r, const struct smoke_boot *b)
{
	char path[PATH_MAX];

	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
		if (!path_in(r, b, files[i], path))
			unlink(path);
	}
	if (!path_in(r, b, NULL, path))
		rmdir(path);
}

/* Writes a script that repeats the boot from the same folder. */
static int write_command(const struct runner *r, const struct smoke_boot *b)
{
	char path[PATH_MAX], cwd[PATH_MAX] = ".";
	FILE *f;
	int fd, err = path_in(r, b, "command", path);

	if (err)
		return err;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0777);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return -errno;
	fputs("#!/bin/sh\ncd ", f);
	quote_shell(f, getcwd(cwd, sizeof(cwd)) ? cwd : ".");
	fputs(" && exec ", f);
	quote_shell(f, r->program);
	fprintf(f, "%s\n", b->command + strlen("kvm"));
	return fclose(f) ? -errno : 0;
}

static int make_folder(const struct runner *r, const struct smoke_boot *b)
{
	char path[PATH_MAX];
	struct stat st;
	int err = path_in(r, b, NULL, path);

	/* A link would lead us to files that are not ours. */
	if (!err && !lstat(path, &st) && !S_ISDIR(st.st_mode))
		err = -ENOTDIR;
	if (err)
		return err;
	remove_folder(r, b);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	return write_command(r, b);
}

/*
 * Returns at most @max bytes of the file's end, terminated by a 0; NULL if it cannot be read. The
 * caller frees.
 */
static char *read_file(const struct runner *r, const struct smoke_boot *b, const char *file,
		       size_t max, size_t *len)
{
	char path[PATH_MAX], *text = NULL;
	struct stat st;
	ssize_t n = -1;
	int fd = path_in(r, b, file, path) ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) {
		size_t size = (size_t)st.st_size < max ? (size_t)st.st_size : max;

		text = malloc(size + 1);
		n = text ? pread(fd, text, size, st.st_size - (off_t)size) : -1;
	}
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	*len = (size_t)n;
	return text;
}

/* ---- the progress line --------------------------------------------------------------------- */

static unsigned int columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || !w.ws_col ? 80 : w.ws_col;
}

/* Replaces the progress line, without escape sequences: blanks overwrite the old text. */
static void show_progress(struct runner *r, const char *text)
{
	char line[MAX_LINE + 8];
	int chars = (int)strlen(text), n;

	if (r->progress_chars < 0)
		return;
	n = snprintf(line, sizeof(line), "\r%-*s%s", r->progress_chars, text, *text ? "" : "\r");
	if (n > 0)
		log_verbatim(line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
	r->progress_chars = chars;
}

static void progress(struct runner *r)
{
	char text[MAX_LINE + 1];
	unsigned int width = columns() - 1;
	int n;

	if (r->progress_chars < 0 || now_ns() - r->progress_ns < PROGRESS_NS)
		return;
	r->progress_ns = now_ns();
	n = snprintf(text, sizeof(text), "%u of %u done, %u failed%s", r->nr_ended, r->set->nr,
		     r->nr_failed, r->ended_by ? ", ending" : "");
	for (unsigned int i = 0; i < r->how->jobs && n < (int)sizeof(text); i++) {
		const struct child *c = &r->child[i];

		if (c->pid)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "; %s %llu s",
				      c->boot->id,
				      (unsigned long long)((now_ns() - c->started_ns) / NS_PER_S));
	}
	text[width < MAX_LINE ? width : MAX_LINE] = '\0';
	show_progress(r, text);
}

/* Reports the end of a boot to the user. */
static void tell(struct runner *r, const struct smoke_boot *b)
{
	const struct smoke_result *result = &b->result;
	char *line = NULL;
	size_t len;
	FILE *f;

	if (result->passed && log_get_level() < LOG_LEVEL_DEBUG)
		return;
	f = open_memstream(&line, &len);
	if (!f)
		return;
	quote_line(f, result->text, strlen(result->text));
	if (fclose(f)) {
		free(line);
		return;
	}
	show_progress(r, "");
	if (result->passed)
		pr_debug("%s: passed: %s", b->id, line);
	else
		pr_err("%s: failed: %s; see %s/%s", b->id, line, r->how->dir, b->id);
	free(line);
	r->progress_ns = 0;
}

/* ---- a child --------------------------------------------------------------------------- */

static void redirect(int to, const char *path)
{
	int fd = open(path, to == STDIN_FILENO ? O_RDONLY : O_WRONLY | O_CREAT | O_APPEND, 0666);

	if (fd >= 0 && fd != to) {
		dup2(fd, to);
		close(fd);
	}
}

/* Runs `kvm run` in the child. Returns only if that fails. */
static void become_run(const struct runner *r, const struct smoke_boot *b, char **argv,
		       pid_t parent)
{
	char path[PATH_MAX];
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return;
	/* We fold the output ourselves, and only once. */
	unsetenv("GITHUB_ACTIONS");
	unsetenv("GITLAB_CI");
	redirect(STDIN_FILENO, "/dev/null");
	if (b->nr_options == b->args.nr || path_in(r, b, "output", path))
		snprintf(path, sizeof(path), "/dev/null");
	redirect(STDOUT_FILENO, path);
	if (!path_in(r, b, "messages", path))
		redirect(STDERR_FILENO, path);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", argv);
	pr_err("cannot run %s: %s", r->program, strerror(errno));
}

/*
 * Makes "kvm run", the boot's options, our own options, and its command. The strings are not
 * copied. Returns NULL if out of memory.
 */
static char **make_argv(const struct smoke_boot *b, char *console, char *report)
{
	char *const ours[] = { (char *)(uintptr_t) "--log", console, (char *)(uintptr_t) "--report",
			       report };
	char **argv = calloc(b->args.nr + ARRAY_SIZE(ours) + 3, sizeof(*argv));
	unsigned int n = 0;

	if (!argv)
		return NULL;
	argv[n++] = (char *)(uintptr_t) "kvm";
	argv[n++] = (char *)(uintptr_t) "run";
	memcpy(argv + n, b->args.s, b->nr_options * sizeof(*argv));
	n += b->nr_options;
	memcpy(argv + n, ours, sizeof(ours));
	n += ARRAY_SIZE(ours);
	memcpy(argv + n, b->args.s + b->nr_options, (b->args.nr - b->nr_options) * sizeof(*argv));
	return argv;
}

/* Returns the child's pid, or -errno; 0 in a child that could not run `kvm run`. */
static pid_t start_child(const struct runner *r, const struct smoke_boot *b)
{
	char console[PATH_MAX], report[PATH_MAX], **argv;
	pid_t pid, parent = getpid();
	int err = make_folder(r, b);

	if (!err)
		err = path_in(r, b, "console", console);
	if (!err)
		err = path_in(r, b, "report.json", report);
	if (err)
		return err;
	argv = make_argv(b, console, report);
	if (!argv)
		return -ENOMEM;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		pid = -errno;
	if (!pid)
		become_run(r, b, argv, parent);
	free(argv);
	return pid;
}

/* Replaces the verdict and text of a boot, for example if it left no usable report. */
static void describe(struct smoke_result *r, const char *verdict, const char *fmt, ...)
{
	va_list ap;

	free(r->verdict);
	free(r->text);
	r->verdict = strdup(verdict);
	va_start(ap, fmt);
	if (vasprintf(&r->text, fmt, ap) < 0)
		r->text = NULL;
	va_end(ap);
}

/* Takes the launcher's last message as the text, for example which option is wrong. */
static void describe_by_messages(struct runner *r, struct smoke_boot *b)
{
	size_t len;
	char *text = read_file(r, b, "messages", 4096, &len), *line;

	while (text && len && text[len - 1] == '\n')
		text[--len] = '\0';
	line = text ? strrchr(text, '\n') : NULL;
	line = line ? line + 1 : text;
	if (line && !strncmp(line, "kvm: ", 5))
		line += 5;
	describe(&b->result, b->result.exit_code == EXIT_LAUNCHER ? "launcher-error" : "unknown",
		 "%s", line && *line ? line : "kvm run wrote no report");
	free(text);
}

static void judge(struct runner *r, struct child *c, int status)
{
	struct smoke_boot *b = c->boot;
	struct smoke_result *result = &b->result;
	size_t len;
	char *report = read_file(r, b, "report.json", MAX_REPORT_BYTES, &len);
	bool has_report;

	result->done = true;
	result->duration_ms = (now_ns() - c->started_ns) / NS_PER_MS;
	result->exit_code =
		(uint64_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	has_report = report && !smoke_read_run(result, report, len, b->expected);
	/* What left no report was no boot: `options = --help` also ends with 0. */
	result->passed =
		has_report && !c->killed && WIFEXITED(status) && result->exit_code == b->expected;
	if (!has_report || result->exit_code == EXIT_LAUNCHER)
		describe_by_messages(r, b);
	free(report);
	if (c->killed)
		describe(result, "killed",
			 "kvm run did not end by itself within %llu s and was killed",
			 (unsigned long long)b->timeout_s + LATE_S);
	else if (WIFSIGNALED(status))
		describe(result, "killed", "kvm run was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
}

/* ---- all of them --------------------------------------------------------------------------- */

/* Counts and reports a boot that has its result. */
static void account(struct runner *r, struct smoke_boot *b)
{
	r->nr_ended++;
	r->nr_failed += !b->result.passed;
	tell(r, b);
	if (b->result.passed && !r->how->keep)
		remove_folder(r, b);
	if (b->result.passed) {
		free(b->result.tail);
		b->result.tail = NULL;
	}
}

static struct child *find_child(struct runner *r, pid_t pid)
{
	for (unsigned int i = 0; i < r->how->jobs; i++) {
		if (r->child[i].pid == pid)
			return &r->child[i];
	}
	return NULL;
}

/* Starts the next boot. Returns false in a child that could not run `kvm run`. */
static bool start_next(struct runner *r)
{
	struct child *c = find_child(r, 0);
	struct smoke_boot *b = &r->set->boot[r->next++];
	pid_t pid = start_child(r, b);

	if (!pid)
		return false;
	if (pid < 0) {
		b->result.done = true;
		b->result.exit_code = 125;
		describe(&b->result, "launcher-error", "kvm run could not be started: %s",
			 strerror(-pid));
		account(r, b);
		return true;
	}
	*c = (struct child){ .boot = b, .pid = pid, .started_ns = now_ns() };
	c->deadline_ns = c->started_ns + (b->timeout_s + LATE_S) * NS_PER_S;
	r->nr_running++;
	return true;
}

static void reap(struct runner *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = find_child(r, pid);

		if (!c)
			continue;
		c->pid = 0;
		r->nr_running--;
		/* A run that we have ended has no result. */
		if (r->ended_by) {
			if (!r->how->keep)
				remove_folder(r, c->boot);
			continue;
		}
		judge(r, c, status);
		account(r, c->boot);
	}
}

/* Also kills what the child has started itself. */
static void kill_group(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL); /* it may not have its own group yet */
}

static void signal_all(struct runner *r, int signo, uint64_t deadline_ns)
{
	for (unsigned int i = 0; i < r->how->jobs; i++) {
		if (!r->child[i].pid)
			continue;
		if (signo == SIGKILL)
			kill_group(r->child[i].pid);
		else
			kill(r->child[i].pid, signo);
		r->child[i].deadline_ns = deadline_ns;
	}
}

static void on_end_signal(struct runner *r, int signo)
{
	if (r->ended_by) {
		/* timeout(1) and a terminal that closes send two at once */
		if (now_ns() - r->ended_by_ns >= SECOND_NS)
			signal_all(r, SIGKILL, UINT64_MAX);
		return;
	}
	r->ended_by = signo;
	r->ended_by_ns = now_ns();
	show_progress(r, "");
	pr_warn("SIG%s: ending %u machines", sigabbrev_np(signo), r->nr_running);
	signal_all(r, SIGTERM, now_ns() + GRACE_S * NS_PER_S);
}

/* Kills the children whose time is over. Returns for how long there is nothing to do. */
static uint64_t look_at_clock(struct runner *r)
{
	uint64_t now = now_ns(), wait_ns = r->progress_chars < 0 ? NS_PER_S : PROGRESS_NS;

	for (unsigned int i = 0; i < r->how->jobs; i++) {
		struct child *c = &r->child[i];

		if (!c->pid)
			continue;
		if (now >= c->deadline_ns) {
			c->killed = true;
			c->deadline_ns = UINT64_MAX;
			kill_group(c->pid);
		}
		if (c->deadline_ns > now)
			wait_ns = min_u64(wait_ns, c->deadline_ns - now);
	}
	return wait_ns;
}

static void wait_for_something(struct runner *r)
{
	uint64_t ns = look_at_clock(r);
	struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S) };
	int signo = sigtimedwait(&r->signals, NULL, &time);

	if (signo == SIGINT || signo == SIGTERM || signo == SIGHUP)
		on_end_signal(r, signo);
	reap(r);
	progress(r);
}

static bool run_all(struct runner *r)
{
	for (;;) {
		while (!r->ended_by && r->next < r->set->nr && r->nr_running < r->how->jobs) {
			if (!start_next(r))
				return false;
		}
		if (!r->nr_running)
			return true;
		wait_for_something(r);
	}
}

/* Makes the folder for all boots' folders, or takes one that nobody else can write to. */
static int make_dir(const struct runner *r)
{
	const char *dir = r->how->dir;
	struct stat st;

	if (mkdir(dir, 0755) && errno != EEXIST) {
		pr_err("--out %s: %s", dir, strerror(errno));
		return -EIO;
	}
	if (stat(dir, &st) || access(dir, W_OK | X_OK)) {
		pr_err("--out %s: %s", dir, strerror(errno));
		return -EACCES;
	}
	if (st.st_uid != geteuid() || st.st_mode & S_IWOTH) {
		pr_err("--out %s: %s; choose another folder", dir,
		       st.st_mode & S_IWOTH ? "every user can write to it"
					    : "belongs to another user");
		return -EPERM;
	}
	return 0;
}

static int prepare(struct runner *r)
{
	ssize_t n = readlink("/proc/self/exe", r->program, sizeof(r->program) - 1);
	int err;

	if (n < 0) {
		pr_err("/proc/self/exe: %s; kvm smoke needs it to start kvm run", strerror(errno));
		return -ENOENT;
	}
	err = make_dir(r);
	if (err)
		return err;
	r->child = calloc(r->how->jobs, sizeof(*r->child));
	if (!r->child) {
		pr_err("out of memory");
		return -ENOMEM;
	}
	sigemptyset(&r->signals);
	sigaddset(&r->signals, SIGCHLD);
	sigaddset(&r->signals, SIGINT);
	sigaddset(&r->signals, SIGTERM);
	if (!spawn_was_ignored(SIGHUP)) /* nohup(1) ignores it */
		sigaddset(&r->signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &r->signals, NULL);
	/*
	 * If SIGCHLD were ignored, as under nohup(1) or some CI, we would not learn how our
	 * children ended.
	 */
	signal(SIGCHLD, SIG_DFL);
	return 0;
}

int smoke_run(struct smoke_set *set, const struct smoke_run *how)
{
	struct runner r = { .set = set, .how = how, .progress_chars = -1 };
	int err = prepare(&r);

	if (err)
		return err;
	if (!how->quiet && isatty(STDERR_FILENO))
		r.progress_chars = 0;
	if (!run_all(&r)) {
		free(r.child);
		return -ENOEXEC;
	}
	show_progress(&r, "");
	rmdir(how->dir); /* succeeds only if it is empty */
	free(r.child);
	return r.ended_by;
}
