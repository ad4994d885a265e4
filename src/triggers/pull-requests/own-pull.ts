import { z } from 'zod';

/**
 * The pull request that Berth opens for what a workspace pushed to its own branch, as the row keeps it (`pull_request.own`). `wanted`: there is work, and none is open for it. `open`. `suspended`: one
 * of these two, as soon as the installation `waitsFor` is not suspended any more. `merged`, `closed`: people did that. `refused`: it cannot be opened. `commit` is what was pushed last, `told` what the pull request says last.
 */
export const ownPullSchema = z.object({
  state: z.enum(['wanted', 'open', 'suspended', 'merged', 'closed', 'refused']),
  head: z.string(),
  commit: z.string(),
  told: z.string().nullable(),
  opened: z
    .object({ number: z.int(), url: z.string(), repositoryId: z.string(), installationId: z.string() })
    .nullable(),
  waitsFor: z.string().optional(),
});
export type OwnPull = z.output<typeof ownPullSchema>;

/** What the row keeps, besides what it was given with a pull request of people's. */
export function ownPullOf(kept: unknown): OwnPull | null {
  const parsed = z.object({ own: ownPullSchema }).safeParse(kept);
  return parsed.success ? parsed.data.own : null;
}

/** After a push to the own branch; null: it stays as it is. People who closed it without merging said no to it. */
export function afterPush(own: OwnPull | null, pushed: { branch: string; commit: string }): OwnPull | null {
  const { branch: head, commit } = pushed;
  switch (own?.state) {
    case 'closed':
      return null;
    case 'wanted':
    case 'open':
    case 'suspended':
      return { ...own, head, commit };
    default:
      return { state: 'wanted', head, commit, told: null, opened: null };
  }
}

/** While the installation that reaches its repository is suspended (`by`), or after it (null): the same again where nothing changes. */
export function suspendedOr(own: OwnPull, by: string | null): OwnPull {
  if (by !== null)
    return own.state === 'suspended' && own.waitsFor === by
      ? own
      : { ...own, state: 'suspended', waitsFor: by };
  if (own.state !== 'suspended') return own;
  const { waitsFor: _, ...rest } = own;
  return { ...rest, state: own.opened ? 'open' : 'wanted' };
}

/** Whether something is to be done about it at the other system. */
export function isDue({ state, commit, told }: OwnPull): boolean {
  return state === 'wanted' || (state === 'open' && told !== commit);
}
