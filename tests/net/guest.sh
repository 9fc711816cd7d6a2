#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest of tests/net.sh: configures eth0 by DHCP, or as net= on the kernel's command line
# says, and moves data both ways. With speed there it measures that, too; with rebind it pings again
# after the driver has released the device, another driver has broken it, and the first has taken it
# back. Prints `ok WHAT` and `bad WHAT`.
how=$(sed -n 's/.*net=\([^ ]*\).*/\1/p' /proc/cmdline)
mib=4

tell() { if [ "$1" = 0 ]; then echo "guest: ok $2"; else echo "guest: bad $2"; fi; }

# speed WHAT OPTION...: iperf3's own sum at the receiver
speed() {
	local what=$1 try
	shift
	for try in 1 2 3 4 5; do
		iperf3 -c "$host" -t 2 -f m "$@" >/tmp/iperf3 2>&1 && break
		sleep 1
	done
	grep -q receiver /tmp/iperf3 || cat /tmp/iperf3
	grep -q receiver /tmp/iperf3
	tell $? "$what, $(awk '
		$NF == "receiver" { for (i = 1; i < NF; i++) if ($i ~ /bits/) r = $(i - 1) " " $i }
		END { print r }' /tmp/iperf3)"
}

# The first packet is lost while the kernel has not yet seen the carrier, and the next ones wait for
# ARP's second try.
pings() {
	local try
	for try in 1 2 3 4 5 6 7 8 9 10; do
		ping -c 1 -W 1 "$host" >/tmp/ping 2>&1 && break
	done
	ping -c 8 -i 0.1 "$host" >/tmp/ping 2>&1
	tell $? "ping, $(sed -n 's|.*min/avg/max = [^/]*/\([^/]*\)/.*|\1 ms|p' /tmp/ping)"
}

# hostile: takes the device from its driver and offers it a buffer beyond memory. The rings are in
# the hole below 1 MiB, which is memory for the host but not for this kernel, so that /dev/mem gives
# access to it.
hostile() {
	local device base queue at status try
	device=$(basename "$(dirname "$(readlink -f /sys/class/net/eth0/device)")")
	base=0x$(sed -n "s/^ *\([0-9a-f]*\)-.* : $device.*/\1/p" /proc/iomem | head -n 1)
	reg() { devmem $((base + $1)) 32 $2; }
	echo "$device" >/sys/bus/platform/drivers/virtio-mmio/unbind
	for status in 0 1 3; do reg 0x70 $status; done
	reg 0x24 1; reg 0x20 1; reg 0x70 11		# VERSION_1, FEATURES_OK
	for queue in 0 1; do
		at=$((0xc8000 + queue * 0x3000))
		reg 0x30 $queue; reg 0x38 8
		reg 0x80 $at; reg 0x90 $((at + 0x1000)); reg 0xa0 $((at + 0x2000))
		reg 0x44 1
	done
	devmem $at 32 0x1000; devmem $((at + 4)) 32 0xff; devmem $((at + 8)) 32 60
	devmem $((at + 0x1000)) 32 0x10000		# idx 1
	reg 0x70 15; reg 0x50 1
	for try in 1 2 3 4 5 6 7 8 9 10; do
		[ $(($(reg 0x70) & 0x40)) = 0 ] || break	# DEVICE_NEEDS_RESET
		sleep 0.5
	done
	[ $(($(reg 0x70))) = $((0x4f)) ]
	tell $? "hostile driver is stopped"
	reg 0x70 0
	echo "$device" >/sys/bus/platform/drivers/virtio-mmio/bind
}

ifconfig lo up
echo "guest: mac $(cat /sys/class/net/eth0/address)"
if [ "$how" = dhcp ]; then
	cat >/tmp/dhcp <<-'END'
	#!/bin/sh
	[ "$1" = bound ] || exit 0
	ifconfig $interface $ip netmask ${subnet:-255.255.255.0} ${mtu:+mtu $mtu} up
	for r in $router; do route add default gw $r; echo $r >/tmp/host; done
	END
	chmod +x /tmp/dhcp
	ifconfig eth0 up
	udhcpc -q -n -f -O mtu -i eth0 -s /tmp/dhcp >/tmp/udhcpc 2>&1
	rc=$?
	[ $rc = 0 ] || cat /tmp/udhcpc
	tell $rc dhcp
	host=$(cat /tmp/host)
else
	ifconfig eth0 192.0.2.2 netmask 255.255.255.0 up
	host=192.0.2.1
	pings
	ping -c 2 -i 0.2 -s 20000 $host >/tmp/ping 2>&1
	tell $? "large ping"
fi
mtu=$(sed -n 's/.*mtu=\([0-9]*\).*/\1/p' /proc/cmdline)
[ "$(cat /sys/class/net/eth0/mtu)" = "${mtu:-1500}" ] || [ "$how" = dhcp ]
tell $? "mtu ${mtu:-1500}"
[ "$(cat /sys/class/net/eth0/carrier)" = 1 ]
tell $? carrier

sum=$(wget -q -O - http://$host:8080/sum)
[ -n "$sum" ] && [ "$(wget -q -O - http://$host:8080/data | md5sum)" = "$sum" ]
tell $? "download of a file"

if grep -q speed /proc/cmdline; then
	speed "iperf3 to the host"
	speed "iperf3 from the host" -R
fi

if grep -q rebind /proc/cmdline; then
	hostile
	ifconfig eth0 192.0.2.2 netmask 255.255.255.0 up
	pings | sed 's/ping/rebound &/'
fi

mkdir -p /tmp/www
head -c $((mib << 20)) /dev/urandom >/tmp/www/data
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 80 -h /tmp/www
echo "guest: serving"
# The host fetches both, and then the file that says it is done exists over there.
for i in $(seq 60); do
	wget -q -O /dev/null http://$host:8080/done && break
	sleep 0.5
done
grep -i virtio /proc/interrupts
ifconfig eth0 | grep -E 'packets|errors'
