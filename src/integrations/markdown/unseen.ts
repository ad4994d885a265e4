/**
 * Characters that show nothing, or show a text in another order than an agent reads it: controls but tab and line feed, marks of direction, tags (a whole hidden alphabet), half of a
 * character. Joiners stay: words of some languages, and some emoji, are made with them.
 */
const UNSEEN =
  /[^\P{Cc}\t\n]|[\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** What people see of a text: only that was said, or is to be read, by anybody. */
export function withoutUnseen(text: string): string {
  return text.replace(UNSEEN, '');
}
