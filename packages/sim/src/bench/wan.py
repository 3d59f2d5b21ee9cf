"""A wide-area line between two TUN interfaces, for kernels without a queueing discipline that delays and loses.

usage: wan.py NAME NAME   makes both interfaces, says "up", and carries packets between them until its input ends
input: RATE_MBIT RTT_MS LOSS_PERCENT   the line from now on; one line of text a change

Each direction has its own queue: a packet waits for the rate, then for half of the round trip. What finds the queue
full is dropped; chance is seeded, so that every run of a row meets losses of the same kind.
"""
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque

TUNSETIFF = 0x400454CA
IFF_TUN_NO_PI = 0x0001 | 0x1000
QUEUE_BYTES = 250 * 1500
PACKETS_A_TURN = 64


def open_tun(name):
    interface = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(interface, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_NO_PI))
    return interface


class Direction:
    def __init__(self, source, target, seed):
        self.source = source
        self.target = target
        self.chance = random.Random(seed)
        self.free_at = 0.0
        self.waiting = deque()

    def take(self, line):
        bytes_per_second, delay, loss = line
        for _ in range(PACKETS_A_TURN):
            try:
                packet = os.read(self.source, 65536)
            except BlockingIOError:
                return
            if self.chance.random() < loss:
                continue
            now = time.monotonic()
            start = max(now, self.free_at)
            if (start - now) * bytes_per_second > QUEUE_BYTES:
                continue
            self.free_at = start + len(packet) / bytes_per_second
            self.waiting.append((self.free_at + delay, packet))

    def give(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            try:
                os.write(self.target, self.waiting.popleft()[1])
            except OSError:
                pass  # The other interface is not up yet: a packet is lost, as packets are.


def read_line():
    words = os.read(0, 4096).decode().split("\n")
    if words == [""]:
        sys.exit(0)
    rate, rtt, loss = [float(word) for word in words[-2].split()]
    return rate * 1e6 / 8, rtt / 2000, loss / 100


def main():
    ends = [open_tun(name) for name in sys.argv[1:3]]
    directions = [Direction(ends[0], ends[1], 1), Direction(ends[1], ends[0], 2)]
    line = (1e9, 0.0, 0.0)
    print("up", flush=True)
    while True:
        due = min((one.waiting[0][0] for one in directions if one.waiting), default=time.monotonic() + 1)
        ready, _, _ = select.select([0, *ends], [], [], max(0.0, due - time.monotonic()))
        if 0 in ready:
            line = read_line()
        for one in directions:
            if one.source in ready:
                one.take(line)
            one.give(time.monotonic())


main()
