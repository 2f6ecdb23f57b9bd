// The page and its files as browsers get them. They are what `build.ts` has put into dist/dashboard.

import { expect, test } from "bun:test";
import * as zlib from "node:zlib";
import { operations, type Operation } from "../../src/contract/operations.ts";
import { makeSide } from "../scenario.ts";
import { makeWorld } from "../world.ts";

const { request, play } = makeSide();

const get = (path: string, headers: Record<string, string> = {}, method = "GET") =>
  request({ method, path, headers });
const textOf = async (path: string) => (await get(path)).text();
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

/** The paths of the files that a text names. */
const namedIn = (text: string) => [...text.matchAll(/\/assets\/[\w.-]+/g)].map(([path]) => path);

/** What a browser loads: the page, what it names, and what that names. */
async function loaded(): Promise<string[]> {
  const paths = new Set(["/"]);
  for (const path of paths) for (const each of namedIn(await textOf(path))) paths.add(each);
  return [...paths];
}

const types: Record<string, string> = {
  "": "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};
const typeOf = (path: string) => types[/\.(\w+)$/.exec(path)?.[1] ?? ""]!;

test("the page names a script, a style and an icon, and every file that is named is there, as what it is", async () => {
  const paths = await loaded();
  expect(new Set(paths.map(typeOf))).toEqual(new Set(Object.values(types)));
  for (const path of paths) {
    const { status, headers } = await get(path);
    expect([path, status, headers.get("content-type")]).toEqual([path, 200, typeOf(path)]);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

test("the page may load and ask nothing elsewhere, run no text as code, and be in nobody's frame", async () => {
  const { headers } = await get("/");
  expect(headers.get("content-security-policy")!.split("; ").sort()).toEqual([
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "img-src 'self'",
    "require-trusted-types-for 'script'",
    "script-src 'self'",
    "style-src 'self'",
  ]);
  expect(Object.fromEntries(headers)).toMatchObject({
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  });
});

test("the page needs nothing that it may not: no script, style or handler within it, nothing from elsewhere", async () => {
  let told = 0;
  const within: string[] = [];
  const page = new HTMLRewriter().on("*", {
    element({ tagName, attributes }) {
      told++;
      const of = Object.fromEntries(attributes);
      if (tagName === "style" || (tagName === "script" && !of["src"])) within.push(tagName);
      for (const [name, value] of attributes) {
        if (name === "style" || name.startsWith("on")) within.push(name);
        if (["src", "href"].includes(name) && !/^\/(?!\/)/.test(value)) within.push(value);
      }
    },
  });
  const html = await page.transform(await get("/")).text();
  expect(told).toBeGreaterThan(5);
  expect(within).toEqual([]);
  expect(html).not.toMatch(/<script[^>]*>\s*[^<\s]/);
  for (const path of (await loaded()).filter((each) => each.endsWith(".css")))
    expect(await textOf(path)).not.toMatch(/@import|url\((?!["']?#)/);
});

const accepts: [string | undefined, "br" | "gzip" | null][] = [
  [undefined, null],
  ["", null],
  ["gzip, deflate, br, zstd", "br"],
  ["gzip", "gzip"],
  ["deflate, zstd, identity", null],
  ["BR", "br"],
  ["GZip", "gzip"],
  ["  gzip ;  q=0.5 ,br ; Q=0.1", "br"],
  ["br;q=0, gzip", "gzip"],
  ["br;q=0.000,gzip;q=0.001", "gzip"],
  ["br ; q=0 , gzip ; q=0", null],
  ["gzip;q=0, *", null],
  ["brotli, xbr, x-br, br-x, gzipped", null],
  [",,gzip,", "gzip"],
  ["br;q=x, gzip;q=", null],
];

test.each(accepts)("to whoever accepts %p everything is sent as %p", async (accepted, encoding) => {
  const headers: Record<string, string> =
    accepted === undefined ? {} : { "Accept-Encoding": accepted };
  const decode = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync };
  for (const path of await loaded()) {
    const response = await get(path, headers);
    expect(response.headers.get("content-encoding")).toBe(encoding);
    expect(response.headers.get("content-type")).toBe(typeOf(path));
    expect(response.headers.get("vary")).toBe("Accept-Encoding");
    const bytes = await bytesOf(response);
    const plain = await bytesOf(await get(path));
    expect((encoding ? decode[encoding](bytes) : bytes).equals(plain)).toBe(true);
  }
});

test("a file whose name says what is in it is kept for good, the page is asked for each time", async () => {
  for (const path of await loaded()) {
    const { headers } = await get(path);
    const isPage = path === "/";
    const kept = isPage ? "no-cache" : "max-age=31536000, immutable";
    expect([path, headers.get("cache-control")]).toEqual([path, kept]);
    if (!isPage) expect(path).toMatch(/-[a-z0-9]{8,}\.\w+$/);
  }
});

test("whoever has a file already is told so, by the tag of the very variant that it has", async () => {
  for (const path of await loaded()) {
    const tags = new Set<string>();
    for (const coding of ["br", "gzip", "identity"]) {
      const accepted = { "Accept-Encoding": coding };
      const { headers } = await get(path, accepted);
      const tag = headers.get("etag")!;
      expect(tag).toMatch(/^"[\x21\x23-\x7e]+"$/);
      for (const known of [tag, `"other", ${tag}`, `${tag},"other"`]) {
        const response = await get(path, { ...accepted, "If-None-Match": known });
        expect([response.status, await response.text()]).toEqual([304, ""]);
        for (const name of ["etag", "cache-control", "vary"])
          expect(response.headers.get(name)).toBe(headers.get(name));
      }
      for (const other of ['"other"', tag.slice(1, -1), `${tag.slice(0, -1)}x"`, ...tags])
        expect((await get(path, { ...accepted, "If-None-Match": other })).status).toBe(200);
      tags.add(tag);
    }
    expect(tags.size).toBe(3);
  }
});

test("a tag that a proxy has made a weak one is the same tag, and * is any (RFC 9110 13.1.2)", async () => {
  const tag = (await get("/")).headers.get("etag")!;
  for (const known of [`W/${tag}`, `"other",\tW/${tag}`, "*"])
    expect([known, (await get("/", { "If-None-Match": known })).status]).toEqual([known, 304]);
});

test("HEAD tells what GET would, and sends nothing", async () => {
  for (const path of await loaded()) {
    const accepted = { "Accept-Encoding": "br" };
    const [head, full] = [await get(path, accepted, "HEAD"), await get(path, accepted)];
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect([...head.headers]).toEqual([...full.headers]);
    const known = { ...accepted, "If-None-Match": full.headers.get("etag")! };
    expect((await get(path, known, "HEAD")).status).toBe(304);
  }
});

test.each([
  "/assets",
  "/assets/",
  "/assets/index.js",
  "/assets/index.html.br",
  "/assets/index.html.gz",
  "/assets/INDEX.HTML",
  "/assets/index.html/",
  "/assets//index.html",
  "/index.html",
  "/assets/../x",
  "/assets/%2e%2e/x",
  "/assets/..%2findex.html",
  "/assets/%2e%2e%2f%2e%2e%2fbuild.ts",
  "/assets/..%5cindex.html",
  "/assets/....//index.html",
  "/assets/%2fetc%2fpasswd",
  "/assets/%00",
  "/assets/index.html%00.js",
  "/assets/index.html%",
  "/assets/__proto__",
  "/assets/constructor",
  "/assets/x.constructor",
  "/assets/%F0%9F%8E%88.js",
])("there is no %s, as JSON says", async (path) => {
  const headers = { "Accept-Encoding": "br, gzip", "If-None-Match": "*" };
  await play({ path, headers, status: 404, answer: { code: "not_found" }, events: [] });
  const response = await get(path, headers);
  expect(response.headers.get("content-type")).toBe("application/json");
  expect(response.headers.get("content-encoding")).toBeNull();
});

test("nothing can be sent to the page or its files", async () => {
  const answer = { code: "not_found" };
  for (const path of await loaded())
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      await play({ method, path, body: {}, status: 404, answer, events: [] });
});

test("with a token everybody gets the page and its files over TCP, and nothing else", async () => {
  const side = makeSide(makeWorld({ PORT_DADDY_TOKEN: "a-token-of-the-tests-0123" }), "tcp");
  for (const path of await loaded()) expect((await side.request({ path })).status).toBe(200);
  const refused = { status: 401, answer: { code: "unauthorized" }, events: [] };
  for (const { method, path } of Object.values<Operation>(operations))
    await side.play({ method, path: path.replace(/:\w+(\{.*\})?/g, "x"), ...refused });
  for (const path of ["/assets/../services", "/assets/%2e%2e/services", "/assets", "/ASSETS/x"])
    await side.play({ path, ...refused });
  await side.play({ path: "/assets/..%2fservices", status: 404, answer: { code: "not_found" } });
});

test("all that is loaded to see the dashboard is less than 60 KB", async () => {
  let bytes = 0;
  for (const path of await loaded())
    bytes += (await bytesOf(await get(path, { "Accept-Encoding": "br" }))).length;
  expect(bytes).toBeLessThan(60_000);
});
