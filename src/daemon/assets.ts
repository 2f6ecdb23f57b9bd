// The dashboard's files: built, named by what is in them, and compressed when the binary was; sent as they are.

import * as fs from "node:fs";
import * as path from "node:path";
import { assetsPath, pagePath } from "../contract/pages.ts";

/** Where the build has put them: inside the binary, or beside its sources. */
const directory = Bun.isStandaloneExecutable
  ? path.join(import.meta.dir, "dashboard")
  : path.join(import.meta.dir, "../../dist/dashboard");

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

/** Best first. */
const encodings = [
  ["br", ".br"],
  ["gzip", ".gz"],
] as const;

/** A page of ours loads and asks nothing elsewhere, runs no text as code, and is shown in nobody's frame. */
const pageHeaders = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; "),
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};

type Asset = { bytes: Uint8Array<ArrayBuffer>; headers: Record<string, string> };

/** Each variant of a file, by `name` and by `name` with the suffix of its encoding; read when first asked for. */
let files: Map<string, Asset> | undefined;

/** Answers a request for the page or one of its files; `undefined` where there is none of that name. */
export function assetFor(pathname: string, requested: Headers): Response | undefined {
  const name = pathname === pagePath ? "index.html" : pathname.slice(assetsPath.length);
  files ??= readFiles();
  const accepted = acceptedEncodings(requested.get("accept-encoding") ?? "");
  const suffix = encodings.find(([encoding]) => accepted.has(encoding))?.[1] ?? "";
  const file = files.get(name + suffix) ?? files.get(name);
  if (!file || !(path.extname(name) in types)) return undefined;
  return isKnown(requested.get("if-none-match") ?? "", file)
    ? new Response(null, { status: 304, headers: file.headers })
    : new Response(file.bytes, { headers: file.headers });
}

/** Whether an If-None-Match names what we have (RFC 9110 13.1.2); whoever compresses on the way makes a tag a weak one. */
function isKnown(header: string, { headers }: Asset): boolean {
  const tags = header.split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes(headers["ETag"]!) || tags.includes("*");
}

function readFiles(): Map<string, Asset> {
  if (!fs.existsSync(directory)) return new Map();
  return new Map(
    fs.readdirSync(directory).map((file) => {
      const bytes = new Uint8Array(fs.readFileSync(path.join(directory, file)));
      return [file, { bytes, headers: headersOf(file, bytes) }];
    }),
  );
}

function headersOf(file: string, bytes: Uint8Array): Record<string, string> {
  const encoding = encodings.find(([, suffix]) => file.endsWith(suffix));
  const name = encoding ? file.slice(0, -encoding[1].length) : file;
  const isPage = name.endsWith(".html");
  return {
    "Content-Type": types[path.extname(name)] ?? "application/octet-stream",
    ETag: `"${new Bun.CryptoHasher("sha256").update(bytes).digest("hex").slice(0, 16)}"`,
    // A file other than the page has its content in its name.
    "Cache-Control": isPage ? "no-cache" : "max-age=31536000, immutable",
    // Said also to whoever asks for the headers alone.
    "Content-Length": String(bytes.length),
    Vary: "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    ...(encoding && { "Content-Encoding": encoding[0] }),
    ...(isPage && pageHeaders),
  };
}

/** The codings of an Accept-Encoding header (RFC 9110 12.5.3); one with `q=0` is refused. */
function acceptedEncodings(header: string): Set<string> {
  const wanted = header
    .toLowerCase()
    .split(",")
    .map((each) => each.trim().split(/\s*;\s*q=/))
    .filter(([, quality]) => quality === undefined || Number(quality) > 0);
  return new Set(wanted.map(([coding]) => coding!));
}
