// Programs that do not read PORT, and how each wants to be told its port. A row is data: what is matched is the program
// that is really run, whatever npm, npx, env or a package script stands before it. Next, Nuxt, Gatsby, Parcel, Ember,
// vue-cli-service, http-server, live-server, serve, gunicorn and Rails are not here: they read it.

export type Framework = {
  programs: readonly string[];
  /** Words of which one must be among its arguments; an empty one stands for none that is not a flag. */
  only?: readonly string[];
  /** Words of which none may be. */
  except?: readonly string[];
  /** The word that must be the last of them. */
  last?: string;
  /** What is added at the end, with `{port}` in it. */
  add: string;
  /** Other ways to say the same; where one is used, the command has named its port itself. */
  same?: readonly string[];
  /** Where its port is told by a word alone: flags that take the next word, which is then about something else. */
  valued?: readonly string[];
};

export const frameworks: readonly Framework[] = [
  // JavaScript
  { programs: ["vite"], except: ["build", "optimize"], add: "--port {port} --strictPort" },
  { programs: ["astro"], only: ["dev", "preview"], add: "--port {port}" },
  { programs: ["react-router"], only: ["dev"], add: "--port {port}" },
  { programs: ["remix"], only: ["dev", "vite:dev"], add: "--port {port}" },
  { programs: ["vitepress"], only: ["", "dev", "preview", "serve"], add: "--port {port}" },
  { programs: ["docusaurus"], only: ["start", "serve"], add: "--port {port}", same: ["-p"] },
  { programs: ["ng"], only: ["serve", "s", "dev"], add: "--port {port}" },
  { programs: ["expo"], only: ["", "start"], add: "--port {port}", same: ["-p"] },
  { programs: ["react-native"], only: ["start"], add: "--port {port}" },
  { programs: ["wrangler"], only: ["dev"], add: "--port {port}" },
  { programs: ["storybook"], only: ["dev"], add: "--port {port}", same: ["-p"] },
  { programs: ["webpack"], only: ["serve", "server", "s"], add: "--port {port}" },
  { programs: ["webpack-dev-server"], add: "--port {port}" },
  { programs: ["rspack"], only: ["serve", "server", "s", "dev", "preview"], add: "--port {port}" },
  { programs: ["rsbuild"], only: ["", "dev", "preview"], add: "--port {port}" },
  { programs: ["json-server"], add: "--port {port}", same: ["-p"] },
  // Python
  {
    programs: ["manage.py", "django-admin"],
    only: ["runserver"],
    add: "{port}",
    valued: ["-v", "--verbosity", "--settings", "--pythonpath"],
  },
  { programs: ["flask"], only: ["run"], add: "--port {port}", same: ["-p"] },
  { programs: ["uvicorn"], add: "--port {port}" },
  { programs: ["fastapi"], only: ["dev", "run"], add: "--port {port}" },
  { programs: ["hypercorn"], add: "--bind localhost:{port}", same: ["-b"] },
  { programs: ["streamlit"], only: ["run"], add: "--server.port {port}" },
  { programs: ["mkdocs"], only: ["serve"], add: "--dev-addr localhost:{port}", same: ["-a"] },
  {
    programs: ["http.server"],
    add: "{port}",
    valued: ["-b", "--bind", "-d", "--directory", "-p", "--protocol"],
  },
  // Ruby, PHP, Go and others
  { programs: ["jekyll"], only: ["serve", "server", "s"], add: "--port {port}", same: ["-P"] },
  { programs: ["artisan"], only: ["serve"], add: "--port={port}" },
  { programs: ["symfony"], only: ["serve", "server:start"], add: "--port={port}" },
  // Its address is the value of -S: there is room for one where that is the last word.
  { programs: ["php"], last: "-S", add: "localhost:{port}" },
  { programs: ["hugo"], only: ["server", "serve"], add: "--port {port}", same: ["-p"] },
  { programs: ["zola"], only: ["serve"], add: "--port {port}", same: ["-p"] },
  { programs: ["trunk"], only: ["serve"], add: "--port {port}" },
  { programs: ["dotnet"], only: ["run", "watch"], add: "--urls http://localhost:{port}" },
];
