// The least that a compiled client can be: one request over the socket, one line printed. It is compiled for a run.

const [socket, id, body] = process.argv.slice(2) as [string, string, string];
const response = await fetch(`http://localhost/claim/${id}`, {
  unix: socket,
  method: "POST",
  headers: { "Content-Type": "application/json", "X-Caller-Id": "bench" },
  body,
});
console.log(((await response.json()) as { port: number }).port);
