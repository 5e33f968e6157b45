// What every form of job can do, in JavaScript: the same functions as in the other folders of `tests/plugins`.
import { env, log, progress, readBytes, skip, writeBytes } from 'jobcontrol';

/**
 * @typedef {{ radius: number }} Circle
 * @typedef {{ side: number, labels: string[] }} Square
 * @typedef {{ circle: Circle } | { square: Square }} Shape
 * @typedef {'small' | 'veryLarge'} Kind
 */

/**
 * @typedef {Object} Names
 * @property {string} first
 * @property {number} unitPrice
 */

/**
 * A value of each type that all forms have.
 * @typedef {Object} Every
 * @property {boolean} yes
 * @property {u8} tiny
 * @property {s8} tinySigned
 * @property {u16} short
 * @property {s16} shortSigned
 * @property {u32} word
 * @property {s32} wordSigned
 * @property {u64} long
 * @property {s64} longSigned
 * @property {f32} single
 * @property {number} double
 * @property {char} letter
 * @property {string} text
 * @property {Uint8Array} bytes
 * @property {Names[]} items
 * @property {u32[][]} lists
 * @property {[string, u32]} pair
 * @property {string | null} maybe
 * @property {Kind} kind
 * @property {Shape} shape
 */

/**
 * Gives back what it gets.
 *
 * Every type there and back.
 * @param {Every} every
 * @returns {Every}
 */
export function thereAndBack(every) {
  if (!('square' in every.shape) || every.kind !== 'veryLarge') throw new TypeError('these are other cases');
  if (typeof every.long !== 'bigint' || !(every.bytes instanceof Uint8Array)) throw new TypeError('these are other types');
  return every;
}

/**
 * Leaves out what can be left out.
 * @param {string} name
 * @param {string} [greeting]
 * @returns {string}
 */
export function greeting(name, greeting = 'Hello') {
  return `${greeting}, ${name}!`;
}

/**
 * @param {string} name
 * @returns {void}
 */
export function told(name) {
  console.debug(`looking for ${name}`);
  log('info', `greeting ${name}`, { name, times: 2 });
  console.warn('no hat was taken off');
  console.error('the hand was not shaken');
}

/**
 * @param {u32} outer
 * @param {u32} inner
 * @returns {u64}
 */
export function steps(outer, inner) {
  let sum = 0n;
  for (const _ of progress(Array(outer).keys(), 'outer')) {
    for (const step of progress([...Array(inner).keys()], 'outer', 'inner')) sum += BigInt(step);
  }
  return sum;
}

/**
 * @param {string} reason
 * @returns {string}
 */
export function skipped(reason) {
  skip(reason);
}

/**
 * Fails, for a reason that has a reason.
 * @param {string} what
 * @returns {u32}
 */
export function broken(what) {
  throw new Error(what, { cause: new Error('the disk is full') });
}

/** @typedef {'closed' | { tooMany: u32 }} Refusal */

/**
 * Refuses, and says why as a value.
 * @param {u32} count
 * @returns {{ ok: u32 } | { err: Refusal }}
 */
export function refused(count) {
  if (count === 0) return { err: 'closed' };
  return count < 10 ? { ok: count } : { err: { tooMany: count } };
}

/**
 * What a server answers.
 * @param {string} url
 * @returns {Promise<string>}
 */
export async function fetched(url) {
  const answer = await fetch(url, { headers: { accept: 'text/plain' } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${await answer.text()}`);
  return answer.text();
}

/**
 * @param {string} from
 * @param {string} to
 * @returns {u64}
 */
export function copied(from, to) {
  const bytes = readBytes(from);
  writeBytes(to, bytes);
  return BigInt(bytes.length);
}

/**
 * @param {string} name
 * @returns {string | null}
 */
export function variable(name) {
  return env(name) ?? null;
}

/**
 * Seconds since 1970.
 * @returns {number}
 */
export function moment() {
  return Date.now() / 1000;
}

/** @returns {u64} */
export function chance() {
  return BigInt(Math.floor(Math.random() * 2 ** 53));
}

/**
 * As many records as one wants.
 * @param {u32} count
 * @returns {Names[]}
 */
export function names(count) {
  return [...Array(count).keys()].map((at) => ({ first: `n${at}`, unitPrice: at }));
}

/**
 * @param {Names[]} names
 * @returns {number}
 */
export function price(names) {
  return names.reduce((sum, { unitPrice }) => sum + unitPrice, 0);
}
