"""Samples go to the innermost frame that is known."""

import unittest

from ..profile import sums, table


class Kinds(unittest.TestCase):
    def test_each_sample_has_one_kind(self):
        lines = [
            "shard-0;fanring::flush;entry_SYSCALL_64_[k];io_submit_sqes_[k];tcp_sendmsg_[k];__kmalloc_[k] 3",
            "shard-0;entry_SYSCALL_64_[k];io_submit_sqes_[k];tcp_sendmsg_[k];net_rx_action_[k];tcp_v4_rcv_[k] 5",
            "shard-0;entry_SYSCALL_64_[k];tcp_sendmsg_[k];tcp_v4_rcv_[k];sock_def_readable_[k];_raw_spin_unlock_irqrestore_[k] 2",
            "shard-0;fanring::flush;fanring::session::plan 4",
            "shard-0;asm_exc_page_fault_[k] 1",
            "web;fanring::web 100",
        ]
        kinds, own = sums(lines, "shard-")
        self.assertEqual(dict(kinds), {
            "sender's TCP and IP": 3, "receiver's TCP and IP": 5, "waking the client": 2, "Fanring's own code": 4, "kernel, other": 1,
        })
        self.assertEqual(dict(own), {"fanring::session::plan": 4})

    def test_shares_become_nanoseconds(self):
        kinds, _ = sums(["shard-0;f 1", "shard-0;tcp_sendmsg_[k] 3"], "shard-")
        text = table(kinds, 1000.0)
        self.assertIn("| **user space** | 25.0% | 250 |", text)
        self.assertIn("| **kernel** | 75.0% | 750 |", text)


if __name__ == "__main__":
    unittest.main()
