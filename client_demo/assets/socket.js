// @ts-check
/**
 * Keeps one story's messages coming: WebSocket first, SSE where sockets do not get through, for ever.
 *
 * The only user of sockets and timers. It knows no fold: it asks `position()` where to resume, hands over each message,
 * and tells how the line is. A retry waits a random part of a doubling time (full jitter), so that a thousand pages that
 * lost one server do not come back in one second.
 */

const SILENCE_MS = 60_000; // the server speaks every 20 to 25 s; three missed beats are a dead line
const FIRST_RETRY_MS = 1_000;
const FEW_FAILURES = 5; // a server that restarts is back within seconds: wait no longer than
const FEW_RETRY_MS = 4_000;
const LAST_RETRY_MS = 30_000;
const HELLO_MS = 15_000;
const SOCKETS_BEFORE_SSE = 3;
const FINAL = new Map([[4404, "missing"], [4410, "gone"]]);
const SSE_TYPES = ["hello", "snapshot", "resumed", "beat", "readers", "stale", "live", "bye", "post.published", "post.updated",
  "post.withdrawn", "post.deleted", "story.updated", "story.ended", "story.reopened", "story.deleted"];

/**
 * @typedef {object} Handlers
 * @property {() => {epoch: string, seq: number} | null} position  where to resume; null asks for a snapshot
 * @property {(message: any) => void} message
 * @property {(line: "open" | "lost" | "missing" | "gone") => void} line
 */

export class Line {
  /** @param {string} path the story's path, such as `/live/harbour` @param {Handlers} handlers */
  constructor(path, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.failures = 0;
    /** @type {{close: () => void, send?: (text: string) => void} | null} */
    this.wire = null;
    this.heard = 0; // by the wall clock: the other one may stand still while a laptop sleeps
    this.retryMs = /** @type {number | null} */ (null); // the server's own hint, from `bye`
    this.timer = 0;
    this.done = false;
    addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#hurry());
    addEventListener("pageshow", (event) => event.persisted && this.again());
    setInterval(() => this.#listen(), 5_000);
  }

  open() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.#drop();
    if (this.done) return;
    this.heard = Date.now();
    const overSse = this.failures >= SOCKETS_BEFORE_SSE && this.failures % 2 === 1;
    overSse ? this.#openEvents() : this.#openSocket();
  }

  /** Reconnect from the position now: what is held and what was sent do not fit. */
  again() {
    this.#lost();
    this.#later(Math.random() * FIRST_RETRY_MS);
  }

  /** @param {any} message */
  send(message) {
    this.wire?.send?.(JSON.stringify(message));
  }

  #openSocket() {
    const at = this.handlers.position();
    const query = at ? `?epoch=${encodeURIComponent(at.epoch)}&seq=${at.seq}` : "";
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${this.path}/ws${query}`, "stoppress.v1");
    const wire = { close: () => socket.close(), send: (/** @type {string} */ text) => socket.readyState === 1 && socket.send(text) };
    this.wire = wire;
    socket.onmessage = (event) => this.wire === wire && this.#hear(event.data);
    socket.onclose = (event) => {
      if (this.wire !== wire) return;
      const final = FINAL.get(event.code);
      if (final) this.#end(/** @type {"missing" | "gone"} */ (final));
      else this.#broken();
    };
  }

  #openEvents() {
    const at = this.handlers.position();
    const query = at ? `?last_event_id=${encodeURIComponent(`${at.epoch}:${at.seq}`)}` : "";
    const source = new EventSource(`${this.path}/events${query}`);
    const wire = { close: () => source.close() };
    this.wire = wire;
    for (const type of SSE_TYPES) {
      source.addEventListener(type, (event) => this.wire === wire && this.#hear(/** @type {MessageEvent} */ (event).data));
    }
    // The browser would retry by itself, but from the position of the address: this class knows a later one.
    source.onerror = () => this.wire === wire && this.#broken();
  }

  /** @param {string} data */
  #hear(data) {
    this.heard = Date.now();
    /** @type {any} */
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.again();
    }
    if (message.type === "bye") this.retryMs = message.retry_ms;
    if (message.type === "snapshot" || message.type === "resumed") {
      this.failures = 0;
      this.handlers.line("open");
    }
    if (message.type === "beat" && message.seq > (this.handlers.position()?.seq ?? 0)) return this.again();
    this.handlers.message(message);
  }

  #listen() {
    if (!this.wire || this.timer) return;
    const silent = Date.now() - this.heard;
    // Beats are comments in SSE, which a page cannot hear; there the browser reports the dead line itself.
    if (this.wire.send ? silent > SILENCE_MS : this.failures && silent > HELLO_MS) this.#broken();
  }

  #broken() {
    this.#lost();
    const hint = this.retryMs;
    this.retryMs = null;
    if (hint === null) this.failures += 1;
    const few = this.failures <= FEW_FAILURES;
    const most = Math.min(few ? FEW_RETRY_MS : LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.max(0, this.failures - 1));
    this.#later(hint ?? Math.random() * most);
  }

  #lost() {
    this.#drop();
    this.handlers.line("lost");
  }

  /** @param {number} ms */
  #later(ms) {
    clearTimeout(this.timer);
    this.timer = this.done ? 0 : setTimeout(() => this.open(), ms);
  }

  /** The network or the reader came back: do not make them wait for the timer. */
  #hurry() {
    if (this.timer) this.open();
    else if (Date.now() - this.heard > SILENCE_MS / 2) this.#broken();
  }

  #drop() {
    const wire = this.wire;
    this.wire = null;
    wire?.close();
  }

  /** @param {"missing" | "gone"} how */
  #end(how) {
    this.done = true;
    this.#drop();
    this.handlers.line(how);
  }
}
