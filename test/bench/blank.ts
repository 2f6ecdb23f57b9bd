// The least that a compiled server can be: one route. It is compiled for a run, and prints its port.

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  fetch: () => new Response("ok"),
});
console.log(server.port);
