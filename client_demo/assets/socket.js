// @ts-check
/**
 * Keeps one story's messages coming: WebSocket first, SSE where sockets do not get through, for ever.
 *
 * The only user of sockets and their timers. It knows no fold: it asks `position()` where to resume, hands over each
 * message, and tells how the line is. The line is open when the page says so (`accept`): what was heard may not fit.
 * Until then every attempt is a failure that makes the next one wait longer, a random part of it (full jitter), so that
 * a thousand pages that lost one server do not come back in one second.
 */

const FIRST_RETRY_MS = 1_000;
const FEW_FAILURES = 5; // a server that restarts is back within seconds: wait no longer than
const FEW_RETRY_MS = 4_000;
const LAST_RETRY_MS = 30_000;
const STEADY_MS = 10_000; // a line that was open for less is one more failure
const SOCKETS_BEFORE_SSE = 3;
/** What close codes mean for the page (server/wire/native.py; tests/browser/test_shared.py compares). */
export const FINAL = new Map([[4404, "missing"], [4410, "gone"]]);
export const REVOKED = 4401;
/** Is asking again of any use, after a code that is known here or not? @param {number} code */
export const comesBack = (code) => code < 4400 || code > 4499;
/** What the stream says, as server/newsroom and server/hub name it: an EventSource hears only what it asks for. */
export const SSE_TYPES = ["hello", "snapshot", "resumed", "beat", "readers", "stale", "live", "bye", "post.published", "post.updated",
  "post.withdrawn", "post.deleted", "story.updated", "story.ended", "story.reopened", "story.deleted"];

/** How long the attempt after so many failures waits, in ms. @param {number} failures @param {number} chance from 0 to 1 */
export function pause(failures, chance = Math.random()) {
  const most = failures <= FEW_FAILURES ? FEW_RETRY_MS : LAST_RETRY_MS;
  return chance * Math.min(most, FIRST_RETRY_MS * 2 ** Math.max(0, failures - 1));
}

/**
 * @typedef {object} Handlers
 * @property {() => {epoch: string, seq: number} | null} position  where to resume; null asks for a snapshot
 * @property {(message: any) => void} message
 * @property {(line: "open" | "lost" | "missing" | "gone" | "refused" | "unable") => void} line
 */

/** What the browser makes, or null where it has no such thing, or forbids it (SecurityError). @template T @param {() => T} make */
export function made(make) {
  try {
    return make();
  } catch {
    return null;
  }
}

export class Line {
  /** @param {string} path the story's path, such as `/live/harbour` @param {number} silenceMs the server speaks more often @param {Handlers} handlers */
  constructor(path, silenceMs, handlers) {
    this.path = path;
    this.silenceMs = silenceMs;
    this.handlers = handlers;
    this.failures = 0;
    /** @type {{close: () => void, send?: (text: string) => void} | null} */
    this.wire = null;
    this.heard = 0; // by the wall clock: the other one may stand still while a laptop sleeps
    this.hasSpoken = false; // the server, on this wire
    this.openSince = 0;
    this.overEvents = false; // the last line that was open
    this.retryMs = /** @type {number | null} */ (null); // the server's own hint, from `bye`
    this.timer = 0;
    this.done = false;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
    addEventListener("pageshow", (event) => event.persisted && this.#anew());
    setInterval(() => this.#listen(), silenceMs / 12);
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.#drop();
    if (this.done) return;
    this.heard = Date.now();
    // Where only SSE came through, it is tried first; and every other time a socket, for that may have changed.
    const overSse = this.failures % 2 === 1 && (this.overEvents || this.failures >= SOCKETS_BEFORE_SSE);
    const ways = [() => this.#openSocket(), () => this.#openEvents()];
    if (overSse) ways.reverse();
    if (!ways.some((open) => open())) this.end("unable"); // this browser gives neither, now or later
  }

  /** What the server said is held and shown: the line is open, and the page not behind. */
  accept() {
    if (!this.wire || !this.hasSpoken) return;
    this.openSince ||= Date.now();
    this.overEvents = !this.wire.send;
    this.handlers.line("open");
  }

  /** Reconnect from the position: what is held and what was sent do not fit. */
  again() {
    if (this.wire) this.#broken(); // else it is under way
  }

  /** @param {any} message */
  send(message) {
    this.wire?.send?.(JSON.stringify(message));
  }

  /** Stop for good. @param {"missing" | "gone" | "refused" | "unable"} how */
  end(how) {
    this.done = true;
    clearTimeout(this.timer);
    this.timer = 0;
    this.#drop();
    this.handlers.line(how);
  }

  /** False where this browser has no such thing; so below. */
  #openSocket() {
    const at = this.handlers.position();
    const query = at ? `?epoch=${encodeURIComponent(at.epoch)}&seq=${at.seq}` : "";
    const socket = made(() => new WebSocket(`${location.origin.replace(/^http/, "ws")}${this.path}/ws${query}`, "stoppress.v1"));
    if (!socket) return false;
    const wire = { close: () => socket.close(), send: (/** @type {string} */ text) => socket.readyState === 1 && socket.send(text) };
    this.wire = wire;
    socket.onmessage = (event) => this.wire === wire && this.#hear(event.data);
    socket.onclose = (event) => {
      if (this.wire !== wire) return;
      if (comesBack(event.code)) this.#broken();
      else this.end(/** @type {"missing" | "gone" | "refused"} */ (FINAL.get(event.code) ?? "refused"));
    };
    return true;
  }

  #openEvents() {
    const at = this.handlers.position();
    const query = at ? `?last_event_id=${encodeURIComponent(`${at.epoch}:${at.seq}`)}` : "";
    const source = made(() => new EventSource(`${this.path}/events${query}`));
    if (!source) return false;
    const wire = { close: () => source.close() };
    this.wire = wire;
    for (const type of SSE_TYPES) {
      source.addEventListener(type, (event) => this.wire === wire && this.#hear(/** @type {MessageEvent} */ (event).data));
    }
    // The browser would retry by itself, but from the position of the address: this class knows a later one.
    source.onerror = () => this.wire === wire && this.#broken();
    return true;
  }

  /** @param {string} data */
  #hear(data) {
    this.heard = Date.now();
    this.hasSpoken = true;
    /** @type {any} */
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.#broken();
    }
    if (message.type === "bye") this.retryMs = message.retry_ms;
    this.handlers.message(message);
  }

  /** A line that was swallowed closes nothing: it is known by its silence, and an attempt by its own, sooner. */
  #listen() {
    if (this.wire && Date.now() - this.heard > (this.hasSpoken ? this.silenceMs : this.silenceMs / 4)) this.#broken();
  }

  #broken() {
    if (this.openSince && Date.now() - this.openSince > STEADY_MS) this.failures = 0;
    this.#drop();
    this.handlers.line("lost");
    const hint = this.retryMs;
    this.retryMs = null;
    if (hint === null) this.failures += 1;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), hint ?? pause(this.failures));
  }

  /** The network or the reader came back: do not make them wait for the timer. */
  #hurry() {
    if (this.timer) this.open();
    else if (this.wire && Date.now() - this.heard > this.silenceMs / 2) this.#anew();
  }

  /** Not a failure of the line: nobody listened to it. */
  #anew() {
    if (this.done) return;
    this.handlers.line("lost");
    this.open();
  }

  #drop() {
    const wire = this.wire;
    this.wire = null;
    this.hasSpoken = false;
    this.openSince = 0;
    wire?.close();
  }
}
