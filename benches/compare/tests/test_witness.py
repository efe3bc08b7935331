"""The capture is read as it was written, and quantiles are those of the times."""

import struct
import unittest

from .. import witness


def digits(value, count):
    """Six bits a character, as a payload has them."""
    return bytes(witness.DIGITS[value >> 6 * place & 63] for place in reversed(range(count)))


def payload(publisher, sequence, planned):
    """What fanload would send, from the magic to the check."""
    return b"FNLD" + digits(7, 4) + digits(publisher, 4) + digits(sequence, 8) + digits(planned, 10) + digits(64, 4) + b"AA" + b"x" * 28


def packet(at_ns, data):
    """A packet of a capture."""
    return struct.pack("<IIII", *divmod(at_ns, 1_000_000_000), len(data), len(data)) + data


class Capture(unittest.TestCase):
    HEAD = struct.pack("<IHHiIII", witness.NANOSECONDS_MAGIC, 2, 4, 0, 0, 0, 1)

    def test_every_payload_of_a_packet_is_found(self):
        one, other = payload(3, 70, 5_000_000_001), payload(0, 1 << 30, 5_000_000_002)
        capture = self.HEAD + packet(9_000_000_000, b"\x45head" + one + b"\x81\x40" + other) + packet(9_500_000_000, b"no")
        self.assertEqual(
            list(witness.payloads(capture, 1_000)),
            [(3, 70, 5_000_000_001, 8_999_999_000), (0, 1 << 30, 5_000_000_002, 8_999_999_000)],
        )

    def test_a_message_is_complete_with_its_last_delivery(self):
        seen = [(0, 0, 100, 150), (0, 0, 100, 190), (1, 0, 200, 230)]
        self.assertEqual(witness.latencies(seen, 2), {"delivery": [30, 50, 90], "completion": [30, 90]})
        with self.assertRaises(SystemExit):
            witness.latencies(seen, 3)

    def test_quantiles(self):
        times = list(range(1, 101))
        self.assertEqual((witness.at(times, 0.5), witness.at(times, 0.99), witness.at([5], 0.99)), (50, 99, 5))


if __name__ == "__main__":
    unittest.main()
