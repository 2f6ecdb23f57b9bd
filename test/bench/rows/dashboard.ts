// The dashboard in Chromium: how soon something is to be seen, and how smooth it stays while much happens. The ceilings
// are a page that says one word, served by Bun alone, and the same page with nothing to do.

import type { Browser, Page } from "playwright-core";
import { launch } from "../../browser/chromium.ts";
import { openWindow } from "../../browser/window.ts";
import { connect, encode } from "../client.ts";
import { median, micros, percentile, type Line, type Options } from "../measure.ts";
import { Rig } from "../rig.ts";

const services = 500;
const eventsPerSecond = 200;

/** A frame that takes longer is noticed (https://www.w3.org/TR/longtasks-1/). */
const longFrameMs = 50;

/** How often each page is opened, and for how long frames are counted. */
const fullPaints = 20;
const fullWindowMs = 10_000;

export async function dashboard({ binary, effort }: Options): Promise<Line[]> {
  await using rig = await Rig.open(binary);
  const [claimant] = await connect(rig.product.port, 1);
  for (let n = 0; n < services; n++)
    await claimant!.ask(encode("POST", `/claim/project${n % 5}:service:${n}`, {}));
  const blank = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      new Response("<!doctype html><title>blank</title><h1>blank</h1>", {
        headers: { "Content-Type": "text/html" },
      }),
  });
  const browser = await launch();
  try {
    const paint = await paints(
      browser,
      [`http://localhost:${rig.product.port}/`, `http://localhost:${blank.port}/`],
      Math.ceil(fullPaints * effort.share),
    );
    const smooth = [];
    for (const hash of ["#/overview", "#/services", "#/activity"])
      smooth.push(await frames(browser, rig, hash, fullWindowMs * effort.share));
    return [paint, ...smooth];
  } finally {
    await browser.close();
    await blank.stop(true);
  }
}

/** From the beginning of the navigation to the first content, and of ours to the first figure of the state. */
async function paints(
  browser: Browser,
  [ours, theirs]: [string, string],
  count: number,
): Promise<Line> {
  const [product, ceiling, whole] = [[] as number[], [] as number[], [] as number[]];
  for (let n = 0; n < count; n++) {
    const [seen, complete] = await firstPaint(browser, ours, "main .figures strong");
    product.push(seen);
    whole.push(complete);
    ceiling.push((await firstPaint(browser, theirs, "h1"))[0]);
  }
  return {
    what: "dashboard: first content painted, fresh browser cache",
    product: micros(median(product) * 1_000),
    ceiling: micros(median(ceiling) * 1_000),
    ratios: [median(product) / median(ceiling)],
    isMost: true,
    note: `with ${services} services, their figures are there after ${Math.round(median(whole))} ms`,
  };
}

async function firstPaint(
  browser: Browser,
  url: string,
  selector: string,
): Promise<[paint: number, complete: number]> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(url);
  await page.locator(selector).first().waitFor();
  const times = await page.evaluate(
    () =>
      new Promise<[number, number]>((resolve) => {
        const now = performance.now();
        const seen = (list: PerformanceEntryList) =>
          list.find(({ name }) => name === "first-contentful-paint");
        new PerformanceObserver((list, observer) => {
          const entry = seen(list.getEntries());
          if (!entry) return;
          observer.disconnect();
          resolve([entry.startTime, now]);
        }).observe({ type: "paint", buffered: true });
      }),
  );
  await context.close();
  return times;
}

/** How long frames take on one page while events come, beside a window in which nothing does. */
async function frames(
  browser: Browser,
  { home, product }: Rig,
  hash: string,
  windowMs: number,
): Promise<Line> {
  await using window = await openWindow(browser, home, hash);
  const { page } = window;
  const still = await frameTimes(page, windowMs / 4);
  const writing = write(product.port, windowMs);
  const busy = await frameTimes(page, windowMs);
  const events = await writing;
  const [ours, theirs] = [percentile(busy, 99), percentile(still, 99)];
  const long = busy.filter((ms) => ms > longFrameMs).length;
  return {
    what: `dashboard ${hash}: p99 of a frame at ${eventsPerSecond} events/s`,
    product: micros(ours * 1_000),
    ceiling: micros(theirs * 1_000),
    ratios: [ours / theirs],
    isMost: true,
    note: `${long} of ${busy.length} frames took more than ${longFrameMs} ms, the longest ${Math.round(busy.at(-1)!)} ms; ${Math.round(events / (windowMs / 1000))} events/s`,
  };
}

/** Milliseconds between frames, ascending. */
function frameTimes(page: Page, ms: number): Promise<number[]> {
  return page.evaluate(
    (ms) =>
      new Promise<number[]>((resolve) => {
        const times: number[] = [];
        const start = performance.now();
        let last = start;
        requestAnimationFrame(function look(now) {
          if (now > last) times.push(now - last);
          last = now;
          if (now - start < ms) requestAnimationFrame(look);
          else resolve(times.sort((a, b) => a - b));
        });
      }),
    ms,
  );
}

/** Locks, unlocks and messages at an even pace; returns how many events that were. */
async function write(port: number, ms: number): Promise<number> {
  const connections = await connect(port, 4);
  const end = performance.now() + ms;
  const pauseMs = (1_000 * connections.length) / eventsPerSecond;
  const counts = await Promise.all(
    connections.map(async (connection, index) => {
      let count = 0;
      for (let at = performance.now(); at < end; at += pauseMs, count++) {
        await Bun.sleep(Math.max(0, at - performance.now()));
        await connection.ask(requestOf(index, count));
      }
      return count;
    }),
  );
  for (const connection of connections) connection.close();
  return counts.reduce((sum, count) => sum + count, 0);
}

function requestOf(index: number, count: number): string {
  if (index % 2 === 0)
    return encode("POST", `/msg/bench:${index}:${count % 10}`, { payload: { count, index } });
  const path = `/locks/bench-${index}`;
  return encode(count % 2 === 0 ? "POST" : "DELETE", path, { owner: `agent-${index}` });
}
