import type { GithubReaction } from './github-world.js';

/** All contents of reactions there are. */
export const REACTIONS = ['+1', '-1', 'laugh', 'confused', 'heart', 'hooray', 'rocket', 'eyes'];

/** Longest text of a comment, issue or pull request, in characters. */
export const BODY_LIMIT = 65_536;

/** Adds a reaction; false when the same person had reacted so already. */
export function react(reactions: GithubReaction[], reaction: GithubReaction): GithubReaction | null {
  const there = reactions.find(
    ({ content, user }) => content === reaction.content && user.id === reaction.user.id,
  );
  if (there) return there;
  reactions.push(reaction);
  return null;
}
