/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes core files: struct arch's dump() writes the content, and this file decides when and where
 * to.
 *
 * A running machine is paused as a disk pauses it (vm_pause()). The thread that writes waits until
 * each vCPU stands still. A vCPU that does not, because it waits inside a device, is left out, and
 * its part of memory may change meanwhile.
 */
#include "dump.h"

#include "kvm/arch.h"
#include "kvm/log.h"
#include "kvm/newfile.h"
#include "kvm/vm.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define STAND_NS 2000000000ULL
#define LOOK_NS 1000000L

void dump_text(char *buf, size_t n, const struct dump_result *r)
{
	char missing[64] = "", slide[64] = "vmlinux";

	if (r->nr_missing)
		snprintf(missing, sizeof(missing), ", without %u vCPUs' registers", r->nr_missing);
	if (r->slide)
		snprintf(slide, sizeof(slide), "-ex 'symbol-file -o 0x%llx vmlinux'",
			 (unsigned long long)r->slide);
	snprintf(buf, n, "a core of %llu MiB, %llu MiB of them in use%s: gdb %s -c",
		 (unsigned long long)(r->memory_bytes / MIB),
		 (unsigned long long)((r->written_bytes + MIB - 1) / MIB), missing, slide);
}

static bool calls_for_dump(const struct verdict *v)
{
	return v->kind == VERDICT_CRASH || v->kind == VERDICT_PANIC || v->kind == VERDICT_TIMEOUT;
}

void dump_at_end(struct vm *vm)
{
	const char *path = vm->config->dump;
	struct dump_result result;
	struct newfile file;
	char text[DUMP_TEXT_BYTES];
	int err;

	if (!path || !calls_for_dump(&vm->verdict))
		return;
	err = newfile_open(&file, path, 0600);
	if (!err) {
		err = vm->arch->dump(vm, file.fd, NULL, &result);
		if (err)
			newfile_abandon(&file);
		else
			err = newfile_commit(&file);
	}
	if (err) {
		pr_err("--dump %s: %s; no core was written", path, strerror(-err));
		return;
	}
	dump_text(text, sizeof(text), &result);
	pr_info("--dump %s: %s %s", path, text, path);
}

/*--- while it runs ---------------------------------------------------------------------------*/

static void wait_until_they_stand(struct dump_job *job)
{
	uint64_t until = now_ns() + STAND_NS;
	struct timespec look = { .tv_nsec = LOOK_NS };

	for (unsigned int i = 0; i < job->vm->nr_vcpus; i++) {
		while (!vm_vcpu_stands(&job->vm->vcpu[i]) && now_ns() < until &&
		       !atomic_load(&job->cancel))
			nanosleep(&look, NULL);
	}
}

static void write_core(void *ctx)
{
	struct dump_job *job = ctx;

	vm_pause(job->vm);
	wait_until_they_stand(job);
	job->err = job->vm->arch->dump(job->vm, job->fd, &job->cancel, &job->result);
	vm_resume(job->vm);
}

static void on_written(void *ctx)
{
	struct dump_job *job = ctx;

	job->done(job->ctx, job->err, &job->result);
}

int dump_job_start(struct dump_job *job, struct vm *vm, int fd,
		   void (*done)(void *ctx, int err, const struct dump_result *r), void *ctx)
{
	if (job->job.running)
		return -EBUSY;
	*job = (struct dump_job){ .vm = vm, .fd = fd, .done = done, .ctx = ctx };
	return job_start(&job->job, &vm->loop, write_core, on_written, job);
}

void dump_job_stop(struct dump_job *job)
{
	atomic_store(&job->cancel, true);
	job_finish(&job->job);
}
