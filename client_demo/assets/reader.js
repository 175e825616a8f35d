// @ts-check
/**
 * The reader page, alive: takes the page as the server drew it, at its position, and keeps it equal to a fresh load.
 *
 * Message → fold (pure) → paint. Two rules of paint: what is being read does not move (`keepPlace`), and a post that
 * would push it waits behind the pill until the reader asks or sees only the top anyway. The pill tells of every new post
 * that is not on the screen, and points to it. Each painted event is told to the
 * page as a `stoppress:painted` event and a performance mark, and to the server (`seen`) by a sample of readers.
 */

import { fold, Gap } from "./fold.js";
import { Landing } from "./landing.js";
import { Notice } from "./notice.js";
import { h, refill, remember, showPosts, View } from "./render.js";
import { ask, extend, Refused } from "./reread.js";
import { Line } from "./socket.js";
import { direction, label, Times, withCommas } from "./times.js";

const SPEAK_EVERY_MS = 4_000;
const QUARTER_MS = 900_000;
const SEEN_BY = 0.9; // of the screen's height: a post that begins above this line is seen

const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const root = $("story"), list = $("posts"), pill = /** @type {HTMLButtonElement} */ ($("pill"));
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const page = readPage(document);
const limits = page.limits; // the server's, which no script writes again
/** @type {import("./fold.js").State} */
let state = page.state;
let times = new Times(page.zones);
let sort = root.dataset.sort === "oldest" ? "oldest" : "newest";
const focus = /** @type {HTMLElement | null} */ (list.querySelector(".is-focus"))?.dataset.id ?? "";
const isWindow = () => state.newer; // a page of older posts, or a permalink: new posts are elsewhere
/** @type {Set<string>} new posts that wait behind the pill */
const waiting = new Set();
/** @type {Set<string>} new posts beyond a window, or in the page but not yet on the screen */
const elsewhere = new Set();
let provable = true;
/** @type {{queue: any[], stop: AbortController} | null} the messages that wait while something is read again */
let rereading = null;
let sample = 0;

const notice = new Notice($("notice"), lastUpdate);
const landing = takeOver();
const line = new Line(`/live/${root.dataset.slug}`, limits.silence_ms, { position, message, line: (how) => notice.lineIs(how) });
line.open();

/** The page's own data; the texts are taken from where they stand. @param {Document} from */
function readPage(from) {
  const { zones, limits, ...held } = JSON.parse(from.getElementById("state")?.textContent ?? "{}");
  const bodies = new Map();
  for (const article of from.querySelectorAll("article[data-id]")) {
    bodies.set(/** @type {HTMLElement} */ (article).dataset.id, article.querySelector(".body")?.innerHTML);
  }
  for (const post of [...held.posts, ...(held.pinned ? [held.pinned] : [])]) {
    const body = bodies.get(post.id);
    if (body) post.content_html = body;
  }
  return { zones, limits, state: /** @type {import("./fold.js").State} */ (held) };
}

function takeOver() {
  const view = currentView();
  const byId = new Map(state.posts.map((post) => [post.id, post])), days = view.days(state.posts);
  for (const row of list.children) {
    const post = byId.get(/** @type {HTMLElement} */ (row).dataset.key?.slice("post-".length) ?? "");
    if (post) remember(row, post, view, days.get(post.id) ?? "");
  }
  awaitNewYear(view.year);
  pill.addEventListener("click", answerPill);
  $("sort").addEventListener("click", chooseSort);
  $("keys").addEventListener("click", jump);
  addEventListener("scroll", () => requestAnimationFrame(noteReading), { passive: true });
  document.addEventListener("visibilitychange", noteReading);
  document.addEventListener("keydown", (event) => event.key === "Escape" && !pill.hidden && pill.classList.add("is-dismissed"));
  addEventListener("popstate", () => setSort(new URL(location.href).searchParams.get("sort") ?? state.story.default_sort));
  const address = /** @type {HTMLAnchorElement} */ ($("address"));
  address.textContent = address.href; // whole, for print
  document.documentElement.dataset.script = "on";
  const linked = location.hash.match(/^#post-([\w-]+)$/)?.[1] ?? "";
  // A link into the page whose post has moved off it leads to the post's own page.
  if (linked && !document.getElementById(`post-${linked}`)) location.replace(`${state.story.url}/posts/${linked}`);
  return new Landing(document.getElementById(`post-${focus || linked}`), root);
}

function currentView() {
  return new View(state.story, times, focus);
}

/** From New Year on, a date of the old year says so. In every zone a year begins on a quarter of an hour.
 * @param {string} year */
function awaitNewYear(year) {
  const now = currentView().year;
  if (now !== year) paint();
  setTimeout(() => awaitNewYear(now), QUARTER_MS - Date.now() % QUARTER_MS);
}

function position() {
  return provable && state.epoch ? { epoch: state.epoch, seq: state.seq } : null;
}

/** @param {any} received */
function message(received) {
  if (rereading) {
    rereading.queue.push(received);
    if (received.type === "snapshot") rereading.stop.abort(); // it tells all of it anew
    return;
  }
  attempt(() => take(received), received);
}

/** Whatever goes wrong in here must not leave a page that looks alive: ask the server again. @param {() => void} change @param {any} received */
function attempt(change, received) {
  try {
    change();
  } catch (error) {
    const isOurs = !(error instanceof Gap);
    if (isOurs || received.type === "resumed") provable = false; // one that resumes wrongly is asked for everything
    if (isOurs) {
      reportError(error);
      notice.failed("unshown");
    }
    line.again();
  }
}

/** @param {any} received */
function take(received) {
  if (received.type === "hello") {
    sample = Math.random() < received.sample ? 1 : 0;
    return notice.storeIs(Boolean(received.stale_since));
  }
  if (received.type === "stale" || received.type === "live") return notice.storeIs(received.type === "stale");
  if (received.type === "beat" && received.seq > state.seq) throw new Gap(`the server is at ${received.seq}, not ${state.seq}`);
  if (received.type === "snapshot") {
    // It holds the newest posts, and says nothing of older ones that stand in this page: those are read again.
    const last = received.posts.at(-1), bottom = state.posts.at(-1);
    if (isWindow() || (last && bottom && received.has_more && bottom.sort_time < last.sort_time)) return void reread(received);
  }
  hold(fold(state, received), received);
}

/** From now on the page holds `next`, and shows it. @param {import("./fold.js").State} next @param {any} received the message that led to it */
function hold(next, received) {
  const before = state;
  state = next;
  const isWhole = received.type === "snapshot", isFirst = isWhole || received.type === "resumed";
  if (state !== before && (isWhole || state.seq !== before.seq)) {
    root.dataset.epoch = state.epoch;
    root.dataset.seq = String(state.seq);
    paint({ inserting: meet(before, received) });
    if (!times.isEnough) freshZones();
    for (const event of received.type === "resumed" ? received.events : [received]) painted(event, !isFirst);
  }
  if (state.story.status === "deleted") return line.end("gone");
  if (!isFirst) return;
  provable = true;
  line.accept();
}

/** Sort the posts that are new into: shown at once, waiting behind the pill, elsewhere. True if some push the list.
 * @param {any} before @param {any} received */
function meet(before, received) {
  const known = new Set(before.posts.map((/** @type {any} */ post) => post.id));
  const held = new Set(state.posts.map((post) => post.id));
  const top = before.posts[0]?.sort_time ?? "";
  const fresh = isWindow() ? [] : state.posts.filter((post) => !known.has(post.id) && post.sort_time > top && post.status === "published");
  if (isWindow() && received.type === "post.published" && !held.has(received.post.id)) elsewhere.add(received.post.id);
  // A withdrawn post is no news: its note appears in its place, without a call.
  const published = new Set(state.posts.filter((post) => post.status === "published").map((post) => post.id));
  for (const id of [...waiting]) if (!published.has(id)) waiting.delete(id);
  if (!isWindow()) for (const id of [...elsewhere]) if (!published.has(id)) elsewhere.delete(id);
  if (received.type === "post.deleted" || received.type === "post.withdrawn") elsewhere.delete(received.post_id ?? received.post.id);
  const inserting = sort === "newest" && fresh.length > 0 && atTop();
  if (!isWindow()) for (const post of fresh) (sort === "oldest" || inserting ? elsewhere : waiting).add(post.id);
  if (fresh.length) {
    speak(fresh.length === 1 ? `New post: ${label(fresh[0])}` : `${fresh.length} new posts. Latest: ${label(fresh[0])}`);
  }
  return inserting;
}

/** At the top of the page or with the posts below what is being read, and looking: new posts may come in by themselves. */
function atTop() {
  if (document.visibilityState !== "visible" || focus) return false;
  return scrollY <= 4 || list.getBoundingClientRect().top >= innerHeight / 2;
}

/** The row of a post, and whether it is below what can be seen. @param {string} id */
const rowOf = (id) => /** @type {HTMLElement | null} */ (document.getElementById(`post-${id}`)?.closest("li") ?? null);
const isBelow = (/** @type {Element} */ row) => row.getBoundingClientRect().top >= innerHeight * SEEN_BY;

/** Draw the state; nothing that is being read moves. */
function paint({ inserting = false } = {}) {
  const view = currentView();
  const shown = state.posts.filter((post) => !waiting.has(post.id));
  const ids = new Set(shown.map((post) => post.id));
  keepPlace(inserting, () => {
    refill($("story-head"), view.head());
    refill($("points"), view.points());
    $("points").hidden = !state.story.summary_points?.length;
    refill($("keys"), view.keys(state.key_events, ids));
    $("keys").hidden = !state.key_events.length;
    refill($("pinned"), state.pinned && h("div", {}, view.pinned(state.pinned)));
    $("count").textContent = view.count();
    const asked = new URL(location.href).searchParams.get("sort") ?? "";
    refill($("above"), view.more(sort === "newest", state, asked));
    refill($("below"), view.more(sort !== "newest", state, asked));
    refill($("empty"), h("div", {}, view.empty()));
    $("empty").hidden = shown.length > 0;
    const added = showPosts(list, sort === "newest" ? shown : shown.reverse(), view);
    // Of those that are out of sight, `noteReading` takes care.
    if (list.childElementCount > added.length + 1) for (const row of added) if (!isBelow(row)) highlight(row);
  });
  root.className = `story is-${state.story.status}`;
  // Even the same language or direction, set again, costs a recalculation of every style below (100 ms on a phone).
  const language = state.story.language || "en", way = direction(state.story.language);
  if (root.lang !== language) root.lang = language;
  if (root.dir !== way) root.dir = way;
  showPill();
  noteReading();
}

/** @param {HTMLElement | null} row */
function highlight(row) {
  if (!row || calm.matches || list.childElementCount <= 2) return; // a day's name and the only post
  row.classList.add("is-new");
  row.addEventListener("animationend", () => row.classList.remove("is-new"), { once: true });
}

/** Run `change`, and put what is being read back where it was. @param {boolean} inserting new posts push the list @param {() => void} change */
function keepPlace(inserting, change) {
  const marks = scrollY === 0 || landing?.isHeld ? [] : landmarks(inserting);
  change();
  if (landing?.isHeld) return landing.settle();
  const anchor = marks.find(({ node }) => node.isConnected && node.getClientRects().length > 0);
  if (!anchor) return;
  const moved = anchor.node.getBoundingClientRect().top - anchor.top;
  if (Math.abs(moved) > 0.5) scrollBy({ top: moved, behavior: "instant" });
  // A long post that shrank to a note would leave the reader somewhere below it.
  if (anchor.node.matches("li") && anchor.node.getBoundingClientRect().bottom < 0) anchor.node.scrollIntoView({ behavior: "instant" });
}

/** What is on the screen, the best to hold on to first: blocks of text before whole posts. @param {boolean} aboveList */
function landmarks(aboveList) {
  const isVisible = (/** @type {Element} */ node) => {
    const box = node.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight && box.height > 0;
  };
  // Beside the stream the guide is sticky: it stays where it is, whatever happens.
  const flowing = getComputedStyle(root.querySelector(".guide") ?? root).position === "sticky" ? "" : ".guide-part, ";
  const above = [...root.querySelectorAll(`.story-head > *, ${flowing}#pinned > *, .bar`)].filter(isVisible);
  const rows = aboveList ? [] : [...list.children].filter(isVisible);
  const blocks = rows.flatMap((row) => [...row.querySelectorAll(".day-name, .when, .headline, .picture, .body > *, .foot > *")].filter(isVisible));
  return [...above, ...blocks, ...rows].map((node) => ({ node, top: node.getBoundingClientRect().top }));
}

// The pill and the title

function showPill() {
  const count = waiting.size + elsewhere.size;
  const words = count ? `${withCommas(count)} new ${count === 1 ? "post" : "posts"}` : "";
  pill.hidden = count === 0;
  if (pill.textContent !== words) {
    pill.textContent = words;
    pill.classList.remove("is-dismissed");
  }
  const row = rowOf(pillTarget() ?? "");
  pill.classList.toggle("points-down", row !== null && isBelow(row));
  document.title = `${count ? `(${count}) ` : ""}${currentView().title(state.posts)}`;
}

/** The post that the pill leads to: the newest, or in oldest-first order the first that was not seen. */
function pillTarget() {
  const unseen = state.posts.filter((post) => waiting.has(post.id) || elsewhere.has(post.id));
  return unseen.at(sort === "newest" ? 0 : -1)?.id;
}

function answerPill() {
  if (isWindow()) return location.assign(`${state.story.url}?sort=${sort}`);
  const target = pillTarget();
  const below = [...elsewhere];
  waiting.clear();
  elsewhere.clear();
  paint({ inserting: true });
  for (const id of below) highlight(rowOf(id));
  if (target) goTo(target);
}

/** What the reader has in view is not new any more. */
function noteReading() {
  if (document.visibilityState !== "visible") return;
  if (waiting.size && atTop()) {
    for (const id of waiting) elsewhere.add(id);
    waiting.clear();
    return paint({ inserting: true });
  }
  if (elsewhere.size && !isWindow()) {
    for (const id of [...elsewhere]) {
      const row = rowOf(id);
      if (row && isBelow(row)) continue;
      elsewhere.delete(id);
      highlight(row);
    }
    showPill();
  }
}

/** @param {string} id */
function goTo(id) {
  const post = document.getElementById(`post-${id}`);
  if (!post) return;
  post.scrollIntoView({ behavior: calm.matches ? "instant" : "smooth", block: "start" });
  const target = /** @type {HTMLElement} */ (post.querySelector(".headline") ?? post);
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
  target.addEventListener("blur", () => target.removeAttribute("tabindex"), { once: true });
}

/** A key event that waits behind the pill is shown when it is asked for. @param {Event} event */
function jump(event) {
  const entry = /** @type {HTMLElement} */ (event.target).closest("li");
  const id = entry?.dataset.id;
  if (!id || /** @type {MouseEvent} */ (event).ctrlKey || /** @type {MouseEvent} */ (event).metaKey) return;
  if (waiting.size && state.posts.some((post) => post.id === id)) {
    waiting.clear();
    paint();
  }
  if (document.getElementById(`post-${id}`)) {
    event.preventDefault();
    history.replaceState(null, "", `#post-${id}`);
    goTo(id);
  }
}

// Order

/** @param {Event} event */
function chooseSort(event) {
  const link = /** @type {HTMLElement} */ (event.target).closest("a");
  const mouse = /** @type {MouseEvent} */ (event);
  if (!link || mouse.ctrlKey || mouse.metaKey || mouse.shiftKey) return; // a new tab is the browser's to open
  event.preventDefault();
  const chosen = link.dataset.sort ?? "newest";
  if (chosen === sort) return;
  const address = new URL(location.href);
  address.searchParams.set("sort", chosen);
  history.pushState(null, "", address);
  setSort(chosen);
}

/** @param {string} chosen */
function setSort(chosen) {
  sort = chosen === "oldest" ? "oldest" : "newest";
  root.dataset.sort = sort;
  for (const link of $("sort").querySelectorAll("a")) {
    if (link.dataset.sort === sort) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  waiting.clear();
  elsewhere.clear();
  paint({ inserting: true });
  speak(sort === "newest" ? "Newest posts first" : "Oldest posts first");
}

// What is told

function lastUpdate() {
  const at = state.story.date_modified, { today, year, zone } = currentView();
  return at ? times.nearTime(at, today, year, zone) : "unknown";
}

let spokenAt = -SPEAK_EVERY_MS;
let speakTimer = 0;
/** Tell a screen reader, politely and not too often: the last word wins. @param {string} text */
function speak(text) {
  clearTimeout(speakTimer);
  speakTimer = setTimeout(() => {
    spokenAt = performance.now();
    $("spoken").textContent = text;
  }, Math.max(0, spokenAt + SPEAK_EVERY_MS - performance.now()));
}

// What a message does not tell

/** Read again what this page holds beyond `snapshot`, to the same depth; messages wait. @param {any} snapshot */
async function reread(snapshot) {
  const { queue, stop } = (rereading = { queue: [], stop: new AbortController() });
  notice.lineIs("behind");
  /** @param {any} query @returns {Promise<any>} a snapshot of the same epoch: another server may not know it yet */
  const step = (query) => {
    const address = `${state.story.url}/snapshot?${new URLSearchParams({ ...query, limit: limits.page_posts, min_seq: snapshot.seq })}`;
    return ask(address, async (answer) => {
      const { epoch, posts, has_more } = await answer.json();
      return epoch === snapshot.epoch ? { posts, more: has_more } : null;
    }, stop.signal);
  };
  /** @type {import("./fold.js").State | null} */
  let whole = null;
  try {
    const fresh = isWindow() ? await freshPage(snapshot, stop.signal) : null;
    whole = await extend(fresh?.state ?? fold(state, snapshot), state.posts, step);
    if (fresh) times = new Times(fresh.zones);
  } catch (error) {
    if (isWindow() && error instanceof Refused) location.reload(); // to be told so
    provable = false;
    if (!stop.signal.aborted) notice.failed("unread");
  }
  rereading = null;
  const newest = queue.findLastIndex(({ type }) => type === "snapshot");
  if (newest < 0 && !whole) return line.again();
  if (newest < 0) attempt(() => hold(/** @type {import("./fold.js").State} */ (whole), snapshot), snapshot);
  for (const received of queue.slice(Math.max(0, newest))) message(received);
}

/** This page as the server draws it now. @param {{epoch: string, seq: number}} at not before @param {AbortSignal} signal */
function freshPage(at, signal) {
  return ask(location.href, async (answer) => {
    const fresh = readPage(new DOMParser().parseFromString(await answer.text(), "text/html"));
    return fresh.state.epoch === at.epoch && fresh.state.seq >= at.seq ? fresh : null; // a cache may be a few seconds behind
  }, signal);
}

/** The story asks for zones, or its posts for years, that the page's table lacks: until it is here, offsets do. */
async function freshZones() {
  const fresh = await freshPage(state, new AbortController().signal).catch(() => null);
  if (!fresh) return;
  times = new Times(fresh.zones, times.lacking);
  for (const row of list.children) /** @type {any} */ (row).shownLook = "";
  paint();
}

// Proof of delivery

/** @type {number[]} */
let told = [];

/** After the second frame the event is on the screen. @param {any} event @param {boolean} live */
function painted(event, live) {
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const detail = { type: event.type, seq: event.seq, at: event.at, painted_ms: Date.now(), live };
    performance.mark(`stoppress:painted:${event.seq}`, { detail });
    dispatchEvent(new CustomEvent("stoppress:painted", { detail }));
    if (!live || !sample || document.visibilityState !== "visible") return;
    const now = performance.now();
    told = told.filter((then) => now - then < limits.seen_ms);
    if (told.length >= limits.seen) return;
    told.push(now);
    line.send({ type: "seen", seq: event.seq });
  }));
}
