// @ts-check
/**
 * What the page says about times, people and counts: the same rules as `server/web/format.py`, written again here.
 *
 * A browser's own zone names differ from the server's, so offsets and names come from the table in the page. A moment
 * or a zone outside the table is shown by the browser's own knowledge, as `UTC+8`, until the page brings a new table.
 *
 * @typedef {[from: number, to: number, minutes: number, name: string][]} Zone
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
  /** @param {Record<string, Zone>} zones @param {Set<string>} [refused] years of zones that the server has not either */
  constructor(zones, refused = new Set()) {
    this.zones = zones;
    this.refused = refused;
    /** @type {Set<string>} years of zones that were asked for and are not in the table */
    this.lacking = new Set();
  }

  /** Whether the table had all that was asked of it, as far as the server's can. */
  get isEnough() {
    return [...this.lacking].every((year) => this.refused.has(year));
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
    // `?.`: a page that another release drew, while workers were replaced, may hold a table of another form.
    const span = Object.hasOwn(this.zones, zone) && this.zones[zone].find?.(([from, to]) => from <= ms && ms < to);
    if (span) return [span[2], span[3]];
    this.lacking.add(`${zone} ${new Date(ms).getUTCFullYear()}`);
    const minutes = browserOffset(ms, zone);
    return [minutes, offsetLabel(minutes)];
  }

  /** `17:58 EST`, then the other zones of the story. @param {string} at @param {any} story @returns {string[]} */
  inZones(at, story) {
    const [first, ...others] = storyZones(story).map((zone) => this.local(at, zone));
    const shown = [`${first.clock} ${first.zone}`];
    for (const other of others) {
      const date = other.day === first.day ? "" : `, ${nearDate(other, first.day, first.day.slice(0, 4))}`;
      const text = `${other.clock} ${other.zone}${date}`;
      if (!shown.includes(text)) shown.push(text);
    }
    return shown;
  }

  /** `Sunday 22 November 2026, 17:58 EST; 22:58 GMT`. @param {string} at @param {any} story */
  fullTime(at, story) {
    const here = this.local(at, storyZones(story)[0]);
    return `${here.weekday} ${here.date}, ${this.inZones(at, story).join("; ")}`;
  }

  /** `17:58 EST`, behind its `nearDate`. @param {string} at @param {string} day @param {string} year @param {string} zone */
  nearTime(at, day, year, zone) {
    const here = this.local(at, zone);
    const date = nearDate(here, day, year);
    return `${date && `${date}, `}${here.clock} ${here.zone}`;
  }

  /** `2026`: what a date need not say. @param {number} nowMs @param {string} zone */
  thisYear(nowMs, zone) {
    return this.local(new Date(nowMs).toISOString(), zone).day.slice(0, 4);
  }

  /**
   * Under which day's heading each post stands, by id; "" = none. Without a date it stands where its neighbours do; by
   * its last change alone it is as old as that at least. Where dates rise down the page all the same, there are no headings.
   * @param {any[]} posts @param {string} zone @returns {Map<string, string>}
   */
  headingDays(posts, zone) {
    const days = new Map();
    let day = "";
    for (const post of [...posts].sort((a, b) => (a.sort_time < b.sort_time ? 1 : a.sort_time > b.sort_time ? -1 : 0))) {
      const at = ownDate(post);
      let own = at && this.local(at, zone).day;
      if (day && own > day) {
        if (post.date_published) return new Map(posts.map(({ id }) => [id, ""]));
        own = day;
      }
      day = own || day;
      days.set(post.id, day);
    }
    const first = [...days.values()].find(Boolean) ?? "";
    for (const [id, held] of days) days.set(id, held || first);
    return days;
  }
}

/** When a post was published, else when it was last changed; "" = unknown. @param {any} post @returns {string} */
export function ownDate(post) {
  return post.date_published || post.date_modified || "";
}

/** The date as far as `day`, which stands nearby, and this `year` do not say it; of another year always all of it.
 * @param {Local} here @param {string} day @param {string} year */
export function nearDate(here, day, year) {
  if (here.day.slice(0, 4) !== year) return here.date;
  return here.day === day ? "" : here.short;
}

/** `2026-11-22` → `Sunday 22 November 2026`. @param {string} day */
export function dayName(day) {
  const there = new Date(`${day}T00:00:00Z`);
  return `${WEEKDAYS[there.getUTCDay()]} ${there.getUTCDate()} ${MONTHS[there.getUTCMonth()]} ${there.getUTCFullYear()}`;
}

/** The line that stands for a post; the server made it where there is no headline. @param {any} post @returns {string} */
export function label(post) {
  return post.headline || post.label || "Withdrawn post";
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
