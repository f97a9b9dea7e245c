// Addresses in what a script printed become links: of http and https alone, to pages that learn nothing of this one.
import { h } from "./dom.js";

const ADDRESS = /\bhttps?:\/\/[^\s<>"'`{}|\\^\uFFFD\p{Pi}\p{Pf}„‚。、「」『』【】《》〈〉]+/giu;
const AFTER_IT = /(?:[.,;:!?*_~]|(?!\p{ASCII})\p{Po})$/u; // belongs to the sentence around the address
const PAIRS = { ")": "(", "]": "[", "）": "（" };
const LONGEST = 2_000;

const count = (text, letter) => text.split(letter).length - 1;

function trimmed(text) {
  for (let address = text; ; address = address.slice(0, -1)) {
    const last = address.at(-1),
      open = PAIRS[last];
    if (!AFTER_IT.test(address) && !(open && count(address, last) > count(address, open))) return address;
  }
}

/** What is shown is where it leads: an address with a name before its host is none. */
function isSound(address) {
  if (address.length > LONGEST) return false;
  try {
    const { protocol, username, password } = new URL(address);
    return ["http:", "https:"].includes(protocol) && !username && !password;
  } catch {
    return false;
  }
}

function linkIn(node) {
  for (const { 0: found, index } of [...node.data.matchAll(ADDRESS)].reverse()) {
    const address = trimmed(found);
    if (!isSound(address)) continue;
    const part = node.splitText(index),
      link = h("a", { href: address, target: "_blank", rel: /* link types */ "noopener noreferrer" });
    part.splitText(address.length);
    part.replaceWith(link);
    link.append(part);
  }
}

export function addLinks(host) {
  const walker = document.createTreeWalker(host, NodeFilter.SHOW_TEXT),
    nodes = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) nodes.push(node);
  nodes.forEach(linkIn);
}
