// What every form of job can do, in TypeScript: the same functions as in the other folders of `tests/plugins`.
import { env, log, progress, readBytes, type Result, skip, writeBytes } from "jobcontrol";

type Kind = "small" | "veryLarge";

interface Circle {
  radius: number;
}

interface Square {
  side: number;
  labels: string[];
}

type Shape = { circle: Circle } | { square: Square };

interface Names {
  first: string;
  unitPrice: number;
}

/** A value of each type that all forms have. */
interface Every {
  yes: boolean;
  tiny: u8;
  tinySigned: s8;
  short: u16;
  shortSigned: s16;
  word: u32;
  wordSigned: s32;
  long: u64;
  longSigned: s64;
  single: f32;
  double: number;
  letter: char;
  text: string;
  bytes: Uint8Array;
  items: Names[];
  lists: u32[][];
  pair: [string, u32];
  maybe: string | null;
  kind: Kind;
  shape: Shape;
}

/**
 * Gives back what it gets.
 *
 * Every type there and back.
 */
export function thereAndBack(every: Every): Every {
  if (!("square" in every.shape) || every.kind !== "veryLarge") throw new TypeError("these are other cases");
  if (typeof every.long !== "bigint" || !(every.bytes instanceof Uint8Array)) throw new TypeError("these are other types");
  return every;
}

/** Leaves out what can be left out. */
export function greeting(name: string, greeting = "Hello"): string {
  return `${greeting}, ${name}!`;
}

export function told(name: string): void {
  console.debug(`looking for ${name}`);
  log("info", `greeting ${name}`, { name, times: 2 });
  console.warn("no hat was taken off");
  console.error("the hand was not shaken");
}

export function steps(outer: u32, inner: u32): u64 {
  let sum = 0n;
  for (const _ of progress(Array(outer).keys(), "outer")) {
    for (const step of progress([...Array(inner).keys()], "outer", "inner")) sum += BigInt(step);
  }
  return sum;
}

export function skipped(reason: string): string {
  skip(reason);
}

/** Fails, for a reason that has a reason. */
export function broken(what: string): u32 {
  throw new Error(what, { cause: new Error("the disk is full") });
}

type Refusal = "closed" | { tooMany: u32 };

/** Refuses, and says why as a value. */
export function refused(count: u32): Result<u32, Refusal> {
  if (count === 0) return { err: "closed" };
  return count < 10 ? { ok: count } : { err: { tooMany: count } };
}

/** What a server answers. */
export async function fetched(url: string): Promise<string> {
  const answer = await fetch(url, { headers: { accept: "text/plain" } });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}: ${await answer.text()}`);
  return answer.text();
}

export function copied(from: string, to: string): u64 {
  const bytes = readBytes(from);
  writeBytes(to, bytes);
  return BigInt(bytes.length);
}

export function variable(name: string): string | null {
  return env(name) ?? null;
}

/** Seconds since 1970. */
export function moment(): number {
  return Date.now() / 1000;
}

export function chance(): u64 {
  return BigInt(Math.floor(Math.random() * 2 ** 53));
}

/** As many records as one wants. */
export function names(count: u32): Names[] {
  return [...Array(count).keys()].map((at) => ({ first: `n${at}`, unitPrice: at }));
}

export function price(names: Names[]): number {
  return names.reduce((sum, { unitPrice }) => sum + unitPrice, 0);
}
