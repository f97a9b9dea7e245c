// Builds what the studio ships but did not write: libraries, fonts, icons. `npm ci --ignore-scripts && npm run build`.
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { favicons, sprite } from "./icons.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "static", "vendor");
const modules = join(here, "node_modules");

/** Each library is a file of its own, so that a page loads only what it uses. */
const LIBRARIES = {
  "dagre.js": {
    package: "@dagrejs/dagre",
    entry: "export * from '@dagrejs/dagre'; export { default } from '@dagrejs/dagre';",
  },
  "uplot.js": { package: "uplot", entry: "export { default } from 'uplot';" },
  "ansi_up.js": { package: "ansi_up", entry: "export { AnsiUp } from 'ansi_up';" },
  "idiomorph.js": { package: "idiomorph", entry: "export { Idiomorph } from 'idiomorph/dist/idiomorph.esm.js';" },
  "htmx.js": {
    package: "htmx.org",
    entry: "import htmx from 'htmx.org/dist/htmx.esm.js'; window.htmx = htmx; export default htmx;",
  },
};

/** Latin and its extension: what the studio's own words need; other scripts fall back to the system's fonts. */
const FONTS = {
  "inter-latin.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  "inter-latin-ext.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
  "jetbrains-mono-latin.woff2": "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2",
  "jetbrains-mono-latin-ext.woff2":
    "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-ext-wght-normal.woff2",
};

const LICENSED = [
  "@dagrejs/dagre",
  "@dagrejs/graphlib",
  "uplot",
  "ansi_up",
  "idiomorph",
  "htmx.org",
  "lucide-static",
  "@fontsource-variable/inter",
  "@fontsource-variable/jetbrains-mono",
];

async function bundle(name, { entry }) {
  await build({
    stdin: { contents: entry, resolveDir: here, sourcefile: name },
    outfile: join(out, name),
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    logLevel: "warning",
  });
}

async function legal() {
  const parts = [];
  for (const name of LICENSED) {
    const { version, license } = JSON.parse(await readFile(join(modules, name, "package.json"), "utf8"));
    const text = await readFile(join(modules, name, "LICENSE"), "utf8");
    parts.push(`${"=".repeat(78)}\n${name} ${version} (${license})\n${"=".repeat(78)}\n\n${text.trim()}\n`);
  }
  await writeFile(join(out, "LEGAL.txt"), parts.join("\n"));
}

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "fonts"), { recursive: true });
await Promise.all(Object.entries(LIBRARIES).map(([name, library]) => bundle(name, library)));
for (const [name, source] of Object.entries(FONTS)) await copyFile(join(modules, source), join(out, "fonts", name));
// In a layer, so that our own rules win; an `@import` into one is asked for twice, once at a wrong address, by Chromium.
const uplot = await readFile(join(modules, "uplot/dist/uPlot.min.css"), "utf8");
await writeFile(join(out, "uplot.css"), `@layer base{${uplot.trim()}}\n`);
await legal();
await sprite(here, join(out, "..", "icons.svg"));
await favicons(here, join(out, "..", "favicons"));
