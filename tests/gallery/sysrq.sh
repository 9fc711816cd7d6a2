# SPDX-License-Identifier: GPL-2.0-only
mount -t proc proc /proc
echo c >/proc/sysrq-trigger # the kernel crashes in this process
