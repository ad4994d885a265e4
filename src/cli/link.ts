/**
 * What a person pastes at set-up: the link that Berth printed, or the token in it. The link says where Berth is, unless it was printed for another address
 * than the one it is opened at.
 */
export function readSetupLink(text: string): { token: string; url: string | null } {
  const trimmed = text.trim();
  if (!/^https?:\/\//.test(trimmed) || !URL.canParse(trimmed)) return { token: trimmed, url: null };
  const link = new URL(trimmed);
  const token = link.searchParams.get('token') ?? '';
  // A Berth below a path keeps it: https://example.com/berth/setup?token=…
  return { token, url: `${link.origin}${link.pathname.replace(/\/setup\/?$/, '')}`.replace(/\/+$/, '') };
}

const longestSlug = 40;

/** A short name for addresses, made from a name: "Müller & Söhne" is `muller-sohne`. */
export function slugOf(name: string): string {
  return name
    .normalize('NFKD')
    .replaceAll(/\p{Mn}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, longestSlug)
    .replace(/-+$/, '');
}
