// One sprite of the icons in use, and one favicon per state with the same shapes.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Mid tones that hold on a light and on a dark tab strip alike. */
const FAVICON_TONES = {
  notstarted: "#6b7684",
  queued: "#b47a00",
  preparing: "#1583ab",
  running: "#2f6fe8",
  finalizing: "#1583ab",
  cancelrequested: "#6b7684",
  notresponding: "#c2570c",
  completed: "#1f8a47",
  reused: "#7c50d8",
  failed: "#cf3329",
  canceled: "#6b7684",
  skipped: "#6b7684",
};

async function drawing(here, name, source) {
  const own = join(here, "icons", `${name}.svg`);
  const file = existsSync(own) ? own : join(here, "node_modules/lucide-static/icons", `${source}.svg`);
  const svg = (await readFile(file, "utf8")).replace(/<!--.*?-->/gs, "");
  const head = svg.match(/<svg[^>]*>/s)[0];
  const body = svg.slice(svg.indexOf(head) + head.length, svg.lastIndexOf("</svg>"));
  return { width: head.match(/stroke-width="([\d.]+)"/)[1], body: body.replace(/\s*\n\s*/g, "").trim() };
}

async function drawings(here) {
  const listed = JSON.parse(await readFile(join(here, "icons.json"), "utf8"));
  const names = ["brand", "r-script", "state-running", ...Object.keys(listed)].sort();
  return Promise.all(names.map(async (name) => ({ name, ...(await drawing(here, name, listed[name])) })));
}

export async function sprite(here, target) {
  const symbols = (await drawings(here)).map(
    ({ name, width, body }) =>
      `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="${width}" ` +
      `stroke-linecap="round" stroke-linejoin="round">${body}</symbol>`,
  );
  await writeFile(target, `<svg xmlns="http://www.w3.org/2000/svg">\n${symbols.join("\n")}\n</svg>\n`);
}

export async function favicons(here, folder) {
  await mkdir(folder, { recursive: true });
  const shapes = Object.fromEntries((await drawings(here)).map((icon) => [icon.name, icon]));
  for (const [state, tone] of Object.entries(FAVICON_TONES)) {
    const { body } = shapes[`state-${state}`];
    const text =
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="7" fill="${tone}"/>` +
      `<g transform="translate(4.2 4.2) scale(.65)" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" ` +
      `stroke-linejoin="round" color="#fff">${body}</g></svg>\n`;
    await writeFile(join(folder, `${state}.svg`), text);
  }
  const { body, width } = shapes.brand;
  await writeFile(
    join(folder, "studio.svg"),
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#0b6e69"/>` +
      `<g transform="translate(2.4 2.4) scale(.8)" fill="none" stroke="#fff" color="#fff" stroke-width="${width}" stroke-linecap="round">${body}</g></svg>\n`,
  );
}
