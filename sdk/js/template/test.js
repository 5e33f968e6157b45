import assert from 'node:assert';
import { test } from 'node:test';

import { words } from './jobs/NAME.LANG';

test('words are counted', () => {
  assert.deepEqual(words(['to be or not to be'], 2), [
    { word: 'to', count: 2 },
    { word: 'be', count: 2 },
  ]);
});
