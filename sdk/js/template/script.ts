import { progress } from "jobcontrol";

interface Word {
  word: string;
  count: u32;
}

/** Counts the words of some texts; `least` is how often a word has to occur. */
export function words(texts: string[], least = 1): Word[] {
  const counts: Record<string, number> = {};
  for (const text of progress(texts, "texts")) {
    for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) counts[word] = (counts[word] ?? 0) + 1;
  }
  console.log("counted", Object.keys(counts).length, "words");
  const found = Object.entries(counts).filter(([, count]) => count >= least);
  return found.map(([word, count]) => ({ word, count })).sort((a, b) => b.count - a.count);
}
