// The module `jobcontrol` outside of jobcontrol: records go to the console, and progress is
// dropped. With it, the functions of a script can be tested with Node. In jobcontrol, the
// interpreter provides its own.

import fs from 'node:fs';
import process from 'node:process';

/** Ends a function whose build would be skipped. */
export class Skipped extends Error {}

export function log(level, message, fields = {}) {
  console.error(level, message, fields);
}

export function* progress(items) {
  yield* items;
}

export function report() {}

export function skip(reason) {
  throw new Skipped(reason);
}

export function build() {
  return { id: 0, job: 'test', attempt: 1, idempotencyKey: 'test' };
}

export const env = (name) => process.env[name];
export const readBytes = (path) => new Uint8Array(fs.readFileSync(path));
export const readText = (path) => fs.readFileSync(path, 'utf8');
export const writeBytes = (path, bytes) => fs.writeFileSync(path, bytes);
export const writeText = (path, text) => fs.writeFileSync(path, text);
export const list = (path) => fs.readdirSync(path).sort();
