#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Checks the budgets of tests/bench/budgets in the counting nest: one line a budget, `ok NAME value
# (budget)`. KVM=FILE measures another program than build/kvm. The exit code is 1 when a budget is
# exceeded, 0 otherwise.

set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
if ! command -v python3 >/dev/null; then
	echo "skip budgets: no python3"
	exit 0
fi
if ! command -v qemu-system-x86_64 >/dev/null; then
	echo "skip budgets: no qemu-system-x86_64 for the counting nest"
	exit 0
fi
if ! tests/bench/run.sh --quick; then
	echo "not ok budgets: the counting nest did not give figures"
	exit 1
fi
exec python3 tests/bench/report.py --budgets build/bench/outquick
