import sys
import unittest

sys.path[:0] = ["jobs", "vendor"]

import MODULE


class Words(unittest.TestCase):
    def test_words_are_counted(self):
        self.assertEqual(MODULE.words(["to be or not to be"], 2), [MODULE.Word("to", 2), MODULE.Word("be", 2)])


if __name__ == "__main__":
    unittest.main()
