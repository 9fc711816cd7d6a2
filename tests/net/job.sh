#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# tests/net/job.sh IN CASE...
#
# Runs the cases of tests/net.sh in the nested machine (or wherever root may make interfaces).
# Leaves $NEST_OUT/CASE.log.
set -u
in=$1; shift
out=$NEST_OUT
kvm=${KVM_BIN:-build/kvm}
www=$(mktemp -d)
head -c $((4 << 20)) /dev/urandom >"$www/data"
md5sum <"$www/data" >"$www/sum"
ip link set lo up
chmod 666 /dev/kvm /dev/net/tun; chmod 600 /dev/vhost-net; chmod 755 "$www"
busybox httpd -f -p 8080 -h "$www" &
httpd=$!
iperf3 -s >/dev/null 2>&1 &
iperf3=$!
cat >/tmp/up <<'END'
#!/bin/sh
ip addr add 192.0.2.1/24 dev "$1"
END
sed '$aip link set "$1" mtu 4000' /tmp/up >/tmp/up-mtu
chmod +x /tmp/up /tmp/up-mtu

# rooted COMMAND...: in the nested machine / is a chroot's, and from there no user namespace can be
# made, which passt wants to. Makes the folder a root of its own, as switch_root does.
rooted() {
	chroot /proc/1/root /bin/busybox unshare -m /bin/busybox sh -c '
		cd /host && /bin/busybox mount --move . / &&
			exec /bin/busybox chroot . /bin/sh -c "cd \"\$0\" && exec \"\$@\"" "$@"
	' sh "$PWD" "$@"
}

# fetch BASE: gets what the guest serves (busybox's wget, linked statically, may die when it looks
# up names)
fetch() {
	local i
	for ((i = 0; i < 100; i++)); do
		curl -sf -m 20 -o /tmp/sum "$1/sum" && break
		sleep 0.5
	done
	worker # while it certainly runs
	[ -s /tmp/sum ] && [ "$(curl -sf -m 60 "$1/data" | md5sum)" = "$(cat /tmp/sum)" ] &&
		echo "host: ok upload" || echo "host: bad upload"
	: >"$www/done"
}

# worker: checks whether the kernel has a thread for vhost, as the case expects; since Linux 6.4 it
# is a thread of the launcher
worker() {
	local there=no
	cat /proc/[0-9]*/task/*/comm 2>/dev/null | grep -q '^vhost-' && there=yes
	[ $there = "$vhost" ] && echo "host: ok vhost worker: $there" ||
		echo "host: bad vhost worker: $there"
}

# machine NAME BASE NET-PARAMETER COMMAND...
machine() {
	local name=$1 base=$2 how=$3 pid rc
	shift 3
	rm -f "$www/done" /tmp/sum
	"$@" run -k "$in/vmlinuz" -i "$in/net.initrd" -m 256M --timeout 300 -p "net=$how" \
		"${net[@]}" </dev/null >"$out/$name.log" 2>&1 &
	pid=$!
	fetch "$base" >"$out/$name.host" 2>&1
	wait $pid
	rc=$?
	[ $rc = 0 ] || echo "host: bad exit code $rc of the launcher" >>"$out/$name.host"
	cat "$out/$name.host" >>"$out/$name.log"
}

for case in "$@"; do
	vhost=no
	case $case in
	tap) net=(-n tap,script=/tmp/up,vhost=off)
		machine tap http://192.0.2.2 "static speed rebind" "$kvm" ;;
	vhost) vhost=yes # by default
		net=(-n tap,script=/tmp/up)
		machine vhost http://192.0.2.2 "static speed rebind" "$kvm" ;;
	vhost_queues) vhost=yes
		net=(-c 2 -n tap,script=/tmp/up-mtu,queues=2,ifname=vm7,vhost=on)
		machine vhost_queues http://192.0.2.2 "static rebind mtu=4000" "$kvm" ;;
	tap_user) # made by root, used by another user, who may not open /dev/vhost-net; two queues
		ip tuntap add vm8 mode tap user nobody vnet_hdr multi_queue &&
			ip addr add 192.0.2.1/24 dev vm8 && ip link set vm8 up
		net=(-c 2 -n tap,ifname=vm8,queues=2)
		machine tap_user http://192.0.2.2 static setpriv --reuid=nobody \
			--clear-groups "$kvm"
		ip link del vm8 ;;
	passt) # needs an interface with a default route to copy
		ip link add up0 type dummy && ip addr add 198.51.100.2/24 dev up0 &&
			ip link set up0 up &&
			ip route add default via 198.51.100.1
		net=(-n passt,hostfwd=2280:80)
		machine passt http://127.0.0.1:2280 "dhcp speed" rooted setpriv --reuid=nobody \
			--regid=nogroup --clear-groups "$kvm"
		for ((i = 0; i < 50; i++)); do
			pgrep -x 'passt|passt.avx2' >/dev/null || break
			sleep 0.1
		done
		[ $i -lt 50 ] || echo "host: bad passt is still there" >>"$out/passt.log" ;;
	esac
done
kill $httpd $iperf3
exit 0
