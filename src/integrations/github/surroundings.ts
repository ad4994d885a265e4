import type { ReplyAbout } from '../../triggers/index.js';
import { orMissing } from './api-failure.js';
import type { Spoken } from './heard.js';
import type { GithubLineComment } from './payload.js';
import type { GithubPlace } from './place.js';

/** What belongs to a request without being in it. */
export interface Surroundings {
  review: { text: string; comments: GithubLineComment[] } | null;
  /** What was said before on the same line, oldest first. */
  thread: GithubLineComment[];
  /** Where it is answered. */
  about: ReplyAbout;
}

/**
 * Reads the review or thread that a request is a part of. A review with more than one comment, or with words of its own, is one request and answered as one, whichever of its deliveries came first; a
 * comment that stands alone is answered on its line.
 */
export async function surroundingsOf(spoken: Spoken, place: GithubPlace): Promise<Surroundings> {
  const { kind, comment, line, reviewId, subject, author } = spoken;
  const own: ReplyAbout = {
    commentId: kind === 'review' ? comment.nodeId : comment.id,
    commentKind: kind,
  };
  if (kind !== 'review' && line === null) return { review: null, thread: [], about: own };
  const all = await place.lineComments(subject.number);
  const thread = line ? before(line, all) : [];
  if (reviewId === null) return { review: null, thread, about: own };
  const comments = all.filter(
    ({ pull_request_review_id: of, user }) => of === reviewId && user?.id === author.id,
  );
  if (kind === 'review') return { review: { text: spoken.text, comments }, thread, about: own };
  const review = await orMissing(place.review(subject.number, reviewId), null);
  if (!review || (review.text === '' && comments.length <= 1)) return { review: null, thread, about: own };
  const about = { commentId: review.nodeId, commentKind: 'review' };
  return { review: { text: review.text, comments }, thread, about };
}

function before(
  { id, in_reply_to_id: first }: GithubLineComment,
  all: GithubLineComment[],
): GithubLineComment[] {
  if (!first) return [];
  return all.filter(
    (other) => (other.id === first || other.in_reply_to_id === first) && Number(other.id) < Number(id),
  );
}
