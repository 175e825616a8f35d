// @ts-check
/**
 * A linked post stays at its place on the screen while what stands above it still loads, until the reader moves.
 *
 * Without a script the browser lands there by `autofocus` (templates/post.html) and holds by its own anchoring, which
 * the page turns off because it keeps the place itself.
 */

const MOVED_PX = 2;

export class Landing {
  /** @param {HTMLElement | null} post null: the address names none @param {HTMLElement} story what may still grow */
  constructor(post, story) {
    this.post = post;
    const [visit] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    // Who reloads or comes back is put by the browser where they were; who has read on meanwhile stays there.
    this.isHeld = post !== null && visit?.type !== "reload" && visit?.type !== "back_forward" && this.#isAhead(post);
    this.at = 0;
    if (!this.isHeld) return;
    this.settle();
    this.watch = new ResizeObserver(() => this.isHeld && this.settle());
    this.watch.observe(story);
    for (const moves of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(moves, () => this.#letGo(), { passive: true, once: true });
    addEventListener("scroll", () => Math.abs(scrollY - this.at) > MOVED_PX && this.#letGo(), { passive: true });
  }

  /** Put the post where it belongs. */
  settle() {
    this.post?.scrollIntoView({ behavior: "instant", block: "start" });
    this.at = scrollY;
  }

  /** @param {HTMLElement} post */
  #isAhead(post) {
    return post.getBoundingClientRect().top > -innerHeight / 2;
  }

  #letGo() {
    this.isHeld = false;
    this.watch?.disconnect();
  }
}
