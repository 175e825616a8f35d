// @ts-check
/**
 * The operations page: one sample a second from `WS /stats/ws` (PROTOCOL section 8), as numbers, lines and tables.
 *
 * The largest words are whether readers are reached, as the server judges it. What is shown is never older than it
 * looks: without a sample for three seconds the page says that it lost the server, the figures fade, and a note says
 * of when they are. Retries wait a random part of a doubling time.
 */

import { h } from "./render.js";
import { REVOKED, made, pause } from "./socket.js";
import { withCommas } from "./times.js";

const KEPT = 120; // samples: two minutes
const SILENT_MS = 3_000;
const DEAF_MS = 6_000; // a socket that says nothing for so long is given up: its worker may hang, and others answer
const MEAN_OF = 10; // seconds: single events come and go too fast to be read
const $ = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {Record<string, number[]>} what is drawn */
const past = { readers: [], events_per_s: [], deliveries_per_s: [], at_head: [] };
/** @type {Record<string, number[]>} the last samples of a rate */
const recent = { events_per_s: [], deliveries_per_s: [] };

const TITLE = document.title;

let failures = 0;
let heardAt = 0;
let openedAt = 0;
let isUnable = false; // this browser opens no WebSocket
/** @type {WebSocket | null} */
let open = null;
let lastAt = "";
/** @type {{reached: boolean, text: string, troubles: string[]}} */
let health = { reached: true, text: "–", troubles: [] };

connect();
setInterval(() => {
  const now = performance.now();
  if (now - heardAt > SILENT_MS) tellLine();
  if (open && now - Math.max(heardAt, openedAt) > DEAF_MS) lose(open);
}, 500);

function connect() {
  const socket = made(() => new WebSocket(`${location.origin.replace(/^http/, "ws")}/stats/ws`));
  if (!socket) {
    isUnable = true;
    return tellLine();
  }
  open = socket;
  openedAt = performance.now();
  socket.onmessage = (event) => {
    if (open !== socket) return;
    failures = 0;
    heardAt = performance.now();
    const sample = JSON.parse(event.data);
    lastAt = sample.at;
    health = sample.health;
    show(sample);
    tellLine();
  };
  socket.onclose = (event) => {
    if (open !== socket) return;
    // A revoked token ends the session; the page's own address asks for a new one.
    if (event.code === REVOKED) return location.assign("/login?next=/dashboard");
    lose(socket);
  };
}

/** @param {WebSocket} socket */
function lose(socket) {
  open = null;
  socket.close();
  failures += 1;
  tellLine();
  setTimeout(connect, 250 + pause(failures));
}

function tellLine() {
  const live = heardAt > 0 && performance.now() - heardAt <= SILENT_MS;
  const known = live || (!heardAt && failures === 0 && !isUnable);
  say($("line"), isUnable ? "Figures come over a WebSocket, and this browser opens none" : live ? "Figures are live" : lastAt ? `Figures are of ${clock(lastAt)} UTC; connecting again` : "Connecting…");
  $("line").classList.toggle("is-live", live);
  $("numbers").classList.toggle("is-waiting", !live);
  const words = known ? health.text : isUnable ? "This page cannot ask the server" : "This page lost the server";
  say($("health-words"), words);
  $("health").classList.toggle("is-bad", live && !health.reached);
  $("health").classList.toggle("is-lost", !known);
  const more = live ? health.troubles.slice(1) : [];
  $("health-more").hidden = more.length === 0;
  if ($("health-more").textContent !== more.join("")) $("health-more").replaceChildren(...more.map((text) => h("li", {}, text)));
  // A wall has many tabs, and only their titles are seen.
  document.title = known && health.reached ? TITLE : `${words} · ${TITLE}`;
}

/** Only what is new: a reader of the screen is told of every change. @param {HTMLElement} node @param {string} words */
function say(node, words) {
  if (node.textContent !== words) node.textContent = words;
}

/** @param {string} at */
function clock(at) {
  return at.slice(11, 19);
}

/** @param {any} sample */
function show(sample) {
  const written = { ...sample };
  for (const [name, values] of Object.entries(recent)) {
    values.push(Number(sample[name] ?? 0));
    if (values.length > MEAN_OF) values.shift();
    written[name] = values.reduce((sum, value) => sum + value, 0) / values.length;
  }
  for (const [name, values] of Object.entries(past)) {
    values.push(Number(written[name] ?? 0));
    if (values.length > KEPT) values.shift();
    const number = document.querySelector(`[data-number="${name}"]`);
    if (number) number.textContent = name === "at_head" ? share(written[name], sample.readers) : figure(written[name]);
    const most = Math.max(name === "at_head" ? 1 : 0, ...values);
    draw(/** @type {SVGElement} */ (document.querySelector(`[data-spark="${name}"]`)), values, most, name !== "at_head");
    const top = document.querySelector(`[data-top="${name}"]`);
    if (top) top.textContent = name === "at_head" ? "0 to 100 %" : most ? `0 to ${figure(most)}` : "0 so far";
  }
  for (const row of document.querySelectorAll("[data-latency]")) {
    const held = sample.latency_ms?.[/** @type {HTMLElement} */ (row).dataset.latency ?? ""] ?? {};
    [held.p50, held.p95, held.p99].forEach((ms, n) => (row.children[n + 1].textContent = milliseconds(ms)));
  }
  const store = sample.store ?? {};
  $("store").textContent = store.status === "ok" ? "Connected" : `Not heard${store.stale_since ? ` since ${clock(store.stale_since)} UTC` : ""}`;
  $("store").classList.toggle("is-bad", store.status !== "ok");
  const stories = Object.entries(sample.stories ?? {}).sort(([a, one], [b, two]) => two.readers - one.readers || (a < b ? -1 : 1));
  $("no-stories").hidden = stories.length > 0;
  rows($("stories"), stories.map(([slug, story]) => ({
    name: h("a", { href: `/live/${slug}` }, slug),
    bad: false,
    cells: [story.status ?? "", figure(story.readers), share(story.readers ? story.at_head / story.readers : 1, story.readers), figure(story.seq), figure(story.post_count)],
  })));
  const incidents = sample.incidents ?? [];
  $("no-incidents").hidden = incidents.length > 0;
  $("lately").replaceChildren(...incidents.map((/** @type {any} */ one) => h("li", {}, h("time", { datetime: one.at }, clock(one.at)), " ", one.text)));
  const workers = Object.entries(sample.workers ?? {});
  const nodes = new Set(workers.map(([, worker]) => worker.node));
  rows($("workers"), workers.map(([id, worker]) => ({
    name: h("span", { title: id }, nodes.size > 1 ? `${worker.name} of ${worker.node}` : worker.name),
    bad: worker.status !== "ok",
    cells: [worker.status === "unknown" ? `no answer since ${clock(worker.last_heard ?? "")}` : worker.is_draining ? "leaving" : worker.status, figure(worker.readers),
      figure(worker.events_per_s), figure(worker.deliveries_per_s), milliseconds(worker.latency_ms?.written?.p95)],
  })));
}

/** @param {HTMLElement} body @param {{name: Node, bad: boolean, cells: string[]}[]} wanted */
function rows(body, wanted) {
  body.replaceChildren(...wanted.map(({ name, bad, cells }) => h("tr", { class: bad && "is-bad" }, h("th", { scope: "row" }, name),
    cells.map((cell, n) => h("td", { class: n > 0 && "number" }, cell || "–")))));
}

/** A line of the last two minutes, newest at the right edge. @param {SVGElement} svg @param {number[]} values @param {number} most the value at the upper edge @param {boolean} pad draw what is not known yet as nothing */
function draw(svg, values, most, pad) {
  const known = values.map((value, n) => `${KEPT - values.length + n},${(31 - (value / (most || 1)) * 30).toFixed(1)}`);
  // Of the time before the page was opened nothing is known: that stretch lies on the baseline.
  const points = pad && values.length < KEPT ? ["0,31", `${KEPT - values.length},31`, ...known] : known;
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  line.setAttribute("points", points.join(" "));
  line.setAttribute("vector-effect", "non-scaling-stroke");
  svg.replaceChildren(line);
}

/** @param {number | null | undefined} value */
function figure(value) {
  if (value === null || value === undefined) return "–";
  return Number.isInteger(value) ? withCommas(value) : value >= 100 ? withCommas(Math.round(value)) : value.toFixed(1);
}

/** @param {number | null | undefined} value */
function milliseconds(value) {
  return value === null || value === undefined ? "–" : value < 10 ? value.toFixed(1) : withCommas(Math.round(value));
}

/** @param {number | null | undefined} value @param {number} readers */
function share(value, readers) {
  if (value === null || value === undefined || !readers) return "–";
  return `${value >= 0.9995 ? 100 : Math.min(99.9, value * 100).toFixed(1)} %`;
}
