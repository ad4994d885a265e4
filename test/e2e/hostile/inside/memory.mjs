/** Searches the memory of a process for secrets. `node memory.mjs <pid> <masked needles as JSON>` prints the names of those found. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const PAGE = 4096;
const PAGES_AT_ONCE = 1024;

export function unmask({ mask, needles }) {
  const key = Buffer.from(mask, 'hex');
  return needles.map(({ name, forms }) => ({
    name,
    forms: forms.map((form) =>
      Buffer.from(Buffer.from(form, 'hex').map((byte, at) => byte ^ key[at % key.length])),
    ),
  }));
}

export function found(needles, bytes) {
  return needles.filter(({ forms }) => forms.some((form) => bytes.includes(form))).map(({ name }) => name);
}

/** Reads the pages that are there, by pagemap (bit 63: present): an agent maps gigabytes that it never touches. */
export function searchMemory(pid, needles) {
  const names = new Set();
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .filter((line) => /^\S+ r/.test(line) && !/\[v(var|syscall|dso)/.test(line));
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  const pagemap = openSync(`/proc/${pid}/pagemap`, 'r');
  let pages = 0;
  try {
    for (const line of maps) {
      const [start, end] = line
        .split(' ')[0]
        .split('-')
        .map((text) => Number.parseInt(text, 16));
      for (let at = start; at < end; at += PAGE * PAGES_AT_ONCE) {
        const count = Math.min(PAGES_AT_ONCE, (end - at) / PAGE);
        const entries = Buffer.alloc(count * 8);
        if (readSync(pagemap, entries, 0, entries.length, (at / PAGE) * 8) === 0) break;
        for (let first = 0; first < count;) {
          if (entries[first * 8 + 7] < 0x80) {
            first += 1;
            continue;
          }
          let last = first;
          while (last + 1 < count && entries[(last + 1) * 8 + 7] >= 0x80) last += 1;
          const bytes = Buffer.alloc((last - first + 1) * PAGE);
          try {
            readSync(memory, bytes, 0, bytes.length, at + first * PAGE);
          } catch {
            /* unmapped meanwhile */
          }
          for (const name of found(needles, bytes)) names.add(name);
          pages += last - first + 1;
          first = last + 1;
        }
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pagemap);
  }
  if (pages === 0) throw new Error(`no page of ${pid} could be read`);
  return [...names];
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [pid, text] = process.argv.slice(2);
  process.stdout.write(JSON.stringify(searchMemory(pid, unmask(JSON.parse(text)))));
}
