/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the user has asked of the main console (expectations, forbidden lines, kernel reports,
 * tests, silence), and the reports made of it. One object for all lives of a machine; a life is
 * attached and detached.
 */
#ifndef KVM_CHECKS_CHECKS_H
#define KVM_CHECKS_CHECKS_H

#include "kvm/config.h"
#include "kvm/types.h"
#include "kvm/verdict.h"

struct checks;
struct vm;

/*
 * *@out is NULL when nothing was asked for. @config and @argv must stay. Returns 0 or -errno having
 * said why. Also looks whether the reports can be written.
 */
int checks_create(struct checks **out, const struct config *config, int argc, char *const *argv);
/* NULL is fine, here and below. */
void checks_destroy(struct checks *c);

/*
 * A life begins or is over: before its loop runs, and when it does not any more. From then to the
 * end of the life all that its main console shows is looked at. Main's thread.
 */
int checks_attach(struct checks *c, struct vm *vm);
void checks_detach(struct checks *c);

/*
 * All output is there, and the machine ended in @v: what it comes to with what was asked for.
 * Main's thread.
 */
void checks_judge(struct checks *c, struct verdict *v);

/*
 * Writes the reports; not @early also the annotations. Returns 0 or -errno having said why. Main's
 * thread. Early means: while output may still come, in case that we are killed while we wait for
 * somebody to take it.
 */
int checks_report(struct checks *c, const struct verdict *v, bool early);

#endif
