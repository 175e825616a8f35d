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
import { h, refill, remember, showPosts, View } from "./render.js";
import { Line } from "./socket.js";
import { direction, label, Times, withCommas } from "./times.js";

const NOTICE_AFTER_MS = 2_500;
const SPEAK_EVERY_MS = 4_000;
const QUARTER_MS = 900_000;
const SEEN_BY = 0.9; // of the screen's height: a post that begins above this line is seen
const SEEN_PER_10_S = 8; // the server closes a reader that says more than 10

const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const root = $("story"), list = $("posts"), pill = /** @type {HTMLButtonElement} */ ($("pill")), notice = $("notice");
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const page = readPage(document);
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
/** @type {any[] | null} messages that wait while something is read again */
let queue = null;
let sample = 0;

takeOver();
const line = new Line(`/live/${root.dataset.slug}`, { position, message, line: lineChanged });
line.open();

/** The page's own data; the texts are taken from where they stand. @param {Document} from */
function readPage(from) {
  const { zones, ...held } = JSON.parse(from.getElementById("state")?.textContent ?? "{}");
  const bodies = new Map();
  for (const article of from.querySelectorAll("article[data-id]")) {
    bodies.set(/** @type {HTMLElement} */ (article).dataset.id, article.querySelector(".body")?.innerHTML);
  }
  for (const post of [...held.posts, ...(held.pinned ? [held.pinned] : [])]) {
    const body = bodies.get(post.id);
    if (body) post.content_html = body;
  }
  return { zones, state: /** @type {import("./fold.js").State} */ (held) };
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
  if (queue) return void queue.push(received);
  if (received.type === "hello") {
    sample = Math.random() < received.sample ? 1 : 0;
    showStale(received.stale_since);
    return;
  }
  if (received.type === "stale") return showStale(received.since);
  if (received.type === "live") return showStale(null);
  if (received.type === "snapshot" && !received.reread) {
    // It holds the newest posts, and says nothing of older ones that stand in this page: those are read again.
    const last = received.posts.at(-1);
    const beyond = state.posts.filter((post) => last && post.sort_time < last.sort_time).length;
    if (isWindow()) return void meanwhile(() => freshPage(received.seq));
    if (beyond && received.has_more) return void meanwhile(() => freshOlder(received, beyond));
  }
  const before = state;
  try {
    state = fold(state, received);
    provable = true;
  } catch (error) {
    if (!(error instanceof Gap)) throw error;
    provable = received.type !== "resumed"; // a server that resumes wrongly once is asked for everything
    return line.again();
  }
  if (state === before) return;
  if (state.seq === before.seq && received.type !== "snapshot") return;
  root.dataset.epoch = state.epoch;
  root.dataset.seq = String(state.seq);
  paint({ inserting: meet(before, received) });
  if (!times.isEnough) freshZones();
  const live = received.type !== "snapshot" && received.type !== "resumed";
  for (const event of received.type === "resumed" ? received.events : [received]) painted(event, live);
}

/** Sort the posts that are new into: shown at once, waiting behind the pill, elsewhere. True if some push the list.
 * @param {any} before @param {any} received */
function meet(before, received) {
  const known = new Set(before.posts.map((/** @type {any} */ post) => post.id));
  const held = new Set(state.posts.map((post) => post.id));
  const top = before.posts[0]?.sort_time ?? "";
  const fresh = state.posts.filter((post) => !known.has(post.id) && post.sort_time > top && post.status === "published");
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
    const added = showPosts(list, sort === "newest" ? shown : shown.toReversed(), view);
    // Of those that are out of sight, `noteReading` takes care.
    if (list.childElementCount > added.length + 1) for (const row of added) if (!isBelow(row)) highlight(row);
  });
  root.className = `story is-${state.story.status}`;
  root.lang = state.story.language || "en";
  root.dir = direction(state.story.language);
  if (state.story.status === "deleted") say("This story has been removed.");
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
  const marks = scrollY === 0 ? [] : landmarks(inserting);
  change();
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

// The line, told honestly

let lostTimer = 0;
let wasLost = false;
let staleSince = /** @type {string | null} */ (null);

/** @param {"open" | "lost" | "missing" | "gone"} how */
function lineChanged(how) {
  document.documentElement.dataset.line = how;
  if (how === "lost") {
    lostTimer ||= setTimeout(() => {
      wasLost = true;
      say(`${navigator.onLine ? "Reconnecting…" : "You are offline."} Last update ${lastUpdate()}.`);
    }, NOTICE_AFTER_MS);
    return;
  }
  clearTimeout(lostTimer);
  lostTimer = 0;
  if (how === "gone") say("This story has been removed.");
  else if (how === "missing") say("This story is not here any more. Reload the page to look for it.");
  else if (wasLost) {
    wasLost = false;
    say("You are up to date again.", 4_000);
  } else showStale(staleSince);
}

/** @param {string | null | undefined} since */
function showStale(since) {
  const was = staleSince;
  staleSince = since ?? null;
  if (staleSince) say(`Updates are delayed. Last update ${lastUpdate()}.`);
  else if (was) say("You are up to date again.", 4_000);
}

function lastUpdate() {
  const at = state.story.date_modified, { today, year, zone } = currentView();
  return at ? times.nearTime(at, today, year, zone) : "unknown";
}

let quietTimer = 0;
/** @param {string} text @param {number} [forMs] */
function say(text, forMs) {
  clearTimeout(quietTimer);
  notice.textContent = text;
  notice.classList.add("is-shown");
  if (forMs) quietTimer = setTimeout(() => notice.classList.remove("is-shown"), forMs);
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

// What only a fresh page can tell

/** The story asks for zones, or its posts for years, that the page's table lacks. */
async function freshZones() {
  const fresh = await fetchPage(state.seq);
  if (!fresh) return;
  times = new Times(fresh.zones, times.lacking);
  for (const row of list.children) /** @type {any} */ (row).shownLook = "";
  paint();
}

/** Let messages wait while `read` works; if it fails, the line starts anew. @param {() => Promise<boolean>} read */
async function meanwhile(read) {
  queue = [];
  const done = await read();
  const missed = queue;
  queue = null;
  if (!done) return line.again();
  for (const received of missed) message(received);
}

/** A page of older posts, as it is now. @param {number} seq */
async function freshPage(seq) {
  const fresh = await fetchPage(seq);
  if (!fresh) return false;
  state = fresh.state;
  times = new Times(fresh.zones);
  provable = true;
  paint();
  return true;
}

/** The snapshot with as many older posts as the page held. @param {any} snapshot @param {number} count */
async function freshOlder(snapshot, count) {
  try {
    const query = new URLSearchParams({ before: snapshot.posts.at(-1).id, limit: String(Math.min(count, 500)), min_seq: snapshot.seq });
    const answer = await fetch(`${state.story.url}/snapshot?${query}`, { cache: "no-store" });
    if (!answer.ok) return false;
    const older = await answer.json();
    if (older.epoch !== snapshot.epoch) return false;
    const whole = { ...snapshot, posts: [...snapshot.posts, ...older.posts], has_more: older.has_more, reread: true };
    queue?.unshift(whole);
    return true;
  } catch {
    return false;
  }
}

/** This page at `seq` or later; a cache may be a few seconds behind. @param {number} seq */
async function fetchPage(seq) {
  for (let tries = 0; tries < 5; tries += 1) {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status === 404 || answer.status === 410) location.reload(); // to be told so
      const fresh = answer.ok && readPage(new DOMParser().parseFromString(await answer.text(), "text/html"));
      if (fresh && (fresh.state.epoch !== state.epoch || fresh.state.seq >= seq)) return fresh;
    } catch {
      // the line is down; the next message asks again
    }
    await new Promise((done) => setTimeout(done, 500 * 2 ** tries));
  }
  return null;
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
    told = told.filter((then) => now - then < 10_000);
    if (told.length >= SEEN_PER_10_S) return;
    told.push(now);
    line.send({ type: "seen", seq: event.seq });
  }));
}
