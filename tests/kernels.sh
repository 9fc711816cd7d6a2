#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tests/kernels.sh NAME...
#
# Prints, for each NAME, the folder that holds one of the distribution's own, unmodified kernels;
# downloads it the first time.
#
#   cloud          the small kernel for virtual machines
#   full           the general one (also the kernel of the nested machine)
#   backport       the cloud kernel of the release's backports
#   backport-full  the general one of the release's backports
#   i386           the 32-bit one (PAE), and in root/bin a static busybox for it; where the release
#                  has none, Debian 12's
#
# The folder has vmlinuz, config, System.map (where there is one), version (the release, as uname -r
# prints it), modules/ (the folder lib/modules/VERSION, with its modules.dep), root/ (the packages'
# whole tree) and packages (names and versions). It is in
# ${XDG_CACHE_HOME:-~/.cache}/kvm-tests/kernels and stays unchanged when the distribution updates
# its kernel: once it is there, no network is needed. All of it may be deleted at any time.
#
# No root is needed. Only apt's own configuration defines where packages come from; for a suite that
# this machine does not use (backports, another architecture), the script uses the same server, in a
# private apt state.

set -euo pipefail

die() { echo "kernels.sh: $*" >&2; exit 1; }

case ${1:-} in
-h|--help|'') sed -n '4,/^$/s/^# \{0,1\}//p' "$0"; [ $# -gt 0 ]; exit ;;
esac

HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kvm-tests
mkdir -p "$cache/kernels"

id=debian codename=
if [ -r /etc/os-release ]; then
	id=$(. /etc/os-release; echo "${ID:-debian}")
	codename=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
	release=$(. /etc/os-release; echo "${VERSION_ID:-}")
fi
arch=$(dpkg --print-architecture)
exec 3>&2

# private_apt ARCH [SUITE]: writes a private apt configuration for ARCH below the cache and sets
# `conf` to its path. With SUITE its only source is that suite on the server that this machine's own
# CODENAME comes from.
private_apt() {
	local dir=$cache/apt/$1${2:+-$2} list uri entry key
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/parts"
	conf=$dir/apt.conf
	: >"$dir/status"
	{
		echo "Dir::State::Lists \"$dir/lists\";"
		echo "Dir::State::Status \"$dir/status\";"
		echo "Dir::Cache \"$dir/cache\";"
		echo "APT::Sandbox::User \"root\";"
		echo "APT::Architecture \"$1\";"
		echo "#clear APT::Architectures;"
		echo "APT::Architectures { \"$1\"; };"
		echo "Acquire::Languages \"none\";"
		echo "Acquire::Retries \"3\";"
		# Hooks of this machine must not run for a private state.
		echo "#clear APT::Update;"
		if [ -n "${2:-}" ]; then
			echo "Dir::Etc::SourceList \"$dir/sources.list\";"
			echo "Dir::Etc::SourceParts \"$dir/parts\";"
		fi
	} >"$conf"
	[ -n "${2:-}" ] || return 0

	list=$(apt-get indextargets --format \
		'$(REPO_URI) $(RELEASE) $(COMPONENT) $(SOURCESENTRY)' \
		'Created-By: Packages' | sort -u)
	read -r uri _ _ entry < <(awk -v c="$codename" \
		'$2 == c && $3 == "main" { print; exit }' <<<"$list") ||
		die "apt's sources name no suite $codename main"
	# The key by which this machine trusts that server.
	key=$(sed -n 's/.*[Ss]igned-[Bb]y[:=] *\(\/[^] ]*\).*/\1/p' \
		"${entry%:*}" | head -n 1)
	[ -n "$key" ] || key=$(ls /usr/share/keyrings/"$id"-archive-keyring.gpg \
		2>/dev/null || :)
	echo "deb [arch=$1${key:+ signed-by=$key}] $uri $2 main" \
		>"$dir/sources.list"
}

# apt-get and apt-cache in the state that private_apt made, or the machine's.
conf=
aptget()   { ${conf:+env APT_CONFIG="$conf"} apt-get -qq "$@"; }
aptcache() { ${conf:+env APT_CONFIG="$conf"} apt-cache "$@"; }

depends() { # PACKAGE: the kernel packages that it pulls in, one a line
	aptcache show --no-all-versions "$1" 2>/dev/null |
		sed -n 's/^\(Pre-\)\{0,1\}Depends: //p' | tr ',|' '\n\n' |
		sed -n 's/^ *\(linux-\(image\|modules\|binary\|base\)[a-z-]*-[0-9][^ ]*\).*/\1/p'
}

# resolve META: the packages that make up META's kernel now, in `packages`.
resolve() {
	local p todo
	packages=
	todo=$(depends "$1") && [ -n "$todo" ] || return 1
	while [ -n "$todo" ]; do
		p=${todo%%$'\n'*}
		todo=$(sed 1d <<<"$todo")
		case " $packages " in *" $p "*) continue ;; esac
		aptcache show --no-all-versions "$p" >/dev/null 2>&1 || continue
		packages+=" $p"
		todo=$(printf '%s\n%s' "$todo" "$(depends "$p")" | sed '/^$/d')
	done
	[ -n "$packages" ]
}

# One attempt in the current apt state; $1 is the meta-package.
get() {
	rm -rf "$tmp/deb"; mkdir "$tmp/deb"
	resolve "$1" &&
	echo "kernels.sh: downloading$packages $extra" >&3 &&
	(cd "$tmp/deb" && aptget download $packages $extra >"$tmp/log" 2>&1)
}

fetch() {
	local meta=$1 archs=$2 suite=${3:-} root=$tmp/root v deb f at
	conf=
	if [ -n "$suite" ] || [ "$archs" != "$arch" ] || ! get "$meta"; then
		private_apt "$archs" "$suite"
		# A suite that fails may not be the one that is needed.
		aptget update >"$tmp/update" 2>&1 || :
		get "$meta" || {
			cat "$tmp/update" "$tmp/log" >&2 2>/dev/null || :
			die "cannot get $meta${suite:+ from $suite}"
		}
	fi
	for deb in "$tmp"/deb/*.deb; do
		dpkg -x "$deb" "$root"
		dpkg-deb -W "$deb"
	done >"$tmp/packages"
	[ -d "$root/lib/modules" ] || ln -s usr/lib "$root/lib"
	v=$(ls "$root/lib/modules"); v=${v%%$'\n'*}
	PATH=$PATH:/usr/sbin:/sbin depmod -b "$root" "$v"
	echo "$v" >"$tmp/version"
	ln -s "root/lib/modules/$v" "$tmp/modules"
	# Newer packages have these beside the modules instead of in /boot.
	for f in vmlinuz config System.map; do
		for at in "boot/$f-$v" "lib/modules/$v/$f"; do
			[ -e "$root/$at" ] || continue
			chmod u+r "$root/$at"
			ln -s "root/$at" "$tmp/$f"
			break
		done
	done
	[ -r "$tmp/vmlinuz" ] && [ -r "$tmp/config" ] && [ -d "$tmp/modules" ] ||
		die "$meta: the packages hold no kernel, configuration or modules"
	rm -rf "$tmp/deb" "$tmp/log" "$tmp/update"
}

for name; do
	suite= archs=$arch extra= last=version
	case $id:$name in
	ubuntu:cloud)         meta=linux-image-virtual ;;
	ubuntu:full)          meta=linux-image-generic ;;
	ubuntu:backport)      meta=linux-image-virtual-hwe-$release ;;
	ubuntu:backport-full) meta=linux-image-generic-hwe-$release ;;
	ubuntu:*)             die "$name: not to be had on Ubuntu" ;;
	*:cloud)              meta=linux-image-cloud-amd64 ;;
	*:full)               meta=linux-image-amd64 ;;
	*:backport)           meta=linux-image-cloud-amd64 suite=$codename-backports ;;
	*:backport-full)      meta=linux-image-amd64 suite=$codename-backports ;;
	*:i386)               meta=linux-image-686-pae archs=i386 extra=busybox-static \
		last=root/bin/busybox
	                      # The last release with 32-bit kernels; its server has its suites
	                      # until 2028.
	                      case $codename in bullseye|bookworm) ;; *) suite=bookworm ;; esac ;;
	*) die "$name: no such kernel (cloud, full, backport, backport-full, i386)" ;;
	esac
	dir=$cache/kernels/$name
	if [ ! -e "$dir/$last" ]; then
		command -v depmod >/dev/null || [ -x /sbin/depmod ] ||
			die "kmod is not installed (tests/deps.sh demo)"
		(	flock 9
			[ -e "$dir/$last" ] && exit 0
			tmp=$(mktemp -d "$cache/kernels/.$name.XXXXXX")
			trap 'rm -rf "$tmp"' EXIT
			trap 'exit 1' HUP INT TERM
			fetch "$meta" "$archs" "$suite" >&2
			chmod 755 "$tmp"
			rm -rf "$dir"
			mv -T "$tmp" "$dir"
		) 9>"$cache/kernels/.lock-$name"
	fi
	echo "$dir"
done
