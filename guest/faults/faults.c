// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module for stock kernels that causes one fault: insmod faults.ko fault=oops.
 *
 * tests/checks.sh uses it to get each class of kernel report from a real kernel. (Distributions do
 * not build LKDTM.)
 *
 *	warning		WARN()
 *	oops		reads through a bad pointer
 *	bug		BUG()
 *	atomic		sleeps in atomic context
 *	softlockup	keeps its CPU, with preemption off
 *	rcu		keeps its CPU in an RCU read side, and resets the soft-lockup watchdog
 *	hung		sleeps, and nothing wakes it
 *	panic		panic()
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/nmi.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>

static char *fault = "none";
module_param(fault, charp, 0);
static int seconds = 20;
module_param(seconds, int, 0);

static noinline void commit_oops(void)
{
	volatile int *p = (volatile int *)0x10;

	pr_info("read %d\n", *p);
}

static noinline void commit_atomic(void)
{
	preempt_disable();
	schedule_timeout_uninterruptible(1);
	preempt_enable();
}

static noinline void commit_softlockup(void)
{
	preempt_disable();
	mdelay(1000 * seconds);
	preempt_enable();
}

static noinline void commit_rcu(void)
{
	int i;

	rcu_read_lock();
	start_poll_synchronize_rcu(); /* now another thread waits for this read side */
	for (i = 0; i < 10 * seconds; i++) {
		mdelay(100);
		touch_softlockup_watchdog();
	}
	rcu_read_unlock();
}

static noinline void commit_hung(void)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	schedule_timeout(seconds * HZ);
}

static int __init faults_init(void)
{
	if (!strcmp(fault, "warning"))
		WARN(1, "asked for\n");
	else if (!strcmp(fault, "oops"))
		commit_oops();
	else if (!strcmp(fault, "bug"))
		BUG();
	else if (!strcmp(fault, "atomic"))
		commit_atomic();
	else if (!strcmp(fault, "softlockup"))
		commit_softlockup();
	else if (!strcmp(fault, "rcu"))
		commit_rcu();
	else if (!strcmp(fault, "hung"))
		commit_hung();
	else if (!strcmp(fault, "panic"))
		panic("asked for");
	else
		return -EINVAL;
	return 0;
}

module_init(faults_init);
MODULE_LICENSE("GPL");
