// The interpreter's side of scripts. The host passes a program, a plan and arguments; see
// wit/script.wit.

import { write } from 'jobcontrol:plugin/log@0.1.0';
import { report } from 'jobcontrol:plugin/progress@0.1.0';
import { send } from 'jobcontrol:plugin/http@0.1.0';
import { subscribeDuration } from 'wasi:clocks/monotonic-clock@0.2.12';
import { getRandomU64 } from 'wasi:random/random@0.2.12';
import { getEnvironment } from 'wasi:cli/environment@0.2.12';
import { getDirectories } from 'wasi:filesystem/preopens@0.2.12';
import { current, fail as failBuild, skip as skipBuild } from 'jobcontrol:plugin/build@0.1.0';

// A script may replace these globals, so keep the originals.
const { parse, stringify } = JSON;
const NativeError = Error;

// --- Values -----------------------------------------------------------------------------------------------------------

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGITS = new Uint8Array(128);
for (let i = 0; i < 64; i++) DIGITS[ALPHABET.charCodeAt(i)] = i;

function fromBase64(text) {
  const end = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - end);
  for (let i = 0, at = 0; i < text.length; i += 4) {
    let word = 0;
    for (let j = 0; j < 4; j++) word = (word << 6) | DIGITS[text.charCodeAt(i + j)];
    for (let j = 16; j >= 0 && at < bytes.length; j -= 8) bytes[at++] = (word >> j) & 255;
  }
  return bytes;
}

// Converts a value of the host into a script's value.
function taken(plan, value) {
  if (plan === null) return value;
  if (plan === 'f') return typeof value === 'string' ? Number(value) : value;
  if (plan === 'i') return BigInt(value);
  if (plan === 'y') return typeof value === 'string' ? fromBase64(value) : Uint8Array.from(value);
  if (plan === 'n') return undefined;
  if ('l' in plan) return plan.l === null ? value : value.map((item) => taken(plan.l, item));
  if ('t' in plan) return plan.t.map((item, at) => taken(item, value[at]));
  if ('o' in plan) return value === null ? null : taken(plan.o, value);
  if ('u' in plan) return value === null ? undefined : taken(plan.u, value);
  if ('r' in plan) {
    const record = {};
    for (const [own, wit, field] of plan.r) record[own] = taken(field, value[wit] ?? null);
    return record;
  }
  for (const [own, wit, carried, carries] of plan.v) {
    if (!carries && value === wit) return own;
    if (carries && value !== null && typeof value === 'object' && wit in value) return { [own]: taken(carried, value[wit]) };
  }
  return value;
}

class Mismatch extends NativeError {}
Mismatch.prototype.name = 'TypeError';

const shown = (value) => {
  const text = typeof value === 'bigint' ? `${value}n` : typeof value === 'function' ? 'a function' : (stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}..` : text;
};

const misfit = (path, wanted, value) => new Mismatch(`${path} is not ${wanted}: ${shown(value)}`);

// Converts a script's value into a value of the host. It reports a wrong type if the host could not
// see it.
function given(plan, value, path) {
  if (plan === null) {
    if (value === undefined || typeof value === 'bigint' || typeof value === 'function') throw misfit(path, 'what its type says', value);
    // In JSON it would become null.
    if (typeof value === 'number' && !Number.isFinite(value)) throw misfit(path, 'a number of its type', String(value));
    if (typeof value?.then === 'function') throw new Mismatch(`${path} is a promise: await it`);
    return value;
  }
  if (plan === 'f') {
    if (typeof value !== 'number') throw misfit(path, 'a number', value);
    return Number.isFinite(value) ? value : String(value);
  }
  if (plan === 'i') {
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) throw misfit(path, 'a bigint', value);
    // The host reads larger integers as text.
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  if (plan === 'y') {
    if (!(value instanceof Uint8Array)) throw misfit(path, 'a Uint8Array', value);
    return Array.from(value);
  }
  if (plan === 'n') return null;
  if ('l' in plan) {
    if (!Array.isArray(value)) throw misfit(path, 'an array', value);
    return value.map((item, at) => given(plan.l, item, `${path}[${at}]`));
  }
  if ('t' in plan) {
    if (!Array.isArray(value) || value.length !== plan.t.length) throw misfit(path, `an array of ${plan.t.length}`, value);
    return plan.t.map((item, at) => given(item, value[at], `${path}[${at}]`));
  }
  if ('o' in plan || 'u' in plan) return value === null || value === undefined ? null : given(plan.o ?? plan.u ?? null, value, path);
  if ('r' in plan) {
    if (value === null || typeof value !== 'object') throw misfit(path, 'an object', value);
    const record = {};
    for (const [own, wit, field] of plan.r) record[wit] = given(field, value[own], `${path}.${own}`);
    return record;
  }
  if (plan.v.filter(([own, , , carries]) => carries && value?.[own] !== undefined).length > 1) {
    throw misfit(path, `only one of ${plan.v.map(([own]) => own).join(', ')}`, value);
  }
  for (const [own, wit, carried, carries] of plan.v) {
    if (!carries && value === own) return wit;
    if (carries && value !== null && typeof value === 'object' && own in value) return { [wit]: given(carried, value[own], `${path}.${own}`) };
  }
  throw misfit(path, `one of ${plan.v.map(([own]) => own).join(', ')}`, value);
}

// --- Failures ---------------------------------------------------------------------------------------------------------

// Frames in QuickJS's format: `    at name (<input>:12:5)`. A frame with another file is in this
// file, or native.
function frames(error, plan) {
  const found = [];
  for (const line of String(error?.stack ?? '').split('\n')) {
    const match = /^\s*at (?:(.*) \()?<(?:input|eval|evalScript)>:(\d+)(?::\d+)?\)?$/.exec(line);
    if (!match) continue;
    const number = Number(match[2]);
    const file = plan.files.findLast(([, before]) => number > before);
    if (!file || number - file[1] > file[2]) continue;
    const name = (match[1] ?? '').replace(/^__async_/, '');
    found.unshift({
      file: file[0],
      line: number - file[1],
      function: name === '<anonymous>' ? '' : name,
      context: [],
      contextStart: 0,
      locals: [],
    });
  }
  return found;
}

function told(error, plan) {
  if (error instanceof NativeError || (error !== null && typeof error === 'object' && typeof error.message === 'string')) {
    return { kind: String(error.name || 'Error'), message: String(error.message), frames: frames(error, plan) };
  }
  return { kind: 'Error', message: typeof error === 'string' ? error : shown(error), frames: [] };
}

function failure(error, plan) {
  const causes = [];
  for (let cause = error?.cause; cause !== undefined && cause !== null && causes.length < 10; cause = cause?.cause) {
    causes.push(told(cause, plan));
  }
  return { ...told(error, plan), causes };
}

// --- The API for scripts ----------------------------------------------------------------------------------------------

// Formats a value for a line of a log.
function line(value) {
  if (typeof value === 'string') return value;
  if (value instanceof NativeError) return `${value.name}: ${value.message}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'function') return `function ${value.name}`;
  try {
    return stringify(value, (_, inner) => (typeof inner === 'bigint' ? `${inner}n` : inner)) ?? String(value);
  } catch {
    return String(value);
  }
}

let plan = { files: [] };

function record(level, values, fields = []) {
  const caught = values.find((value) => value instanceof NativeError);
  const message = values.map(line).join(' ');
  write({ level, message, target: '', fields, failure: caught === undefined ? undefined : failure(caught, plan) });
}

const timers = new Map();
globalThis.console = {
  log: (...values) => record('info', values),
  info: (...values) => record('info', values),
  debug: (...values) => record('debug', values),
  trace: (...values) => record('debug', values),
  warn: (...values) => record('warning', values),
  error: (...values) => record('error', values),
  assert: (truth, ...values) => truth || record('error', ['assertion failed', ...values]),
  time: (name = 'default') => void timers.set(name, Date.now()),
  timeEnd: (name = 'default') => record('info', [`${name}: ${Date.now() - (timers.get(name) ?? Date.now())} ms`]),
};

// The interpreter was made only once: its own random numbers would be the same in every call.
Math.random = () => Number(getRandomU64()) / 2 ** 64;
globalThis.crypto = {
  getRandomValues(array) {
    for (let at = 0; at < array.length; at++) array[at] = Math.floor(Math.random() * 2 ** (8 * array.BYTES_PER_ELEMENT));
    return array;
  },
};

// --- Waiting ----------------------------------------------------------------------------------------------------------

// A script is called and returns. The host has turned `async` functions into generators, which
// `started` runs: they stop at each `await`, and others go on. Outside of them, `await` is a call
// of `awaited`, which runs everything that is due until the value is there.

const queue = [];
const sleepers = new Map();
let lastSleeper = 0;

// Runs one thing that is due; returns whether there was any.
function step() {
  if (queue.length > 0) {
    queue.shift()();
    return true;
  }
  const [next] = [...sleepers].sort(([a, one], [b, other]) => one.at - other.at || a - b);
  if (next === undefined) return false;
  const [id, { at, every, wake }] = next;
  const wait = at - Date.now();
  if (wait > 0) using(subscribeDuration(Math.ceil(wait * 1e6)), (pollable) => pollable.block());
  if (every === undefined) sleepers.delete(id);
  else sleepers.get(id).at = Date.now() + every;
  wake();
  return true;
}

const unhandled = new Set();
let awaited;

globalThis.Promise = class Promise {
  #state = 'pending';
  #value;
  #reactions = [];

  constructor(executor) {
    const [resolve, reject] = this.#ends();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  static {
    awaited = (value) => {
      if (value === null || typeof value?.then !== 'function') return value;
      const promise = value instanceof Promise ? value : Promise.resolve(value);
      unhandled.delete(promise);
      while (promise.#state === 'pending') {
        if (!step()) throw new NativeError('this promise can never settle: nothing is left that could resolve it');
      }
      unhandled.delete(promise);
      if (promise.#state === 'rejected') throw promise.#value;
      return promise.#value;
    };
    // The values that `for await` iterates over.
    awaited.each = function* (items) {
      const from = items[Symbol.asyncIterator]?.();
      if (from === undefined) for (const item of items) yield awaited(item);
      else for (let next; !(next = awaited(from.next())).done; ) yield next.value;
    };
  }

  // Only the first call of either function counts.
  #ends() {
    let isDone = false;
    const once = (end) => (value) => {
      if (!isDone) end(value);
      isDone = true;
    };
    return [once((value) => this.#resolve(value)), once((error) => this.#settle('rejected', error))];
  }

  #resolve(value) {
    let then;
    try {
      if (value === this) throw new TypeError('a promise cannot resolve to itself');
      then = value !== null && ['object', 'function'].includes(typeof value) ? value.then : undefined;
    } catch (error) {
      return this.#settle('rejected', error);
    }
    if (typeof then !== 'function') return this.#settle('fulfilled', value);
    queue.push(() => {
      const [resolve, reject] = this.#ends();
      try {
        then.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state, value) {
    [this.#state, this.#value] = [state, value];
    if (state === 'rejected' && this.#reactions.length === 0) unhandled.add(this);
    queue.push(...this.#reactions);
    this.#reactions = [];
  }

  then(fulfilled, rejected) {
    unhandled.delete(this);
    return new Promise((resolve, reject) => {
      const react = () => {
        const handler = this.#state === 'fulfilled' ? fulfilled : rejected;
        try {
          if (typeof handler === 'function') resolve(handler(this.#value));
          else (this.#state === 'fulfilled' ? resolve : reject)(this.#value);
        } catch (error) {
          reject(error);
        }
      };
      (this.#state === 'pending' ? this.#reactions : queue).push(react);
    });
  }

  catch(rejected) {
    return this.then(undefined, rejected);
  }

  finally(handler) {
    return this.then(
      (value) => Promise.resolve(handler()).then(() => value),
      (error) =>
        Promise.resolve(handler()).then(() => {
          throw error;
        }),
    );
  }

  static resolve(value) {
    return value instanceof Promise ? value : new Promise((resolve) => resolve(value));
  }

  static reject(error) {
    return new Promise((_, reject) => reject(error));
  }

  static withResolvers() {
    const all = {};
    all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
    return all;
  }

  // Passes each promise to `one` with its index; calls `done` when none is left.
  static #each(promises, one, done) {
    let left = 1;
    const less = () => --left === 0 && done();
    [...promises].forEach((promise, at) => {
      left += 1;
      one(Promise.resolve(promise), at, less);
    });
    less();
  }

  static all(promises) {
    const values = [];
    return new Promise((resolve, reject) => {
      const one = (promise, at, less) => promise.then((value) => ((values[at] = value), less()), reject);
      Promise.#each(promises, one, () => resolve(values));
    });
  }

  static allSettled(promises) {
    const results = [...promises].map((promise) =>
      Promise.resolve(promise).then(
        (value) => ({ status: 'fulfilled', value }),
        (reason) => ({ status: 'rejected', reason }),
      ),
    );
    return Promise.all(results);
  }

  static race(promises) {
    return new Promise((resolve, reject) => [...promises].forEach((one) => Promise.resolve(one).then(resolve, reject)));
  }

  static any(promises) {
    const errors = [];
    return new Promise((resolve, reject) => {
      const one = (promise, at, less) => promise.then(resolve, (error) => ((errors[at] = error), less()));
      Promise.#each(promises, one, () => reject(new AggregateError(errors, 'all promises were rejected')));
    });
  }
};

const { Promise } = globalThis;

// Runs an `async` function from its generator. It begins here and not in a nested call, because the
// guest's stack allows only few nested calls.
const started = (begin) => {
  const { promise, resolve, reject } = Promise.withResolvers();
  let generator, first;
  const after = (next) => {
    if (next.done) resolve(next.value);
    else Promise.resolve(next.value).then((value) => go('next', value), (error) => go('throw', error));
  };
  const go = (how, value) => {
    let next;
    try {
      next = generator[how](value);
    } catch (error) {
      return reject(error);
    }
    after(next);
  };
  try {
    generator = begin();
    first = generator.next();
  } catch (error) {
    reject(error);
    return promise;
  }
  after(first);
  return promise;
};

const sleeper = (every) => (wake, time = 0, ...values) => {
  lastSleeper += 1;
  const wait = Math.max(0, Number(time) || 0);
  sleepers.set(lastSleeper, { at: Date.now() + wait, every: every ? wait : undefined, wake: () => wake(...values) });
  return lastSleeper;
};
globalThis.setTimeout = sleeper(false);
globalThis.setInterval = sleeper(true);
globalThis.clearTimeout = globalThis.clearInterval = (id) => void sleepers.delete(id);
globalThis.queueMicrotask = (wake) => void queue.push(wake);

// --- Requests ---------------------------------------------------------------------------------------------------------

const Headers = (globalThis.Headers = class Headers {
  #all = new Map();

  constructor(from = []) {
    const pairs = typeof from[Symbol.iterator] === 'function' ? from : Object.entries(from);
    for (const [name, value] of pairs) this.append(name, value);
  }
  append(name, value) {
    const key = String(name).toLowerCase();
    this.#all.set(key, this.#all.has(key) ? `${this.#all.get(key)}, ${value}` : String(value));
  }
  set(name, value) {
    this.#all.set(String(name).toLowerCase(), String(value));
  }
  get(name) {
    return this.#all.get(String(name).toLowerCase()) ?? null;
  }
  has(name) {
    return this.#all.has(String(name).toLowerCase());
  }
  delete(name) {
    this.#all.delete(String(name).toLowerCase());
  }
  forEach(each) {
    for (const [name, value] of this) each(value, name, this);
  }
  entries() {
    return this[Symbol.iterator]();
  }
  keys() {
    return [...this].map(([name]) => name)[Symbol.iterator]();
  }
  values() {
    return [...this].map(([, value]) => value)[Symbol.iterator]();
  }
  [Symbol.iterator]() {
    return [...this.#all].sort(([a], [b]) => (a < b ? -1 : 1))[Symbol.iterator]();
  }
});

class Response {
  #bytes;

  constructor(answer, bytes, url) {
    this.status = answer.status();
    this.ok = this.status >= 200 && this.status < 300;
    this.statusText = '';
    this.url = answer.url();
    this.redirected = this.url !== url;
    this.headers = new Headers(answer.headers());
    this.bodyUsed = false;
    this.#bytes = bytes;
  }

  #read(of) {
    return new Promise((resolve) => {
      if (this.bodyUsed) throw new TypeError('the body was already read');
      this.bodyUsed = true;
      resolve(of(this.#bytes));
    });
  }
  bytes() {
    return this.#read((bytes) => bytes);
  }
  arrayBuffer() {
    return this.#read((bytes) => bytes.buffer);
  }
  text() {
    return this.#read(decoded);
  }
  json() {
    return this.#read((bytes) => parse(decoded(bytes)));
  }
}

// Reads the whole response: an unfinished one would hold a connection.
function exchanged(request) {
  return using(send(request), (answer) => {
    const parts = [];
    for (let part = answer.read(); part.length > 0; part = answer.read()) parts.push(part);
    return new Response(answer, joined(parts), request.url);
  });
}

// Turns an error of the host into one like those of `fetch`.
function tried(request) {
  const where = `${request.method} ${request.url}`;
  try {
    return exchanged(request);
  } catch (error) {
    if (typeof error?.payload !== 'string') throw error;
    const failed = new TypeError(`${where}: ${error.payload}`);
    if (error.payload.endsWith('took too long')) failed.name = 'TimeoutError';
    throw failed;
  }
}

globalThis.AbortSignal = { timeout: (time) => ({ time }) };

globalThis.fetch = (from, options = {}) =>
  new Promise((resolve) => {
    const url = String(from);
    const method = String(options.method ?? 'GET').toUpperCase();
    const headers = new Headers(options.headers);
    let body = options.body ?? new Uint8Array();
    if (options.body != null && ['GET', 'HEAD'].includes(method)) throw new TypeError(`a ${method} request has no body`);
    if (body instanceof ArrayBuffer) body = new Uint8Array(body);
    if (!(body instanceof Uint8Array)) {
      if (!headers.has('content-type')) headers.set('content-type', 'text/plain;charset=UTF-8');
      body = encoded(String(body));
    }
    const timeout = options.signal?.time === undefined ? undefined : Math.ceil(options.signal.time);
    const redirects = ['manual', 'error'].includes(options.redirect) ? 0 : 20;
    const answer = tried({ method, url, headers: [...headers], body, timeout, redirects });
    if (options.redirect === 'error' && answer.status >= 300 && answer.status < 400 && answer.headers.has('location')) {
      throw new TypeError(`${method} ${url}: the server redirects to ${answer.headers.get('location')}`);
    }
    resolve(answer);
  });

// --- Text and files ---------------------------------------------------------------------------------------------------

const CHUNK = 1 << 13;

function encoded(text) {
  const latin = unescape(encodeURIComponent(text));
  const bytes = new Uint8Array(latin.length);
  for (let at = 0; at < latin.length; at++) bytes[at] = latin.charCodeAt(at);
  return bytes;
}

function decoded(bytes) {
  let latin = '';
  for (let at = 0; at < bytes.length; at += CHUNK) latin += String.fromCharCode.apply(null, bytes.subarray(at, at + CHUNK));
  try {
    return decodeURIComponent(escape(latin));
  } catch {
    throw new TypeError('the bytes are not UTF-8');
  }
}

globalThis.TextEncoder = class TextEncoder {
  encode(text = '') {
    return encoded(String(text));
  }
};
globalThis.TextDecoder = class TextDecoder {
  decode(bytes = new Uint8Array()) {
    return decoded(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes.buffer ?? bytes));
  }
};

// WASI's common errors, in the words of a terminal.
const MISTAKES = {
  access: 'Permission denied',
  exist: 'File exists',
  'is-directory': 'Is a directory',
  'no-entry': 'No such file or directory',
  'not-directory': 'Not a directory',
  'not-permitted': 'Operation not permitted',
  quota: 'Disk quota exceeded',
  'read-only': 'Read-only file system',
};

// Uses a resource of the host, and frees it: a job may have only so many at once.
function using(resource, use) {
  try {
    return use(resource);
  } finally {
    resource[Symbol.dispose]();
  }
}

// Works with the granted folder that contains a path.
function within(path, what, use) {
  const wanted = String(path);
  const holds = ([, guest]) => wanted === guest || wanted.startsWith(guest.endsWith('/') ? guest : `${guest}/`);
  const all = getDirectories();
  const found = all.filter(holds).sort(([, a], [, b]) => b.length - a.length)[0];
  try {
    if (found === undefined) throw { payload: 'no-entry' };
    return use(found[0], wanted.slice(found[1].length).replace(/^\/+/, '') || '.');
  } catch (error) {
    const payload = error?.payload;
    if (typeof payload !== 'string') throw error;
    throw new NativeError(`${what} \`${wanted}\`: ${MISTAKES[payload] ?? payload}`);
  } finally {
    for (const [folder] of all) folder[Symbol.dispose]();
  }
}

function joined(parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

const FOLLOW = { symlinkFollow: true };

function readBytes(path) {
  return within(path, 'cannot read', (folder, inside) =>
    using(folder.openAt(FOLLOW, inside, {}, { read: true }), (file) => {
      const parts = [];
      let size = 0;
      for (;;) {
        const [bytes, isEnd] = file.read(1 << 20, size);
        parts.push(bytes);
        size += bytes.length;
        if (isEnd || bytes.length === 0) break;
      }
      return joined(parts);
    }),
  );
}

function writeBytes(path, bytes) {
  within(path, 'cannot write', (folder, inside) =>
    using(folder.openAt(FOLLOW, inside, { create: true, truncate: true }, { write: true }), (file) => {
      for (let at = 0; at < bytes.length; ) at += Number(file.write(bytes.subarray(at, at + (1 << 20)), at));
    }),
  );
}

const LEVELS = ['debug', 'info', 'warning', 'error', 'critical'];

const host = {
  // Writes a record with fields: `log('warning', 'slow', { seconds: 3 })`.
  log(level, message, fields = {}) {
    if (!LEVELS.includes(level)) throw new RangeError(`a level is one of ${LEVELS.join(', ')}, not ${shown(level)}`);
    record(level, [message], Object.entries(fields).map(([name, value]) => [name, line(value)]));
  },
  // Iterates over a list and reports the progress: `for (const page of progress(pages, 'pages'))
  // ..`.
  *progress(items, ...group) {
    const all = Array.isArray(items) ? items : [...items];
    const path = group.map(String);
    for (let at = 0; at < all.length; at++) {
      report(path, at, all.length, '');
      yield all[at];
    }
    report(path, all.length, all.length, '');
  },
  // Reports the progress of a group: `report(3, 10, 'the third page', 'pages')`.
  report(current, total, status = '', ...group) {
    report(group.map(String), Math.max(0, Math.trunc(current)), Math.max(0, Math.trunc(total)), String(status));
  },
  readBytes,
  readText: (path) => decoded(readBytes(path)),
  writeBytes,
  writeText: (path, text) => writeBytes(path, encoded(String(text))),
  // Returns the names in a folder, sorted.
  list(path) {
    return within(path, 'cannot list', (folder, inside) =>
      using(folder.openAt(FOLLOW, inside, { directory: true }, { read: true }), (opened) =>
        using(opened.readDirectory(), (entries) => {
          const names = [];
          for (let entry = entries.readDirectoryEntry(); entry; entry = entries.readDirectoryEntry()) names.push(entry.name);
          return names.sort();
        }),
      ),
    );
  },
  // Returns a variable that the job is granted, or undefined.
  env: (name) => getEnvironment().find(([known]) => known === name)?.[1],
  // Ends the build as skipped, because there was nothing to do.
  skip(reason) {
    skipBuild(String(reason));
  },
  // Returns the running build.
  build() {
    const { buildId, jobId, attempt, idempotencyKey } = current();
    return { id: buildId, job: jobId, attempt, idempotencyKey };
  },
};

// --- The call ---------------------------------------------------------------------------------------------------------

export function call(program, planText, argumentsText) {
  plan = parse(planText);
  let result;
  try {
    const script = (0, eval)(program)(host, awaited, started);
    const values = parse(argumentsText);
    result = awaited(script[plan.function](...plan.params.map((param, at) => taken(param, values[at]))));
    // Finish what the script started but did not wait for.
    while (queue.length > 0 || sleepers.size > 0) step();
    for (const promise of unhandled) awaited(promise);
    if (plan.returns) return stringify(given(plan.result, result, 'what it returned'));
    return 'null';
  } catch (error) {
    failBuild(failure(error, plan));
  }
}
