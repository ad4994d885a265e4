import type { GithubPull } from './payload.js';

/** What is known of a request so far. Undefined: not asked yet, for most requests end before it is needed. */
export interface GateFacts {
  installation: 'known' | 'unknown' | 'suspended';
  /** Whether a member of the organization is known to be its author; `refused`: they must not be taken for one. */
  member?: 'linked' | 'unlinked' | 'refused';
  /** What the author may do in the repository, as GitHub says it: the only word that counts. Their `author_association` is a hint, and a member's may be read-only. */
  permission?: 'admin' | 'write' | 'read' | 'none';
  /** `none`: it is an issue. `gone`: it was there. */
  pull?: GithubPull | 'none' | 'gone';
}

export type Verdict =
  | { need: 'member' | 'permission' | 'pull' }
  | { outcome: `ignored-${string}` }
  /** To be asked. */
  | {
      pass: {
        /** Code of a stranger, or of a branch that may be gone: it is read, and nothing of ours goes near it. */
        readOnly: boolean;
        refusal?: { reason: string; text: string };
      };
    };

/**
 * The gates behind signature, bot and mention, in the order of github.md 5: installation, member, write permission, fork. Asked again with what it needs until it knows. A person without a
 * link is told how to get one before anything else is looked at; but not a stranger on a fork of a public repository, or anybody in the world could have us write comments.
 */
export function judge({ installation, member, permission, pull }: GateFacts): Verdict {
  if (installation !== 'known') return { outcome: `ignored-installation-${installation}` };
  if (member === undefined) return { need: 'member' };
  if (member === 'refused') return CONNECT;
  return member === 'unlinked' ? judgeStranger(permission, pull) : judgeMember(permission, pull);
}

type Permission = GateFacts['permission'];
type Pull = GateFacts['pull'];

function judgeStranger(permission: Permission, pull: Pull): Verdict {
  if (pull === undefined) return { need: 'pull' };
  if (typeof pull === 'string' || !isFork(pull)) return CONNECT;
  if (permission === undefined) return { need: 'permission' };
  return mayWrite(permission) ? CONNECT : { outcome: 'ignored-stranger-on-fork' };
}

function judgeMember(permission: Permission, pull: Pull): Verdict {
  if (permission === undefined) return { need: 'permission' };
  if (!mayWrite(permission)) return { pass: { readOnly: true, refusal: NO_PERMISSION } };
  if (pull === undefined) return { need: 'pull' };
  if (pull === 'gone') return { outcome: 'ignored-gone' };
  return pass(pull !== 'none' && (isFork(pull) || pull.state !== 'open'));
}

/**
 * Told how to connect, and asked again by itself after that. Where the same person was connected a moment ago it is refused: nobody has looked at what they may.
 */
const CONNECT: Verdict = {
  pass: {
    readOnly: true,
    refusal: { reason: 'connected-meanwhile', text: 'You are connected now. Mention me again.' },
  },
};

const NO_PERMISSION = {
  reason: 'no-write-permission',
  text: 'You may not write to this repository, so I cannot work in it for you. Ask one of its administrators for write access and mention me again.',
};

const pass = (readOnly: boolean): Verdict => ({ pass: { readOnly } });
const mayWrite = (permission: string): boolean => permission === 'admin' || permission === 'write';

/** Its code comes from another repository, or from one that is gone: from a stranger, whoever mentions the bot there. */
export function isFork({ head, base }: GithubPull): boolean {
  return head.repo?.id !== base.repo.id;
}
