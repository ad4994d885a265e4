/** Where the links of set-up and of invitations lead. */
const pages = /\/(setup|invitations\/accept)\/?$/;

/**
 * What a person pastes: the link that Berth printed or somebody handed on, or the token in it. The link says where Berth is, unless it was made for another
 * address than the one it is opened at.
 */
export function readLink(text: string): { token: string; url: string | null } {
  const trimmed = text.trim();
  if (!/^https?:\/\//.test(trimmed) || !URL.canParse(trimmed)) return { token: trimmed, url: null };
  const link = new URL(trimmed);
  const token = link.searchParams.get('token') ?? '';
  // A Berth below a path keeps it: https://example.com/berth/setup?token=…
  return { token, url: `${link.origin}${link.pathname.replace(pages, '')}`.replace(/\/+$/, '') };
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
