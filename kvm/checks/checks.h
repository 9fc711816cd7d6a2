/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks what the user asked of the main console (expectations, forbidden lines, kernel reports,
 * tests, silence) and writes reports of the result. One object serves all lives of a machine; each
 * life is attached and detached.
 */
#ifndef KVM_CHECKS_CHECKS_H
#define KVM_CHECKS_CHECKS_H

#include "kvm/config.h"
#include "kvm/types.h"
#include "kvm/verdict.h"

struct checks;
struct vm;

/*
 * Creates the checks that @config asks for and checks that the reports can be written. *@out is
 * NULL if nothing was asked for. @config and @argv must outlive it. Returns 0, or -errno
 * (reported).
 */
int checks_create(struct checks **out, const struct config *config, int argc, char *const *argv);
/* NULL is allowed, here and below. */
void checks_destroy(struct checks *c);

/*
 * attach() is called before the loop of a life runs, detach() when it no longer runs. After
 * attach() everything that the life's main console shows is checked, until the life ends. attach()
 * returns 0, or -errno. Thread: main.
 */
int checks_attach(struct checks *c, struct vm *vm);
void checks_detach(struct checks *c);

/*
 * Changes the verdict @v of a machine that has ended to what the checks make of it. All output must
 * be there. Thread: main.
 */
void checks_judge(struct checks *c, struct verdict *v);

/*
 * Writes the reports, and unless @early the annotations. @early means that output may still come:
 * these reports are for the case that we are killed while we wait for a reader to take it. Returns
 * 0, or -errno (reported). Thread: main.
 */
int checks_report(struct checks *c, const struct verdict *v, bool early);

#endif
