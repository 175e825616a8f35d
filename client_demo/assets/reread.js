// @ts-check
/**
 * Reading a part of a story again over HTTP, in the server's steps: for what a snapshot says nothing of. No DOM, no state.
 *
 * @typedef {import("./fold.js").Post} Post
 * @typedef {{epoch: string, posts: Post[], older: boolean, newer: boolean}} Stretch posts newest first; whether more lie beyond
 */

const TRIES = 5;
const FIRST_PAUSE_MS = 500;
const ANSWER_MS = 10_000; // a kept connection that was swallowed says nothing, and the next try gets another one

/** It cannot be had, however often one asks. */
export class Refused extends Error {}

/**
 * What `read` makes of the answer; asked again while the server is away, too slow or behind.
 * @template T @param {string} address @param {(answer: Response) => Promise<T | null>} read null: not what is wanted yet
 * @param {AbortSignal} signal @returns {Promise<T>} Rejects with Refused, or when `signal` says so or all tries failed.
 */
export async function ask(address, read, signal) {
  let trouble = new Error(`${address}: not there yet`);
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (tries) await new Promise((done) => setTimeout(done, (0.5 + Math.random() / 2) * FIRST_PAUSE_MS * 2 ** tries));
    signal.throwIfAborted();
    try {
      const found = await answered(address, read, signal);
      if (found !== null) return found;
    } catch (error) {
      if (error instanceof Refused || signal.aborted) throw error;
      trouble = /** @type {Error} */ (error); // offline, cut off, or too slow
    }
  }
  throw trouble;
}

/** @template T @param {string} address @param {(answer: Response) => Promise<T | null>} read @param {AbortSignal} signal */
async function answered(address, read, signal) {
  const either = new AbortController(); // `AbortSignal.any` is younger than our readers' browsers
  const stop = () => either.abort();
  const timer = setTimeout(stop, ANSWER_MS);
  signal.addEventListener("abort", stop);
  try {
    const answer = await fetch(address, { cache: "no-store", signal: either.signal });
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) throw new Refused(`${address}: ${answer.status}`);
    return answer.ok ? await read(answer) : null;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

/**
 * `first` and what lies beyond its ends, as far as the ends of what was held (by `sort_time`), and no further.
 * @template {Stretch} S @param {S} first @param {Post[]} held newest first
 * @param {(query: {before: string} | {after: string}) => Promise<{posts: Post[], more: boolean}>} step the next posts on that side, of the epoch of `first`
 * @returns {Promise<S>}
 */
export async function extend(first, held, step) {
  if (!held.length) return first;
  let { posts, older, newer } = first;
  const top = held[0].sort_time, bottom = held[held.length - 1].sort_time;
  while (older && posts.length && posts[posts.length - 1].sort_time > bottom) {
    const { posts: next, more } = await step({ before: posts[posts.length - 1].id });
    const wanted = next.filter((post) => post.sort_time >= bottom);
    posts = [...posts, ...wanted];
    older = more || wanted.length < next.length;
    if (wanted.length < next.length || !next.length) break;
  }
  while (newer && posts.length && posts[0].sort_time < top) {
    const { posts: next, more } = await step({ after: posts[0].id });
    const wanted = next.filter((post) => post.sort_time <= top);
    posts = [...wanted, ...posts];
    newer = more || wanted.length < next.length;
    if (wanted.length < next.length || !next.length) break;
  }
  return { ...first, posts, older, newer };
}
