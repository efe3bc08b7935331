"""Where a shard's time goes: sums collapsed stacks (`comm;outer;...;inner count`) by what the innermost known frame is for.

  python3 -m benches.compare.profile COLLAPSED... [--report FANLOAD.json]

With fanload's report of the same run, shares become nanoseconds a delivery.
"""

import argparse
import json
import re
from collections import Counter
from pathlib import Path

# The first kind with a match, from the innermost frame outwards, has the sample.
KINDS = (
    ("waking the client", r"try_to_wake_up|ttwu_|sock_def_readable|__wake_up|io_poll_wake|__io_req_task_work_add|io_req_.*work_add|native_smp_send|send_call_function|x2apic_send|sched_ttwu"),
    ("receiver's TCP and IP", r"tcp_v4_rcv|tcp_v4_do_rcv|tcp_rcv_|ip_rcv|ip_local_deliver|ip_sabotage|__netif_receive|process_backlog|net_rx_action|__napi_poll|tcp_queue_rcv|tcp_data_queue|tcp_ack"),
    ("sender's TCP and IP", r"tcp_sendmsg|tcp_write_xmit|__tcp_transmit_skb|ip_queue_xmit|__ip_queue|ip_output|ip_finish_output|__dev_queue_xmit|dev_hard_start|loopback_xmit|netif_rx|tcp_push|tcp_stream_alloc|sk_stream|__alloc_skb|sock_sendmsg|inet_sendmsg|__sys_send|bbr_|tcp_pace"),
    ("connections: open, accept, close", r"inet_csk_accept|do_accept|io_accept|tcp_v4_conn_request|tcp_check_req|inet_csk|tcp_close|inet_release|sock_alloc|alloc_file|tcp_v4_syn_recv|__sock_release|sock_close"),
    ("reading", r"tcp_recvmsg|inet_recvmsg|sock_recvmsg|io_recv|io_buffer"),
    ("io_uring", r"^_*io_|io_uring|__x64_sys_io|fget|fput|io_issue"),
    ("scheduling and idle", r"schedule|finish_task_switch|pick_next|dequeue_|enqueue_|update_curr|tick_|hrtimer"),
    ("system call entry and exit", r"entry_SYSCALL|syscall_|do_syscall|exit_to_user|srso_|retbleed"),
)
KERNEL = re.compile(r"_\[k\]$")


def kind_of(frames):
    """What a sample was for."""
    inner = frames[-1]
    if not KERNEL.search(inner):
        return "Fanring's own code" if inner != "[unknown]" else "user space, unknown"
    for frame in reversed(frames):
        name = KERNEL.sub("", frame)
        for kind, pattern in KINDS:
            if re.search(pattern, name):
                return kind
    return "kernel, other"


def sums(lines, thread):
    """Samples of the threads whose names begin with `thread`, by kind, and of the functions of the user's side."""
    kinds, own = Counter(), Counter()
    for line in lines:
        stack, count = line.rsplit(" ", 1)
        comm, *frames = stack.split(";")
        if not comm.startswith(thread) or not frames:
            continue
        kind = kind_of(frames)
        kinds[kind] += int(count)
        if kind == "Fanring's own code":
            own[frames[-1]] += int(count)
    return kinds, own


def table(kinds, ns):
    """A Markdown table of shares, and of ns a delivery where they are known."""
    total = sum(kinds.values())
    lines = ["| where | share |" + (" ns a delivery |" if ns else ""), "|---|---:|" + ("---:|" if ns else "")]
    user = sum(count for kind, count in kinds.items() if not is_kernel(kind))
    rows = [("**user space**", user), ("**kernel**", total - user), *kinds.most_common()]
    for kind, count in rows:
        lines.append(f"| {kind} | {count / total:.1%} |" + (f" {ns * count / total:,.0f} |" if ns else ""))
    return "\n".join(lines)


def is_kernel(kind):
    return kind not in ("Fanring's own code", "user space, unknown")


def main():
    parser = argparse.ArgumentParser(description="Where a shard's time goes, from collapsed stacks.")
    parser.add_argument("collapsed", type=Path, help="output of inferno-collapse-perf --kernel")
    parser.add_argument("--report", type=Path, help="fanload's --json of the same run")
    parser.add_argument("--thread", default="shard-", help="how the threads' names begin (default shard-)")
    options = parser.parse_args()
    ns = None
    if options.report:
        ns = json.loads(options.report.read_text())["server"]["cpu_ns_per_delivery"]
    kinds, own = sums(options.collapsed.read_text().splitlines(), options.thread)
    if not kinds:
        raise SystemExit(f"profile: {options.collapsed} has no samples of a thread called {options.thread}*")
    print(table(kinds, ns))
    print("\nMost of Fanring's own: " + ", ".join(f"`{name}` {count / sum(kinds.values()):.1%}" for name, count in own.most_common(6)) + ".")


if __name__ == "__main__":
    main()
