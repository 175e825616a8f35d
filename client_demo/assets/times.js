// @ts-check
/**
 * What the page says about times, people and counts: the same rules as `server/web/format.py`, written again here.
 *
 * A browser's own zone names differ from the server's, so offsets and names come from the table in the page. A moment
 * or a zone outside the table is shown by the browser's own knowledge, as `UTC+8`, until the page brings a new table.
 *
 * @typedef {{from: number, to: number, spans: [number, number, string][]}} Zone
 * @typedef {{day: string, clock: string, zone: string, short: string, date: string, weekday: string}} Local
 */

const WEEKDAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
  "November", "December"];
const LONG_PINNED_CHARS = 400;
const RTL_LANGUAGES = new Set("ar arc ckb dv fa he iw ji ks nqo ps sd syr ug ur yi".split(" "));
const RTL_SCRIPTS = new Set("adlm arab hebr mand nkoo rohg samr syrc thaa".split(" "));

const two = (/** @type {number} */ n) => String(n).padStart(2, "0");

/** @param {number} minutes */
function offsetLabel(minutes) {
  if (minutes === 0) return "UTC";
  const size = Math.abs(minutes), rest = size % 60;
  return `UTC${minutes < 0 ? "-" : "+"}${Math.floor(size / 60)}${rest ? ":" + two(rest) : ""}`;
}

/** The offset in minutes that this browser knows. @param {number} ms @param {string} zone */
function browserOffset(ms, zone) {
  try {
    const parts = new Intl.DateTimeFormat("en-u-hc-h23", {
      timeZone: zone, year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
    }).formatToParts(ms);
    const get = (/** @type {string} */ type) => Number(parts.find((part) => part.type === type)?.value);
    const shown = Date.UTC(get("year"), get("month") - 1, get("day"), get("hour"), get("minute"));
    return Math.round((shown - ms) / 60000);
  } catch {
    return 0;
  }
}

/** The times of one page: its zones, and every phrase made from them. */
export class Times {
  /** @param {Record<string, Zone>} zones */
  constructor(zones) {
    this.zones = zones;
  }

  /** Whether the table covers every zone of the story. @param {any} story */
  knows(story) {
    return storyZones(story).every((zone) => zone in this.zones);
  }

  /** @param {string} at @param {string} zone @returns {Local} */
  local(at, zone) {
    const ms = Math.floor(Date.parse(at) / 1000) * 1000;
    const [minutes, name] = this.#offset(ms, zone);
    const shown = new Date(ms + minutes * 60000);
    const short = `${shown.getUTCDate()} ${MONTHS[shown.getUTCMonth()]}`;
    const year = shown.getUTCFullYear();
    return {
      day: `${String(year).padStart(4, "0")}-${two(shown.getUTCMonth() + 1)}-${two(shown.getUTCDate())}`,
      clock: `${two(shown.getUTCHours())}:${two(shown.getUTCMinutes())}`,
      zone: name,
      short,
      date: `${short} ${year}`,
      weekday: WEEKDAYS[shown.getUTCDay()],
    };
  }

  /** @param {number} ms @param {string} zone @returns {[number, string]} */
  #offset(ms, zone) {
    const table = Object.hasOwn(this.zones, zone) ? this.zones[zone] : null;
    if (table && ms >= table.from && ms < table.to) {
      const span = table.spans.findLast(([from]) => from <= ms) ?? table.spans[0];
      return [span[1], span[2]];
    }
    const minutes = browserOffset(ms, zone);
    return [minutes, offsetLabel(minutes)];
  }

  /** `17:58 EST`, then the other zones of the story. @param {string} at @param {any} story @returns {string[]} */
  inZones(at, story) {
    const [first, ...others] = storyZones(story).map((zone) => this.local(at, zone));
    const shown = [`${first.clock} ${first.zone}`];
    for (const other of others) {
      const text = `${other.clock} ${other.zone}${other.day === first.day ? "" : `, ${other.short}`}`;
      if (!shown.includes(text)) shown.push(text);
    }
    return shown;
  }

  /** `Sunday 22 November 2026, 17:58 EST; 22:58 GMT`. @param {string} at @param {any} story */
  fullTime(at, story) {
    const here = this.local(at, storyZones(story)[0]);
    return `${here.weekday} ${here.date}, ${this.inZones(at, story).join("; ")}`;
  }

  /** `17:58 EST`, with the date in front when it is not on `day`. @param {string} at @param {string} day @param {string} zone */
  nearTime(at, day, zone) {
    const here = this.local(at, zone);
    return `${here.day === day ? "" : `${here.short}, `}${here.clock} ${here.zone}`;
  }
}

/** @param {any} story @returns {string[]} */
export function storyZones(story) {
  return [...new Set([story.time_zone || "UTC", ...(story.display_time_zones ?? [])])];
}

/** The people that the verbatim line does not already name. @param {any[] | undefined} people @param {string} [said] */
export function unnamed(people, said = "") {
  return (people ?? []).filter((person) => !said.includes(person.name));
}

/** `A`, `A and B`, `A, B and C`. @param {string[]} parts */
export function joined(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}

/** @param {number} count */
export function countPosts(count) {
  return count === 0 ? "No posts yet" : count === 1 ? "1 post" : `${withCommas(count)} posts`;
}

/** @param {number} count */
export function withCommas(count) {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `rtl` or `ltr`, by the story's language tag. @param {string | undefined} language */
export function direction(language) {
  const [primary, ...rest] = (language || "en").toLowerCase().split("-");
  const script = rest.find((part) => /^[a-z]{4}$/.test(part));
  return (script ? RTL_SCRIPTS.has(script) : RTL_LANGUAGES.has(primary)) ? "rtl" : "ltr";
}

/** Whether a pinned copy is folded until the reader opens it. @param {any} post */
export function isLong(post) {
  return [...(post.content_html ?? "")].length > LONG_PINNED_CHARS || Boolean(post.images?.length);
}
