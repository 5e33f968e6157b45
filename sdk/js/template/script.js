import { progress } from 'jobcontrol';

/**
 * Counts the words of some texts.
 * @param {string[]} texts
 * @param {number} [least] how often a word has to occur
 * @returns {{ word: string, count: u32 }[]}
 */
export function words(texts, least = 1) {
  const counts = {};
  for (const text of progress(texts, 'texts')) {
    for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) counts[word] = (counts[word] ?? 0) + 1;
  }
  console.log('counted', Object.keys(counts).length, 'words');
  const found = Object.entries(counts).filter(([, count]) => count >= least);
  return found.map(([word, count]) => ({ word, count })).sort((a, b) => b.count - a.count);
}
