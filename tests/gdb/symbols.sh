#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest: prints where the kernel's functions are. With nokaslr they are there at each boot.
grep -E ' (start_kernel|rest_init|kernel_init|linux_banner)$' /proc/kallsyms | sed 's/^/symbol /'
