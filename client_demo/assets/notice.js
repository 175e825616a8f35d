// @ts-check
/**
 * How the line is, told honestly: a calm sentence at the foot of the screen, and `data-line` / `data-stale` for the sheet.
 *
 * Short losses are nobody's business. What lasts is said with its reason until it is over, and only when the page holds
 * and shows what the server has does it say so.
 *
 * @typedef {"" | "open" | "behind" | "lost" | "missing" | "gone" | "refused" | "unable"} How `behind`: the line is there, what is shown is older
 * @typedef {"" | "unread" | "unshown"} Why the reason of a failure that is not the line's
 */

const AFTER_MS = 2_500;
const GOOD_NEWS_MS = 4_000;

export class Notice {
  /** @param {HTMLElement} node @param {() => string} lastUpdate as people read it */
  constructor(node, lastUpdate) {
    this.node = node;
    this.lastUpdate = lastUpdate;
    this.line = /** @type {How} */ ("");
    this.why = /** @type {Why} */ ("");
    this.isStale = false;
    this.wasTold = false;
    this.waiting = 0;
    this.quieting = 0;
  }

  /** @param {How} how */
  lineIs(how) {
    this.line = how;
    document.documentElement.dataset.line = how;
    if (how === "open") this.why = "";
    if (how !== "behind" && how !== "lost") {
      clearTimeout(this.waiting);
      this.waiting = 0;
    } else {
      this.waiting ||= setTimeout(() => this.#tell(true), AFTER_MS);
    }
    this.#tell();
  }

  /** What failed although the line is there; forgotten when the line is open. @param {Why} why */
  failed(why) {
    this.why = why;
  }

  /** Whether the server itself hears its store. @param {boolean} isStale */
  storeIs(isStale) {
    this.isStale = isStale;
    document.documentElement.toggleAttribute("data-stale", isStale);
    this.#tell();
  }

  /** @param {boolean} [isLong] the trouble has lasted long enough to be told */
  #tell(isLong = this.wasTold) {
    const words = this.#trouble(isLong);
    if (words) {
      this.wasTold = true;
      this.say(words);
    } else if (this.wasTold && this.line === "open") {
      this.wasTold = false;
      this.say("You are up to date again.", GOOD_NEWS_MS);
    }
  }

  /** @param {boolean} isLong */
  #trouble(isLong) {
    if (this.line === "gone") return "This story has been removed.";
    if (this.line === "refused") return "This page may not follow the story. Reload it to ask again.";
    if (this.line === "unable") return "This browser cannot follow the story live. Reload the page for the latest.";
    if (this.line === "missing") return "This story is not here any more. Reload the page to look for it.";
    const since = `Last update ${this.lastUpdate()}.`;
    if (this.line === "lost" || this.line === "behind") {
      if (!isLong) return "";
      if (this.why === "unshown") return "This page cannot show what is new. Reload it for the latest.";
      if (!navigator.onLine) return `You are offline. ${since}`;
      if (this.why === "unread") return `What is new cannot be loaded just now; trying again. ${since}`;
      return this.line === "lost" ? `Reconnecting… ${since}` : `Loading what is new… ${since}`;
    }
    return this.isStale ? `Updates are delayed. ${since}` : "";
  }

  /** @param {string} text @param {number} [forMs] */
  say(text, forMs) {
    clearTimeout(this.quieting);
    if (this.node.textContent !== text) this.node.textContent = text; // a status that is said again is read again
    this.node.classList.add("is-shown");
    if (forMs) this.quieting = setTimeout(() => this.node.classList.remove("is-shown"), forMs);
  }
}
