// What a script imports from "jobcontrol", and the names of WIT's numbers, for editors and for `tsc`.

export type Level = "debug" | "info" | "warning" | "error" | "critical";

/** Writes a record with fields. `console.log` and its like write records, too. */
export function log(level: Level, message: string, fields?: Record<string, unknown>): void;

/** Goes through a list and tells how far it is: `for (const page of progress(pages, "pages")) ..` */
export function progress<T>(items: Iterable<T>, ...group: string[]): Iterable<T>;

/** Tells how far something is. */
export function report(current: number, total: number, status?: string, ...group: string[]): void;

/** Ends the build as skipped: there was nothing to do. */
export function skip(reason: string): never;

/** The running build. */
export function build(): { id: number; job: string; attempt: number; idempotencyKey: string };

/** A variable of `grants: { env: [NAME] }`. */
export function env(name: string): string | undefined;

/** Files of `grants: { files: [..] }`, by their paths in the sandbox. */
export function readText(path: string): string;
export function readBytes(path: string): Uint8Array;
export function writeText(path: string, text: string): void;
export function writeBytes(path: string, bytes: Uint8Array): void;
/** The names in a folder, in order. */
export function list(path: string): string[];

/** What a function returns that can refuse: the error is a value of its own, and how the build failed. */
export type Result<T, E> = { ok: T } | { err: E };

declare global {
  // Numbers of WIT. Those of 64 bits are bigints, as all of them are exact.
  type s8 = number;
  type s16 = number;
  type s32 = number;
  type s64 = bigint;
  type u8 = number;
  type u16 = number;
  type u32 = number;
  type u64 = bigint;
  type f32 = number;
  type f64 = number;
  /** A text of one character. */
  type char = string;
}
