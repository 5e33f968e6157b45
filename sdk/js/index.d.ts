// The types of what a script imports from "jobcontrol", and the names of WIT's numbers, for editors
// and for `tsc`.

export type Level = "debug" | "info" | "warning" | "error" | "critical";

/** Writes a record with fields. `console.log` and similar functions also write records. */
export function log(level: Level, message: string, fields?: Record<string, unknown>): void;

/** Iterates over a list and reports the progress: `for (const page of progress(pages, "pages")) ..` */
export function progress<T>(items: Iterable<T>, ...group: string[]): Iterable<T>;

/** Reports the progress of a group. */
export function report(current: number, total: number, status?: string, ...group: string[]): void;

/** Ends the build as skipped, because there was nothing to do. */
export function skip(reason: string): never;

/** Returns the running build. */
export function build(): { id: number; job: string; attempt: number; idempotencyKey: string };

/** Returns a variable of `grants: { env: [NAME] }`. */
export function env(name: string): string | undefined;

/** These access files of `grants: { files: [..] }`, by their paths in the sandbox. */
export function readText(path: string): string;
export function readBytes(path: string): Uint8Array;
export function writeText(path: string, text: string): void;
export function writeBytes(path: string, bytes: Uint8Array): void;
/** Returns the names in a folder, sorted. */
export function list(path: string): string[];

/** The return type of a function that can fail with a value: the build then fails with that error. */
export type Result<T, E> = { ok: T } | { err: E };

declare global {
  // The numbers of WIT. 64-bit numbers are bigints, so that all of them are exact.
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
  /** A string of one character. */
  type char = string;
}
