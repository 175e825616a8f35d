// @ts-check
/**
 * What a reader holds of a story, and how a message changes it: PROTOCOL section 3, and nothing else. Pure.
 *
 * `posts` is newest first by `sort_time`. `older` / `newer`: the story lists posts beyond that end of what is held. The
 * state of a live page has no newer ones, and its `older` is the protocol's `has_more`; a page of older posts (or a
 * permalink) holds a window, and ignores new posts beyond it. States are never changed in place, and a post that did not
 * change stays the same object, so that a page can see what it need not touch.
 *
 * @typedef {{id: string, version: number, status: string, sort_time: string, url: string, [field: string]: any}} Post
 * @typedef {{id: string, headline?: string, date_published?: string, date_modified?: string, sort_time: string, url: string}} KeyEvent
 * @typedef {{epoch: string, seq: number, story: any, posts: Post[], pinned: Post | null, key_events: KeyEvent[],
 *   older: boolean, newer: boolean}} State
 * @typedef {{type: string, [field: string]: any}} Message
 */

import { label } from "./times.js";

/** The message does not follow on what is held: reconnect from the position, and let the server prove or replace it. */
export class Gap extends Error {}

/** The state after `message`. Unknown types are ignored. @param {State} state @param {Message} message @returns {State} */
export function fold(state, message) {
  if (message.type === "snapshot") return replace(message);
  if (message.type === "resumed") {
    if (message.epoch !== state.epoch) throw new Gap(`resumed in epoch ${message.epoch}, not ${state.epoch}`);
    const done = message.events.reduce(fold, state);
    if (done.seq < message.seq) throw new Gap(`resumed to ${message.seq}, but events end at ${done.seq}`);
    return done;
  }
  if (!Number.isSafeInteger(message.seq) || typeof message.epoch !== "string") return state; // a notice
  if (message.epoch !== state.epoch) throw new Gap(`epoch ${message.epoch} after ${state.epoch}`);
  if (message.seq <= state.seq) return state;
  if (message.seq !== state.seq + 1) throw new Gap(`seq ${message.seq} after ${state.seq}`);
  const next = { ...state, seq: message.seq };
  if (message.type === "post.deleted") return deleted(next, message);
  if (message.type.startsWith("post.") && message.post) return upserted(next, message);
  if (message.type.startsWith("story.") && message.story) return retold(next, message);
  return next; // an event of a later version of the protocol: it still counts
}

/** @param {Message} message @returns {State} */
function replace({ epoch, seq, story, posts, pinned, key_events, has_more }) {
  return { epoch, seq, story, posts, pinned: pinned ?? null, key_events: key_events ?? [], older: has_more, newer: false };
}

/** @param {State} state @param {Message} message @returns {State} */
function upserted(state, { post, story }) {
  const posts = place(state, post);
  const older = state.newer ? state.older : story.listed_count > posts.length;
  const fresh = posts.includes(post) || !posts.some((held) => held.id === post.id);
  const key_events = fresh ? keyed(state.key_events, post) : state.key_events;
  return pinnedBy({ ...state, story: { ...state.story, ...story }, posts, key_events, older }, fresh ? post : null);
}

/** The held posts with this one in its place, or as they are when it must not be held. @param {State} state @param {Post} post */
function place({ posts, older, newer }, post) {
  const at = posts.findIndex((held) => held.id === post.id);
  if (at >= 0) {
    if (posts[at].version > post.version) return posts;
    if (posts[at].sort_time === post.sort_time) return spliced(posts, at, 1, post);
    posts = spliced(posts, at, 1);
  }
  const before = posts.findIndex((held) => held.sort_time < post.sort_time);
  if (before < 0 && older) return posts;
  if (before === 0 && newer) return posts;
  return spliced(posts, before < 0 ? posts.length : before, 0, post);
}

/** `toSpliced`, which Safari 15 and Firefox 114 lack. @template T @param {T[]} list @param {number} at @param {number} count @param {...T} items @returns {T[]} */
function spliced(list, at, count, ...items) {
  return [...list.slice(0, at), ...items, ...list.slice(at + count)];
}

/** @param {KeyEvent[]} held @param {Post} post @returns {KeyEvent[]} */
function keyed(held, post) {
  const others = held.filter((entry) => entry.id !== post.id);
  if (post.status !== "published" || !post.is_key_event) return others.length === held.length ? held : others;
  const published = post.date_published ?? "", modified = post.date_modified;
  const entry = {
    id: post.id, headline: label(post), date_published: published, sort_time: post.sort_time, url: post.url,
    ...(!published && modified && { date_modified: modified }),
  };
  const before = others.findIndex((other) => other.sort_time < entry.sort_time);
  return spliced(others, before < 0 ? others.length : before, 0, entry);
}

/** @param {State} state @param {Message} message @returns {State} */
function deleted(state, { post_id, story }) {
  const posts = state.posts.filter((held) => held.id !== post_id);
  const key_events = state.key_events.filter((entry) => entry.id !== post_id);
  const older = state.newer ? state.older : story.listed_count > posts.length;
  const pinned = state.pinned?.id === post_id ? null : state.pinned;
  return pinnedBy({ ...state, story: { ...state.story, ...story }, posts, key_events, older, pinned }, null);
}

/** @param {State} state @param {Message} message @returns {State} */
function retold(state, { story, pinned }) {
  if (story.status === "deleted") return { ...state, story, posts: [], pinned: null, key_events: [], older: false, newer: false };
  return pinnedBy({ ...state, story }, pinned ?? null);
}

/** The pinned post that the story now names; `post` is the newest word on one post. @param {State} state @param {Post | null} post */
function pinnedBy(state, post) {
  const id = state.story.pinned_post_id ?? null;
  if (id === null) return state.pinned === null ? state : { ...state, pinned: null };
  const known = [post, state.pinned, ...state.posts].filter((one) => one?.id === id);
  const pinned = known.reduce((best, one) => (best && one && best.version >= one.version ? best : one), null) ?? null;
  return pinned === state.pinned ? state : { ...state, pinned };
}
