const MAX_NAME_LENGTH = 253;
/** Letters, digits and hyphens (RFC 1123 section 2.1); names in other scripts come as `xn--…`, which is what is resolved and what certificates say. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** What ends so is an address in one of its spellings (URL standard, "ends in a number"): `127.1`, `0x7f.1`, `2130706433`, `0177.0.0.1`. */
const NUMBER = /^(\d+|0x[0-9a-f]*)$/;

/**
 * The one spelling of a host's name: lower case, without the dot at its end, at least two labels. Null for all else: addresses in any spelling, names of this machine
 * (`localhost`), characters that one reader takes for another's. Compare nothing but what came from here.
 */
export function hostNameOf(text: string): string | null {
  const name = text.toLowerCase().replace(/\.$/, '');
  // `toLowerCase` makes an ASCII k of the Kelvin sign: what is not ASCII from the start is refused.
  if (name.length > MAX_NAME_LENGTH || !/^[\x21-\x7e]+$/.test(text)) return null;
  const labels = name.split('.');
  const last = labels.at(-1) ?? '';
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return null;
  return NUMBER.test(last) || last === 'localhost' ? null : name;
}

/** An entry of an allow-list: a host's name, or `*.` before a name of at least two labels, for all names below it. Null for all else. */
export function hostPatternOf(text: string): string | null {
  if (!text.startsWith('*.')) return hostNameOf(text);
  const name = hostNameOf(text.slice(2));
  return name === null ? null : `*.${name}`;
}

/** Whether a name, as `hostNameOf` gives it, is meant by an entry. `*.example.com` means `a.example.com` and `a.b.example.com`, and not `example.com`. */
export function matchesHost(pattern: string, name: string): boolean {
  return pattern.startsWith('*.') ? name.endsWith(pattern.slice(1)) : name === pattern;
}
