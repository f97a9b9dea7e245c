// Where each node stands: asked of the worker once per graph, remembered by its hash.
import { t } from "./words.js";

const PREFIX = "duto.layout.3.";

function remembered(key) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + key));
  } catch {
    return null;
  }
}

function remember(key, layout) {
  try {
    sessionStorage.setItem(PREFIX + key, JSON.stringify(layout));
  } catch {
    /* full or refused: computed again next time */
  }
}

const fingerprint = (nodes, edges) => {
  let sum = 0;
  for (const character of JSON.stringify([nodes, edges])) sum = (Math.imul(sum, 31) + character.codePointAt(0)) | 0;
  return sum;
};

/** `nodes` have id, width, height; `edges` have from, to. */
export function layoutOf(nodes, edges) {
  const key = fingerprint(
    nodes,
    edges.map(({ from, to }) => [from, to]),
  );
  const known = remembered(key);
  if (known) return Promise.resolve(known);
  return new Promise((done, fail) => {
    const worker = new Worker(new URL("./graph-worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => {
      worker.terminate();
      remember(key, data);
      done(data);
    };
    worker.onerror = (event) => {
      worker.terminate();
      fail(new Error(event.message || t("The layout failed.")));
    };
    worker.postMessage({ nodes, edges: edges.map(({ from, to }) => ({ from, to })) });
  });
}

/** A calm curve that leaves downwards and arrives downwards. */
export function curve(points) {
  const [[x, y], ...rest] = points;
  let path = `M${x} ${y}`,
    [px, py] = [x, y];
  for (const [qx, qy] of rest) {
    const middle = (py + qy) / 2;
    path += px === qx ? `V${qy}` : `C${px} ${middle} ${qx} ${middle} ${qx} ${qy}`;
    [px, py] = [qx, qy];
  }
  return path;
}
