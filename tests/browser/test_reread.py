"""Reading again in the server's steps: the same stretch as one long look, whatever the steps and where they end."""

from __future__ import annotations

import asyncio
import random

import pytest

pytestmark = pytest.mark.parametrize("store_server", ["embedded"], indirect=True)

# `listed`: sort_times of the story, newest first. `first`: what was read at first; `held`: what the page held before.
EXTEND = """async (cases) => {
  const { extend } = await import("/assets/reread.js");
  return Promise.all(cases.map(async ({ listed, first, held, size }) => {
    const post = (time) => ({ id: time, sort_time: time });
    let steps = 0;
    const step = async ({ before, after }) => {
      steps += 1;
      const at = listed.indexOf(before ?? after);
      const range = before ? [at + 1, at + 1 + size] : [Math.max(0, at - size), at];
      return { posts: listed.slice(...range).map(post), more: before ? range[1] < listed.length : range[0] > 0 };
    };
    const [from, to] = first;
    const stretch = { epoch: "e", posts: listed.slice(from, to).map(post), older: to < listed.length, newer: from > 0 };
    const { posts, older, newer } = await extend(stretch, held.map(post), step);
    return { posts: posts.map(({ id }) => id), older, newer, steps };
  }));
}"""


async def test_a_stretch_is_read_to_the_depth_that_was_held_and_no_further(site):
    page = await site.open("/")
    dice = random.Random(9)
    cases = []
    for _ in range(400):
        # What was held may be gone by now, and what is there now may be new.
        times = [f"{n:04d}" for n in range(1000, 0, -1)]
        listed = sorted(dice.sample(times, dice.randrange(1, 400)), reverse=True)
        held = sorted(dice.sample(times, dice.randrange(0, 300)), reverse=True)
        start = dice.choice([0, dice.randrange(len(listed))])
        first = [start, min(len(listed), start + dice.randrange(1, 60))]
        cases.append({"listed": listed, "first": first, "held": held, "size": dice.randrange(1, 101)})
    for case, read in zip(cases, await page.evaluate(EXTEND, cases), strict=True):
        listed, held, (start, end) = case["listed"], case["held"], case["first"]
        top, bottom = (held[0], held[-1]) if held else ("", "9999")
        after = [n for n in range(end, len(listed)) if listed[n] >= bottom]
        wanted = [*(n for n in range(start) if listed[n] <= top), *range(start, end), *after]
        assert read["posts"] == [listed[n] for n in wanted]
        assert read["older"] == (wanted[-1] < len(listed) - 1)
        assert read["newer"] == (wanted[0] > 0)
        assert read["steps"] <= (len(wanted) - (end - start)) / case["size"] + 2


ASK = """async ({ statuses, name }) => {
  const { ask } = await import("/assets/reread.js");
  Math.random = () => 0;
  let tries = 0;
  window.fetch = async (address, { signal }) => {
    const status = statuses[tries];
    tries += 1;
    if (status === "offline") throw new TypeError("Failed to fetch");
    if (status === "hangs") {
      return new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason)));
    }
    return new Response(status === "behind" ? "0" : "1", { status: Number(status) || 200 });
  };
  const stop = new AbortController();
  if (name === "stopped") setTimeout(() => stop.abort(), 100);
  try {
    return [await ask("/x", async (answer) => (await answer.text()) === "1" || null, stop.signal), tries];
  } catch (error) {
    return [error.name === "Error" ? error.constructor.name : error.name, tries];
  }
}"""


@pytest.mark.parametrize(
    ("name", "statuses", "outcome"),
    [
        ("there", ["200"], [True, 1]),
        ("behind, away, cut off, too many", ["behind", "503", "offline", "429", "200"], [True, 5]),
        ("away for too long", ["503"] * 9, ["Error", 5]),
        ("not allowed", ["503", "400"], ["Refused", 2]),
        ("gone", ["410"], ["Refused", 1]),
        ("swallowed", ["hangs", "200"], [True, 2]),
        ("stopped", ["hangs"] * 9, ["AbortError", 1]),
    ],
)
async def test_an_answer_is_asked_for_as_long_as_it_may_come(site, name, statuses, outcome):
    page = await site.open("/")
    await page.clock.install()
    await page.clock.resume()
    task = asyncio.ensure_future(page.evaluate(ASK, {"statuses": statuses, "name": name}))
    while not task.done():
        await page.clock.fast_forward(1_000)
    assert await task == outcome
