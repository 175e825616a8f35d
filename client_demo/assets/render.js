// @ts-check
/**
 * The page's nodes: the same ones that `templates/post.html` makes (tests/browser compares them), and the smallest
 * change from what stands there. The only user of the DOM besides `reader.js`, which decides when.
 *
 * Text enters as text. The one exception is `content_html`: it was sanitised when it was published, and the page's
 * Content-Security-Policy stands behind it.
 */

import { countPosts, dayName, isLong, joined, label, nearDate, ownDate, storyZones, unnamed } from "./times.js";

export const CORRECTIONS = { correction: "Correction", clarification: "Clarification", retraction: "Retraction" };

/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

/** An element; attributes that are null, undefined or false are left out. @param {string} tag @param {Record<string, any>} [attributes] @param {...Child} children */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(.../** @type {(Node | string)[]} */ (children.flat(9).filter((child) => child || child === 0)));
  return node;
}

/** @param {string} html */
function trusted(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

const span = (/** @type {string} */ name, /** @type {Child[]} */ ...children) => h("span", { class: name }, ...children);

/** Everything a page shows of one state, by the page's times. */
export class View {
  /** @param {any} story @param {import("./times.js").Times} times @param {string} focus id of the post a permalink names @param {number} [nowMs] */
  constructor(story, times, focus, nowMs = Date.now()) {
    this.story = story;
    this.times = times;
    this.focus = focus;
    this.zone = storyZones(story)[0];
    this.today = times.local(new Date(nowMs).toISOString(), this.zone).day;
    this.year = times.thisYear(nowMs, this.zone);
  }

  /** Changes when a post that did not change would look different. @param {any} post @param {string} day of its heading */
  look(post, day) {
    return `${day}|${this.year}|${this.story.pinned_post_id === post.id}|${this.story.time_zone}|${this.story.display_time_zones ?? ""}|${post.url}`;
  }

  /** Days of the headings, by post. @param {any[]} posts */
  days(posts) {
    return this.times.headingDays(posts, this.zone);
  }

  /** @param {string} at @param {string} day */
  time(at, day, title = false) {
    return h("time", { datetime: at, title: title && this.times.fullTime(at, this.story), dir: "ltr" }, this.times.nearTime(at, day, this.year, this.zone));
  }

  /** @param {any[] | undefined} list @param {string} [said] */
  people(list, said = "", jobs = true) {
    const shown = unnamed(list, said);
    return shown.map((person, n) => [
      n > 0 && (n === shown.length - 1 ? " and " : ", "),
      span("person", person.url ? h("a", { href: person.url }, person.name) : person.name, jobs && person.job_title && span("job", `, ${person.job_title}`)),
    ]);
  }

  /** @param {any} image @param {boolean} lazy */
  picture(image, lazy) {
    const sized = image.width && image.height;
    return h("figure", { class: "picture" },
      h("img", {
        class: sized ? "sized" : "unsized", src: image.url, alt: image.alt ?? "", width: sized ? image.width : null,
        height: sized ? image.height : null, loading: lazy ? "lazy" : null, decoding: "async",
      }),
      (image.caption || image.credit_text) && h("figcaption", { dir: "auto" },
        image.caption && span("caption", image.caption), image.caption && image.credit_text && " ", image.credit_text && span("credit", image.credit_text)));
  }

  /** @param {any} post @param {string} day @param {boolean} asked browsers scroll to what has the focus first */
  when(post, day, asked) {
    const line = { class: "when", tabindex: asked && "-1", autofocus: asked };
    const at = ownDate(post);
    if (!at) return h("p", line, h("a", { class: "permalink", href: post.url }, span("prefix", "Time unknown")));
    const t = this.times.local(at, this.zone), date = nearDate(t, day, this.year);
    return h("p", line,
      h("a", { class: "permalink", href: post.url, title: this.times.fullTime(at, this.story) },
        !post.date_published && span("prefix", "Updated "),
        h("time", { datetime: at, dir: "ltr" }, date && [span("date", date), span("comma", ", ")], span("clock", t.clock), " ", span("zone", t.zone))));
  }

  /** @param {any} post @param {boolean} isPinned */
  marks(post, isPinned) {
    const marks = [
      post.is_breaking && span("mark mark-breaking", "Breaking"),
      isPinned && span("mark mark-pinned", "Pinned"),
      post.is_key_event && span("mark mark-key", "Key event"),
      post.is_summary && span("mark mark-summary", "Summary"),
    ];
    return marks.some(Boolean) && h("p", { class: "marks" }, marks);
  }

  /** The date that stands above the post is not said again below it. @param {any} post @param {string} day */
  saidDay(post, day) {
    return ownDate(post) ? this.times.local(ownDate(post), this.zone).day : day;
  }

  /** @param {any} post @param {string} day */
  foot(post, day) {
    const changed = post.date_modified && post.date_published && post.date_modified !== post.date_published;
    const withNames = unnamed(post.contributors, post.credit_note ?? "").map((person) => person.name);
    const corrections = post.corrections ?? [];
    if (!changed && !corrections.length && !post.credit_note && !post.contributors?.length && !post.change_note) return null;
    return h("footer", { class: "foot" },
      corrections.map((/** @type {any} */ one) => h("p", { class: "correction" },
        h("strong", { class: "kind" }, CORRECTIONS[/** @type {keyof typeof CORRECTIONS} */ (one.kind)]),
        one.date_published && [" ", this.time(one.date_published, day)],
        h("span", { class: "text", dir: "auto" }, one.text))),
      (post.credit_note || withNames.length > 0) && h("p", { class: "contributed", dir: "auto" },
        post.credit_note && span("note", post.credit_note), withNames.length > 0 && span("with", `With ${joined(withNames)}.`)),
      (changed || post.change_note) && h("p", { class: "changed" },
        h("span", { class: "mark-updated", dir: "ltr" }, "Updated", post.date_modified && [" ", this.time(post.date_modified, day, true)]),
        post.change_note && h("span", { class: "change-note", dir: "auto" }, post.change_note)));
  }

  /** @param {any} post @param {string} day of the heading it stands under @param {boolean} [copy] the pinned copy: only the original has `post-ID` and `head-ID` */
  article(post, day, copy = false) {
    const own = !copy, isPinned = own && this.story.pinned_post_id === post.id;
    const asked = own && this.focus === post.id;
    const headId = `${copy ? "pinned-head-" : "head-"}${post.id}`;
    const focus = asked ? " is-focus" : "";
    const data = { "data-id": post.id, "data-version": post.version, "data-sort": post.sort_time };
    if (post.status === "withdrawn") {
      const clock = ownDate(post) ? this.times.local(ownDate(post), this.zone).clock : "time unknown";
      return h("article", { class: `post is-withdrawn${focus}`, id: own && `post-${post.id}`, ...data, "aria-label": `${label(post)}, ${clock}` },
        this.when(post, day, asked),
        h("div", { class: "main" }, this.marks(post, isPinned),
          h("p", { class: "withdrawn" }, h("strong", { class: "kind" }, "This post was withdrawn"),
            post.date_withdrawn && [" ", this.time(post.date_withdrawn, this.saidDay(post, day))],
            post.withdrawal_note && h("span", { class: "text", dir: "auto" }, post.withdrawal_note))));
    }
    const marks = `${post.is_breaking ? " is-breaking" : ""}${post.is_key_event ? " is-key" : ""}${post.is_summary ? " is-summary" : ""}`;
    const people = this.people(post.authors, post.byline);
    return h("article", { class: `post${marks}${focus}`, id: own && `post-${post.id}`, ...data, "aria-labelledby": headId },
    this.when(post, day, asked),
    h("div", { class: "main" },
      this.marks(post, isPinned),
      h("h3", { class: post.headline ? "headline" : "visually-hidden", id: headId, dir: "auto" }, label(post)),
      (post.byline || post.authors?.length) && h("p", { class: "byline", dir: "auto" },
        post.byline && span("verbatim", post.byline), people.length > 0 && span("people", people)),
      (post.images ?? []).map((/** @type {any} */ image) => this.picture(image, true)),
      post.dateline && h("p", { class: "dateline", dir: "auto" }, post.dateline),
      h("div", { class: "body", dir: "auto" }, trusted(post.content_html ?? "")),
      this.foot(post, this.saidDay(post, day))));
  }

  /** @param {any} post */
  pinned(post) {
    const long = isLong(post);
    return h("section", { class: `pinned${long ? " is-long" : ""}`, "aria-labelledby": "pinned-name" },
      h("h2", { class: "pinned-name", id: "pinned-name" }, "Pinned"),
      long && h("input", { class: "fold-box", type: "checkbox", id: "pinned-open" }),
      h("div", { class: "fold" }, this.article(post, "", true)),
      long && h("label", { class: "fold-label", for: "pinned-open" }, span("when-shut", "Show all"), span("when-open", "Show less")));
  }

  status() {
    const { status, coverage_start_time: start, coverage_end_time: end } = this.story;
    if (status === "live") return h("p", { class: "status is-live" }, span("flag", "Live"));
    if (status === "upcoming") {
      return h("p", { class: "status is-upcoming" }, span("flag", "Coming up"), start && h("span", { class: "status-time", dir: "ltr" }, "Starts ", this.time(start, "", true)));
    }
    if (status === "ended") {
      return h("p", { class: "status is-ended" }, span("flag", "Ended"),
        h("span", { class: "status-time", dir: "ltr" }, "Live coverage has ended", end && [" · ", this.time(end, "", true)]));
    }
    return h("p", { class: "status is-ended" }, span("flag", "Removed"));
  }

  head() {
    const { headline, description, authors, date_modified: modified, lead_image: lead } = this.story;
    return h("header", {},
      this.status(),
      h("h1", { class: "title", dir: "auto" }, headline),
      description && h("p", { class: "standfirst", dir: "auto" }, description),
      h("div", { class: "meta" },
        authors?.length > 0 && h("p", { class: "story-byline", dir: "auto" }, "By ", this.people(authors, "", false)),
        modified && h("p", { class: "updated", dir: "ltr" }, "Updated ",
          h("time", { datetime: modified, title: this.times.fullTime(modified, this.story) },
            span("date", `${this.times.local(modified, this.zone).date}, `),
            this.times.inZones(modified, this.story).map((text, n) => (n ? [" ", span("zone-time other", text)] : span("zone-time", text)))))),
      h("a", { class: "to-latest", href: "#posts" }, "Go to the posts"),
      lead && this.picture(lead, false));
  }

  points() {
    const list = this.story.summary_points ?? [];
    return h("section", {}, list.length > 0 && [
      h("h2", { class: "guide-name", id: "points-name" }, "At a glance"),
      h("ul", { class: "points" }, list.map((/** @type {string} */ point) => h("li", { dir: "auto" }, point)))]);
  }

  /** @param {import("./fold.js").KeyEvent[]} entries @param {Set<string>} shown ids that stand in the page */
  keys(entries, shown) {
    const dated = entries.find(ownDate);
    const first = dated ? this.times.local(ownDate(dated), this.zone).day : "";
    return h("nav", {}, entries.length > 0 && [
      h("h2", { class: "guide-name", id: "keys-name" }, "Key events"),
      h("ol", { class: "keys", reversed: true }, entries.map((entry) => {
        const at = ownDate(entry), t = at ? this.times.local(at, this.zone) : null, date = t && nearDate(t, first, this.year);
        return h("li", { "data-id": entry.id }, h("a", { href: shown.has(entry.id) ? `#post-${entry.id}` : entry.url },
          t ? h("time", { class: "key-time", datetime: at, dir: "ltr" }, `${date && `${date}, `}${t.clock}`)
            : h("span", { class: "key-time", dir: "ltr" }, "Time unknown"),
          h("span", { class: "key-text", dir: "auto" }, label(entry))));
      }))]);
  }

  empty() {
    const { status } = this.story;
    return h("p", { class: "empty", dir: "ltr" },
      status === "ended" || status === "deleted" ? "No posts were published."
        : status === "upcoming" ? "Coverage is about to start. The first post will appear here by itself."
          : "Nothing yet. The first post will appear here by itself.");
  }

  /** The link to what lies beyond this end of the page. @param {boolean} newer @param {{older: boolean, newer: boolean, posts: any[]}} state @param {string} sort as the address asks for it, "" if it does not */
  more(newer, state, sort) {
    if (!(newer ? state.newer : state.older) || !state.posts.length) return h("div");
    const query = new URLSearchParams(newer ? {} : { before: state.posts[state.posts.length - 1].id });
    if (sort) query.set("sort", sort);
    const asked = String(query);
    const href = `${this.story.url}${asked && "?"}${asked}`;
    return h("div", {}, h("a", { class: "more-link", href }, newer ? "Newer posts" : "Older posts"));
  }

  /** Of the document. @param {any[]} posts */
  title(posts) {
    const post = this.focus && posts.find(({ id }) => id === this.focus);
    return post ? `${label(post)} · ${this.story.headline}` : this.story.headline;
  }

  count() {
    return countPosts(this.story.post_count);
  }
}

/**
 * Make `list` show `posts` (in shown order) with a heading where a new day begins. Rows that stay are the same nodes.
 * @param {HTMLElement} list @param {any[]} posts @param {View} view
 * @returns {HTMLElement[]} the rows of posts that were not there before
 */
export function showPosts(list, posts, view) {
  const rows = new Map([...list.children].map((row) => [/** @type {HTMLElement} */ (row).dataset.key, row]));
  const added = [], wanted = [];
  const days = view.days(posts);
  let past = "";
  for (const post of posts) {
    const day = days.get(post.id) ?? "";
    if (day !== past) {
      const key = `day-${day}`;
      wanted.push(rows.get(key) ?? h("li", { class: "day", "data-key": key }, h("h2", { class: "day-name", dir: "ltr" }, dayName(day))));
      past = day;
    }
    let row = /** @type {any} */ (rows.get(`post-${post.id}`));
    if (!row) {
      row = h("li", { class: "slot", "data-key": `post-${post.id}` }, view.article(post, day));
      added.push(row);
    } else if (row.shownPost !== post || row.shownLook !== view.look(post, day)) {
      morph(row.firstElementChild, view.article(post, day));
    }
    remember(row, post, view, day);
    wanted.push(row);
  }
  const kept = new Set(wanted);
  for (const row of rows.values()) if (!kept.has(row)) row.remove();
  let at = list.firstChild;
  for (const row of wanted) {
    if (at && row === at) at = at.nextSibling;
    else list.insertBefore(row, at);
  }
  return added;
}

/** Note that `row` already shows `post`: the server drew it. @param {any} row @param {any} post @param {View} view @param {string} day */
export function remember(row, post, view, day) {
  row.shownPost = post;
  row.shownLook = view.look(post, day);
}

/** Make the children of `node` equal to those of `next`, touching only what differs. @param {Element | null} node @param {Element | null} next */
export function refill(node, next) {
  if (!node) return;
  if (!next) return void node.replaceChildren();
  next.normalize();
  morphChildren(node, next);
}

/** @param {Element} node @param {Element} next */
export function morph(node, next) {
  next.normalize();
  morphNode(node, next);
}

/** @param {Element} node @param {Element} next */
function morphNode(node, next) {
  for (const { name } of [...node.attributes]) if (!next.hasAttribute(name) && name !== "loading") node.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (node.getAttribute(name) !== value && name !== "loading") node.setAttribute(name, value);
  }
  morphChildren(node, next);
}

/** @param {Element} node @param {Element} next */
function morphChildren(node, next) {
  let at = node.firstChild;
  for (const want of [...next.childNodes]) {
    let same = at;
    while (same && !alike(same, want)) same = same.nextSibling;
    if (!same) {
      node.insertBefore(want, at);
      continue;
    }
    while (at !== same) {
      const gone = /** @type {ChildNode} */ (at);
      at = gone.nextSibling;
      gone.remove();
    }
    at = same.nextSibling;
    if (want.nodeType === Node.ELEMENT_NODE) morphNode(/** @type {Element} */ (same), /** @type {Element} */ (want));
    else if (same.nodeValue !== want.nodeValue) same.nodeValue = want.nodeValue;
  }
  while (at) {
    const gone = at;
    at = gone.nextSibling;
    gone.remove();
  }
}

/** Whether one can become the other without losing what a reader may be using (a loaded picture, an opened box).
 * @param {Node} node @param {Node} want */
function alike(node, want) {
  if (node.nodeName !== want.nodeName) return false;
  if (node.nodeType !== Node.ELEMENT_NODE) return true;
  const a = /** @type {Element} */ (node), b = /** @type {Element} */ (want);
  if (a.nodeName === "IMG") return a.getAttribute("src") === b.getAttribute("src");
  if (a.nodeName === "FIGURE") return a.querySelector("img")?.getAttribute("src") === b.querySelector("img")?.getAttribute("src");
  return a.id === b.id && a.classList[0] === b.classList[0];
}
